"""Faults: what is done and where, what checks say with it and without it, what came of it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lockstep.errors import LockstepError
from lockstep.store.results import CheckResult

Class = Literal["code", "environment", "artifact", "data", "promotion", "online"]
CLASSES: tuple[Class, ...] = ("code", "environment", "artifact", "data", "promotion", "online")
ABOUT_ROWS = (
    *("decoding", "input_suite", "constraints", "sudden_shift", "restated"),
    *("computation", "feature_suite", "output_suite", "row_conservation"),
)
"""Checks that say that rows are wrong, rather than that the population has changed."""
ABOUT_POPULATION = ("input_drift", "prediction_drift")
REFUSAL, BROKEN = "refusal", "broken"
"""Stand for checks where Lockstep refuses to go on, and where it ends in an error that nothing
caught: that is no finding."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong."""

    name: str
    kind: Class
    story: str  # what happens, in a sentence
    where: tuple[str, ...]  # any of these columns, functions or files says where it is
    checks: tuple[str, ...] = ABOUT_ROWS  # those of the right kind for it
    blocks: bool = True  # whether nothing of it may be published, or go live


@dataclass(frozen=True)
class Judged:
    """What the checks said, and what could be published or went live for it."""

    results: Mapping[str, CheckResult]
    out: Mapping[str, Any] = field(default_factory=dict)  # by key or name, what got out
    aside: frozenset[str] = frozenset()  # keys of rows that were set aside
    seconds: float = 0.0  # by the clock, other processes included


@dataclass(frozen=True)
class Trial:
    """What came of a fault, tried once."""

    detected: bool  # whether a check of the right kind fails with it, and not without
    located: bool  # whether that names the right column, function or file
    contained: bool  # whether nothing wrong was published that should be blocked
    by: str = ""  # the check that found it; empty where none did
    said: str = ""  # what that check said
    seconds: float = 0.0  # how long the try took, the fault itself included


@dataclass(frozen=True)
class Outcome:
    """What came of a fault, by the days or the one try of it."""

    fault: Fault
    trials: Mapping[str, Trial] = field(default_factory=dict)

    @property
    def detected(self) -> bool:
        """Whether it was found in most of the tries."""
        return _most([trial.detected for trial in self.trials.values()])

    @property
    def located(self) -> bool:
        """Whether most of the tries in which it was found name the right place."""
        located = [trial.located for trial in self.trials.values() if trial.detected]
        return self.detected and _most(located)

    @property
    def contained(self) -> bool:
        """Whether nothing of it got out in any of the tries."""
        return all(trial.contained for trial in self.trials.values())

    @property
    def by(self) -> str:
        """The check that found it most often."""
        found = [trial.by for trial in self.trials.values() if trial.by]
        return max(sorted({*found}), key=found.count, default="")


def _most(found: Sequence[bool]) -> bool:
    return sum(found) * 2 > len(found)


def judged(judge: Callable[[], Judged]) -> Judged:
    """What the checks said of a fault, and how long it took; or the error in which it ended."""
    begun = time.perf_counter()
    try:
        found = judge()
    except LockstepError as error:
        found = Judged({REFUSAL: CheckResult(False, str(error))})
    except Exception as error:  # noqa: BLE001 - recorded as not found, with its cause
        found = Judged({BROKEN: CheckResult(False, f"{type(error).__name__}: {error}")})
    return replace(found, seconds=time.perf_counter() - begun)


def compare(fault: Fault, clean: Judged, faulted: Judged) -> Trial:
    """What came of a fault, by what the checks said without it and with it."""
    found = {
        name: result
        for name, result in faulted.results.items()
        if name in fault.checks and is_found(result) and not is_found(clean.results.get(name))
    }
    naming = [name for name, result in found.items() if _names(result, fault.where)]
    by = next(iter([*naming, *found]), "")
    broken = faulted.results.get(BROKEN)
    return Trial(
        detected=bool(found),
        located=bool(naming),
        contained=not fault.blocks or not _wrong(clean, faulted),
        by=by,
        said=found[by].summary if by else broken.summary if broken else "",
        seconds=faulted.seconds,
    )


def is_found(result: CheckResult | None) -> bool:
    """Whether a check says that something is wrong."""
    return result is not None and result.judged and not result.passed


def _names(result: CheckResult, where: tuple[str, ...]) -> bool:
    """Whether a finding names one of these columns, functions or files."""
    told = " ".join((result.where, result.column or result.summary, *result.also))
    return any(re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", told) for name in where)


def _wrong(clean: Judged, faulted: Judged) -> bool:
    """Whether something got out that is not what gets out without the fault, or is lacking."""
    if not faulted.out:
        return False
    differs = any(clean.out.get(key) != value for key, value in faulted.out.items())
    return differs or any(key not in faulted.out and key not in faulted.aside for key in clean.out)
