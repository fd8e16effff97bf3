"""What checks say with a fault and without it: whether it was found, where, what got out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.skew.faults import Fault, Trial
from lockstep.checks.results import CheckResult
from lockstep.columns.errors import LockstepError


@dataclass(frozen=True)
class Judged:
    """What the checks said, and what could be published or went live for it.

    Attributes:
        results: What each check found, by name.
        out: What got out, by key: the outputs of a row, or the version that serves.
        aside: Keys of rows that were set aside.
        seconds: How long it took by the clock, other processes that carried it out included.
    """

    results: Mapping[str, CheckResult]
    out: Mapping[str, Any] = field(default_factory=dict)
    aside: frozenset[str] = frozenset()
    seconds: float = 0.0


BROKEN = "broken"
"""Stands for a check where a fault ends in an error that nothing caught: that is no finding."""


def judged(judge: Callable[[], Judged]) -> Judged:
    """What the checks said, and how long it took; or the error in which it ended, told as that.

    Args:
        judge: Carries out the fault and the checks.
    """
    begun = time.perf_counter()
    found = _judged(judge)
    return replace(found, seconds=time.perf_counter() - begun)


def _judged(judge: Callable[[], Judged]) -> Judged:
    try:
        return judge()
    except LockstepError as error:
        return Judged({REFUSAL: CheckResult(False, str(error))})
    except Exception as error:  # noqa: BLE001 - recorded as not found, with its cause
        return Judged({BROKEN: CheckResult(False, f"{type(error).__name__}: {error}")})


REFUSAL = "refusal"
"""Stands for a check where Lockstep refuses to go on, and says why."""


def compare(fault: Fault, clean: Judged, faulted: Judged) -> Trial:
    """What came of a fault.

    Args:
        fault: The fault.
        clean: What the checks said without it.
        faulted: What they said with it.
    """
    found = {
        name: result
        for name, result in faulted.results.items()
        if name in fault.checks and is_found(result) and not _failed(clean.results.get(name))
    }
    naming = [name for name, result in found.items() if names(result, fault.where)]
    by = next(iter([*naming, *found]), "")
    return Trial(
        detected=bool(found),
        located=bool(naming),
        contained=not fault.blocks or not _wrong(clean, faulted),
        by=by,
        said=found[by].summary if by else _error(faulted),
        seconds=faulted.seconds,
    )


def is_found(result: CheckResult) -> bool:
    """Whether a check says that something is wrong."""
    return result.judged and not result.passed


def names(result: CheckResult, where: tuple[str, ...]) -> bool:
    """Whether a finding names one of these columns, functions or files."""
    told = " ".join((result.where, result.column or result.summary, *result.also))
    return any(re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", told) for name in where)


def _error(faulted: Judged) -> str:
    """The error in which it ended, if it did."""
    broken = faulted.results.get(BROKEN)
    return "" if broken is None else broken.summary


def _failed(result: CheckResult | None) -> bool:
    return result is not None and is_found(result)


def _wrong(clean: Judged, faulted: Judged) -> bool:
    """Whether something got out that is not what gets out without the fault, or is lacking."""
    if not faulted.out:
        return False
    if any(clean.out.get(key) != value for key, value in faulted.out.items()):
        return True
    return any(key not in faulted.out and key not in faulted.aside for key in clean.out)
