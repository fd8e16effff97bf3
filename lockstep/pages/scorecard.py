"""The ML Test Score of a pipeline, by the checks that were carried out for it.

Tests and score are those of Breck et al., "The ML Test Score: A Rubric for ML Production Readiness
and Technical Debt Reduction" (IEEE Big Data, 2017).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from lockstep.checks import needs
from lockstep.checks.messages import Place
from lockstep.checks.needs import Need
from lockstep.checks.specs import CHECKS, CHECKS_BY_ASSET, Check
from lockstep.checks.streams import CANDIDATE, EXAMINATION, examination_records, training_records
from lockstep.columns.plain import brief, meant
from lockstep.errors import DamagedError, LockstepError
from lockstep.pages.pipeline_state import histories_of
from lockstep.pages.rendering import first_and_rest
from lockstep.project.declaration import PipelineAssets
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult, Result

Status = Literal["automated", "manual", "not run", "lacking"]
_POINTS: dict[Status, float] = {"automated": 1.0, "manual": 0.5, "not run": 0.0, "lacking": 0.0}
_PARTITIONS = 30
"""Days and files of a stream whose checks count, the last ones."""
_Found = dict[str, list[tuple[int | None, CheckResult]]]
"""By check, the versions and results of the times when it was due, the last first."""


class _Test(NamedTuple):
    """A test, as `ml_test_score.toml` describes it."""

    title: str
    checks: tuple[Check, ...]
    figure: str
    need: Need | None
    versions: int

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _Test:
        known = {check.name: check for check in CHECKS}
        checks = tuple(known[name] for name in entry.get("checks", ()))
        need = getattr(needs, entry["need"]) if "need" in entry else None
        return cls(entry["title"], checks, entry.get("figure", ""), need, entry.get("versions", 1))


_RUBRIC = tomllib.loads((files("lockstep.pages") / "ml_test_score.toml").read_text("utf-8"))
TESTS = {
    f"{name} {at}": _Test.of(entry) for name in _RUBRIC for at, entry in enumerate(_RUBRIC[name], 1)
}
"""The tests by section and number."""


@dataclass(frozen=True)
class ScoredTest:
    """A test as it stands for a pipeline."""

    name: str  # its section and number, such as `model 3`
    title: str
    status: Status  # automated is only what was carried out
    checks: tuple[str, ...]  # those that carry it out
    # What they found last; or where the results are of who does it by hand; or what to do.
    told: str
    result: Result = "not_judged"  # the worst of what they found


@dataclass(frozen=True)
class Scorecard:
    """The ML Test Score of a pipeline."""

    score: float  # the least of the points of the sections
    sections: dict[str, float]  # points: one for what is automated, half for what is done by hand
    tests: tuple[ScoredTest, ...]

    @classmethod
    def of(cls, declared: PipelineAssets, store: Store) -> Scorecard:
        """Score a pipeline by its records.

        Raises:
            LockstepError: It declares results of a test that there is not.
        """
        for name in declared.by_hand.keys() - TESTS.keys():
            raise LockstepError(
                f"{declared.name}: by_hand names {name!r}, which is no test{meant(name, TESTS)}."
            )
        found: _Found = {}
        for step in sorted(_steps(declared, store), key=lambda step: step.finished_at)[::-1]:
            for name, result in step.results.items():
                found.setdefault(name, []).append((step.version, result))
        tests = tuple(_state(declared, name, test, found) for name, test in TESTS.items())
        sections = dict.fromkeys(_RUBRIC, 0.0)
        for test in tests:
            sections[test.name.split()[0]] += _POINTS[test.status]
        return cls(min(sections.values()), sections, tests)


def _steps(declared: PipelineAssets, store: Store) -> list[StepRecord]:
    """The steps whose checks count."""
    steps = []
    for history in histories_of(declared, store).values():
        history.look()
        for partition in history.newest(_PARTITIONS):
            with suppress(DamagedError):
                attempts = history.records.newest_first(partition)
                steps += [step for attempt in attempts for step in attempt.record.steps.values()]
    with suppress(DamagedError):  # an examination is of one version
        trained = training_records(declared, store).committed(CANDIDATE)
        examined = examination_records(declared, store).committed(EXAMINATION)
        if trained is not None and examined is not None:
            step = examined.record.steps[EXAMINATION]
            steps += [step] * (step.manifest == trained.record.steps[CANDIDATE].manifest)
    return steps


def _state(declared: PipelineAssets, name: str, test: _Test, found: _Found) -> ScoredTest:
    needed = (test.need, *(check.need for check in test.checks))
    unmet = [need for need in needed if need is not None and not need.is_met(declared)]
    checks = [check for check in test.checks if check.need not in unmet]
    if not checks or test.need in unmet:
        todo = f"Declare {unmet[0].words}, or" if unmet else "Do it, and"
        told = f"{todo} say where its results are: by_hand={{{name!r}: ...}}"
        return _by_hand(declared, ScoredTest(name, test.title, "lacking", (), told))
    names, last = tuple(check.name for check in checks), list[CheckResult]()
    for check in checks:
        results = found.get(check.name, [])
        judged = [
            (version, result)
            for version, result in results
            if result.judged and any(title.endswith(test.figure) for title in ("", *result.numbers))
        ]
        if len({version for version, _ in judged}) < test.versions:
            asset = next(asset for asset, its in CHECKS_BY_ASSET.items() if check in its)
            of = f" of {test.versions} versions" if test.versions > 1 else ""
            why = (
                f" ({results[0][1].summary.rstrip('.')})"
                if results and not results[0][1].judged
                else ""
            )
            again = Place(f"{declared.name}/{asset}").again
            told = f"{check.name} was not carried out{of}{why}: {again}"
            return _by_hand(declared, ScoredTest(name, test.title, "not run", names, told))
        last.append(judged[0][1])
    worst = next(r for r in ("failed", "warned", "passed") if r in {each.result for each in last})
    told = " ".join(_figure(result, test.figure) for result in last)
    return ScoredTest(name, test.title, "automated", names, told, worst)


def _by_hand(declared: PipelineAssets, state: ScoredTest) -> ScoredTest:
    """The test as people do it, if they say so."""
    results = declared.by_hand.get(state.name)
    return state if results is None else replace(state, status="manual", checks=(), told=results)


def _figure(result: CheckResult, end: str) -> str:
    """The figures whose titles end so; by default, or where a check did not pass, the finding."""
    if not result.passed:
        return f"{result.result}: {first_and_rest(result.summary)[0]}"
    titles = [title for title in result.numbers if end and title.endswith(end)]
    figures = [f"{title}: {brief(result.numbers[title])}" for title in titles]
    return ", ".join(figures) or first_and_rest(result.summary)[0]
