"""The gate: the checks that a wanted version has to pass before it serves, and its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pandas as pd

from lockstep.artifacts.fingerprint import fingerprint
from lockstep.artifacts.losses import departures, losses
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.age import compare_age, scoring_time
from lockstep.checks.check_results import carry_out
from lockstep.checks.code_checks import check_code, check_environment
from lockstep.checks.comparisons import check_compiled, check_replay
from lockstep.checks.specs import (
    CANDIDATE_CHECKS,
    CHECKS_BY_ASSET,
    EVIDENCE,
    HISTORY_CHECKS,
    ROUND_TRIP,
    ROW_LOCALITY,
    TRAINING_PARITY,
    TRAINING_SET_CHECKS,
    WIRE_FORMATS,
    others_not_judged,
    worth_telling,
)
from lockstep.checks.streams import CHAMPION, gate_records, stream_records
from lockstep.columns.kinds import Kind
from lockstep.columns.plain import counted, listed, verb
from lockstep.errors import (
    AliasNotSetError,
    EvidenceError,
    LockstepError,
    RegistryError,
    UnavailableFilesError,
)
from lockstep.parity.selection import GOLDEN_ROWS
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.live import Live, LiveState
from lockstep.registry.registry import Registry
from lockstep.registry.surroundings import read_surroundings
from lockstep.registry.version_tags import (
    Proof,
    TrainingEvidence,
    is_proven,
    proven_in,
    read_evidence,
    write_proven,
)
from lockstep.registry.versions import Version
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult
from lockstep.tables.windows import Window


@dataclass(frozen=True)
class Gate:
    """The results of the gate for the wanted version."""

    wanted: Version
    live: int | None  # number of the version that serves after the gate; None without one
    results: Mapping[str, CheckResult]

    @property
    def is_open(self) -> bool:
        """Whether the wanted version may serve."""
        return not any(result.is_error for result in self.results.values())


def pass_gate(
    declared: PipelineAssets,
    registry: Registry,
    store: Store,
    pointer: Path,
    *,
    wanted: int | None = None,
    back: bool = False,
    anyway: str = "",
    seen: str | None = None,
) -> Gate:
    """Put the wanted version through the gate, and let it serve if it passes.

    A version that has passed before may serve when the checkout's code has changed: it serves with
    its own code, and rolling back to it must work at any time. One that another home has let serve
    since is taken over. `@champion` moves to a version that is named here once it has passed.

    One process at a time does so in a home. Whenever it is killed, either the version before or the
    wanted one serves (`lockstep.registry.live`).

    Args:
        wanted: A version that is wanted in place of the one that `@champion` points to; one that is
            live already is judged and decided on anew.
        back: Whether somebody goes back to it from the live version.
        anyway: Why a person wants it though a check of its quality failed.
        seen: Key of the decision that held when the person said that it is wanted; by default the
            one that holds now (`Live.last`).

    Raises:
        OvertakenError: Another version was let serve since then.
        AliasNotSetError: `@champion` points nowhere.
        VersionNotFoundError: There is no such version.
        LockedError: Another process keeps the gate locked.
        UnavailableFilesError: A file of the version cannot be read now.
    """
    live = Live(registry, declared.name, pointer)
    seen = live.last() if seen is None else seen
    with live.alone():
        before = live.finish()
        if wanted is not None:
            live.demand_last(before, seen, wanted)
        version = (
            registry.find(declared.name, wanted)
            if wanted is not None
            else _aliased(declared, registry, "champion")
        )
        gate, loaded = _judged(declared, registry, store, version, before.version)
        _record(declared, store, gate)
        if loaded is None or not gate.is_open:
            return gate
        write_proven(registry, gate.wanted, live.site, fingerprint(loaded))
        if wanted is not None:
            state = live.promote(loaded, seen, back=back, anyway=anyway)
        elif _is_decided(before, gate.wanted):
            state = live.take(loaded)
        else:
            state = live.move(loaded, back=back, anyway=anyway)
        return replace(gate, live=state.version)


def _is_decided(state: LiveState, wanted: Version) -> bool:
    """Whether a version is the one that was decided on last, and `@live` points to it."""
    decided = state.decided
    return state.is_shown and decided is not None and decided.version == wanted.version


def go_back(
    declared: PipelineAssets,
    registry: Registry,
    store: Store,
    pointer: Path,
    version: int,
    seen: str | None = None,
) -> Gate:
    """Let a version serve again: without the gate, if it is proven in this environment.

    Args:
        seen: Key of the decision that held when somebody said so; by default that of now.

    Raises:
        OvertakenError: Another version was let serve since then.
        ArtifactError: Files of the version are not those that were proven.
        LockedError: Another process keeps the gate locked.
        UnavailableFilesError: A file of the version cannot be read now.
    """
    wanted, loaded = registry.find(declared.name, version), registry.load(declared.name, version)
    proof = proven_in(wanted, fingerprint(loaded))
    if proof is None:
        return pass_gate(declared, registry, store, pointer, wanted=version, back=True, seen=seen)
    live = Live(registry, declared.name, pointer)
    seen = live.last() if seen is None else seen
    with live.alone():
        state = live.promote(loaded, seen, back=True)
    gate = Gate(wanted, state.version, _proven_before(declared, wanted, proof))
    _record(declared, store, gate)
    return gate


def _record(declared: PipelineAssets, store: Store, gate: Gate) -> None:
    """Record what the gate found, by which everybody sees why a wanted version does not serve."""
    records = gate_records(declared, store)
    errors = {name: each.summary for name, each in gate.results.items() if each.is_error}
    with records.step(CHAMPION, CHAMPION, str(uuid4())) as attempt:
        done = StepRecord(results=gate.results, blocked_by=errors, version=gate.wanted.version)
        attempt.keep(CHAMPION, done)
        if gate.is_open:
            records.commit(attempt)


def _proven_before(
    declared: PipelineAssets, wanted: Version, proof: Proof
) -> dict[str, CheckResult]:
    """Results of the gate for a version that did not have to pass it again."""
    known = CheckResult.not_judged(
        f"Version {wanted.version} goes live again as it is: it was proven in this very "
        f"environment on {proof.at:%Y-%m-%d %H:%M} by {proof.by} in {proof.home} on {proof.host}."
    )
    checks = {check.name: known for check in CHECKS_BY_ASSET["champion"]}
    return worth_telling(declared, "champion", checks)


def pass_challenger(
    declared: PipelineAssets, registry: Registry, store: Store, pointer: Path
) -> Gate:
    """Put the challenger through the gate; if it passes, it answers requests that name it.

    The live version stays live.

    Raises:
        AliasNotSetError: `@challenger` points nowhere.
        UnavailableFilesError: A file of the version cannot be read now.
    """
    live = Live(registry, declared.name, pointer)
    version = _aliased(declared, registry, "challenger")
    gate, loaded = _judged(declared, registry, store, version, live.state().version)
    if loaded is not None and gate.is_open:
        write_proven(registry, gate.wanted, live.site, fingerprint(loaded))
    return gate


def _aliased(declared: PipelineAssets, registry: Registry, alias: str) -> Version:
    version = registry.alias(declared.name, alias)
    if version is None:
        numbers = tuple(version.version for version in registry.versions(declared.name))
        raise AliasNotSetError(declared.name, alias, numbers)
    return version


def _judged(
    declared: PipelineAssets, registry: Registry, store: Store, wanted: Version, live: int | None
) -> tuple[Gate, LoadedVersion | None]:
    """Run the checks of a version; return it too, if it loads."""
    try:
        loaded = registry.load(declared.name, wanted.version)
    except (RegistryError, UnavailableFilesError):
        raise
    except LockstepError as error:
        return Gate(wanted, live, _not_loaded(declared, wanted, error)), None
    return Gate(wanted, live, _results(declared, wanted, loaded, store)), loaded


def _results(
    declared: PipelineAssets, wanted: Version, loaded: LoadedVersion, store: Store
) -> dict[str, CheckResult]:
    proven = is_proven(wanted)
    checked = {
        "evidence": carry_out(check_evidence, wanted, loaded),
        "golden_replay": carry_out(check_replay, loaded, as_carried=True),
        "compiled_parity": carry_out(check_compiled, loaded),
        "code_parity": carry_out(
            check_code, declared.pipeline, loaded, proven=proven, suites=declared.suites_json
        ),
        "environment_parity": carry_out(check_environment, loaded, proven=proven),
        "staleness": carry_out(_check_staleness, declared, loaded, store),
    }
    return worth_telling(declared, "champion", checked)


def _not_loaded(
    declared: PipelineAssets, wanted: Version, error: LockstepError
) -> dict[str, CheckResult]:
    result = CheckResult(False, f"Version {wanted.version} cannot be loaded: {error}")
    return others_not_judged(declared, "champion", {EVIDENCE.name: result})


def _check_staleness(declared: PipelineAssets, loaded: LoadedVersion, store: Store) -> CheckResult:
    """Check the age of the newest training row when the newest scored day, or the first, is scored.

    Its time comes from the version's own files: people can edit its tags in the registry.
    """
    newest = loaded.trained_until
    if newest is None:
        return CheckResult.not_judged(
            "The records have no event time, so the age of the training rows is unknown."
        )
    at = datetime.now(UTC)
    if declared.calendar is not None:
        scored = stream_records(declared, store, "daily").partitions()
        day = scored[-1] if scored else declared.calendar.start.isoformat()
        at = scoring_time(declared, "daily", day, at)
    return compare_age(newest, at, declared.max_age, "The newest training row is of")


BLOCKING = frozenset(
    check.name
    for check in (*HISTORY_CHECKS, *TRAINING_SET_CHECKS, *CANDIDATE_CHECKS)
    if check.blocking
)
"""Checks of the training that a version must not have failed to serve."""
_PARITY = tuple(check.name for check in (ROW_LOCALITY, TRAINING_PARITY, ROUND_TRIP, WIRE_FORMATS))
"""Checks that every version has to have passed: they always have something to compare."""


def check_evidence(wanted: Version, loaded: LoadedVersion) -> CheckResult:
    """Check that a version's training lets it serve, and that it holds all its evidence."""
    try:
        evidence = read_evidence(wanted)
    except EvidenceError as error:
        return CheckResult(
            False,
            f"It is not known what the training of version {wanted.version} found: {error}.",
        )
    problems = [
        *_failures(evidence),
        *_losses(evidence, loaded),
        *losses(loaded),
        *_cut(loaded),
        *_untold(wanted),
    ]
    return CheckResult(
        passed=not problems,
        summary=f"Version {wanted.version} may not serve: {'; '.join(problems)}."
        if problems
        else f"{counted(len(evidence.results), 'check')} of its training "
        f"{verb(len(evidence.results), 'was', 'were')} carried out, none that blocks "
        f"is in error, and the version holds all {evidence.counts['golden rows']} golden rows.",
        numbers={
            **evidence.counts,
            "personal columns kept out": len(loaded.pipeline.graph.personal),
        },
        table=[{"check": name, "result": result} for name, result in evidence.results.items()],
    )


def _failures(evidence: TrainingEvidence) -> list[str]:
    failed = [f"{name} failed when it was trained" for name in evidence.failed if name in BLOCKING]
    lacking = [
        f"{name} was not carried out when it was trained"
        for name in _PARITY
        if evidence.results.get(name) not in ("passed", "failed")
    ]
    return failed + lacking


def _losses(evidence: TrainingEvidence, loaded: LoadedVersion) -> list[str]:
    return [
        f"it holds {now} {what}, and {before} were counted when it was trained"
        for what, now, before in departures(loaded, evidence.counts)
    ]


def _cut(loaded: LoadedVersion) -> list[str]:
    """Problems with evidence that every fit stores."""
    graph, key = loaded.pipeline.graph, loaded.pipeline.key
    least = min(GOLDEN_ROWS, loaded.rows)
    problems = []
    may_be_fewer = any(isinstance(node, Window) for node in loaded.pipeline.reading)
    if len(loaded.golden) < least and not may_be_fewer:  # windows may reach over too many rows
        problems.append(f"it holds {len(loaded.golden)} golden rows, and a fit stores {least}")
    fields = loaded.golden.records
    held = [n for n in fields if n in graph.personal and len(pd.unique(fields[n])) > 1]
    if held:
        problems.append(f"its golden records hold personal values of {listed(held)}")
    others = {key, *graph.personal, *loaded.profile.columns}
    lacking = [n for n in graph.served if graph.kind(n) is not Kind.TIME and n not in others]
    if lacking:
        problems.append(f"its profile lacks {listed(lacking)}")
    return problems


def _untold(wanted: Version) -> list[str]:
    """A problem with the digests of the files by which MLflow serves the version."""
    try:
        read_surroundings(wanted)
    except EvidenceError as error:
        return [f"it is not known by which files MLflow is to serve it: {error}"]
    return []
