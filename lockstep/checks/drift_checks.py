"""Checks of drift: how far columns are from the training rows, and when that begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.checks.check_results import (
    CheckResult,
    coverage,
    impact_figures,
    tell,
    with_unjudged,
)
from lockstep.checks.ingest import QuarantinedValues
from lockstep.columns.plain import all_of, counted, listed, verb

if TYPE_CHECKING:
    from lockstep.constraints.constraint_set import ConstraintSet
    from lockstep.constraints.drift import Drift
    from lockstep.parity.changes import Change, Changes
    from lockstep.parity.counterfactuals import Impact
    from lockstep.parity.effect import Effect
    from lockstep.parity.profiles import Profile

_MOST_TOLD = 4
"""Columns that a summary tells of."""


@dataclass(frozen=True)
class Population:
    """A batch beside the training.

    Attributes:
        found: How far each column is from training.
        constraints: Whose limits these are told by.
        training: The profile of the training rows.
        now: That of the batch.
    """

    found: Sequence[Drift]
    constraints: ConstraintSet
    training: Profile
    now: Profile


def check_drift(population: Population) -> CheckResult:
    """Whether columns are as near to the training rows as its days are, whatever came before.

    Args:
        population: The batch.
    """
    found = population.found
    lacking = _nothing_judged(found)
    if lacking is not None:
        return lacking
    far = _far(found)
    said = (
        f"{len(far)} of {counted(_judged(found), 'column')} "
        f"{verb(len(far), 'is', 'are')} not distributed as in training: "
        + "; ".join(f"{one.column} ({one.message})" for one in far[:_MOST_TOLD])
        + "."
        if far
        else f"{all_of(_judged(found), 'column', 'is', 'are')} "
        f"distributed as in training, {_how(population.constraints)}."
    )
    return _result(population, said, warned=[one.column for one in far])


def check_changes(
    population: Population,
    changes: Changes,
    batch: str,
    *,
    ask: Callable[[Sequence[str]], Impact] | None = None,
    aside: QuarantinedValues | None = None,
    each: bool = False,
) -> CheckResult:
    """Whether a lasting change from the training begins with a batch.

    Args:
        population: The batch.
        changes: The changes that are under way after the batch.
        batch: The day or file.
        ask: Tells what columns do to the outputs; asked of those that are told of.
        aside: Tells what is missing of columns since its rows were quarantined.
        each: Whether each batch that is far counts by itself, as of decisions.
    """
    found = population.found
    lacking = _nothing_judged(found)
    if lacking is not None:
        return lacking
    by_name = {one.column: one for one in found}
    begun = [name for name in changes.beginning(batch) if name in by_name]
    far = [one.column for one in _far(found)]
    today = [name for name in far if name not in begun and name not in changes.lasting]
    counted = [name for name in far if each and name not in begun]
    parts = [_begun(by_name[name], changes.columns[name]) for name in begun[:_MOST_TOLD]]
    parts += [f"{name} has {by_name[name].message}" for name in counted[:_MOST_TOLD]]
    warned = [*begun, *counted]
    impact = ask(warned) if warned and ask is not None else None
    if impact is not None:
        parts.append(str(impact))
    if not parts:
        parts.append(f"No lasting change from training begins, {_how(population.constraints)}")
    if goes_on := [name for name in changes.lasting if name not in begun]:
        since = (f"{name} since {changes.columns[name].since}" for name in goes_on)
        parts.append(f"Drifted before: {listed(since, _MOST_TOLD)}")
    if today and not each:
        times = (f"{name} ({by_name[name].share:.2g} times its limit)" for name in today)
        parts.append(f"Far in this batch alone so far: {listed(times, _MOST_TOLD)}")
    return _result(
        population,
        ". ".join(parts) + "." + (aside.told(warned) if aside is not None else ""),
        warned=warned,
        changes=changes,
        begun=len(begun),
        effects=impact.effects if impact is not None else (),
    )


def _result(
    population: Population,
    said: str,
    *,
    warned: Sequence[str],
    changes: Changes | None = None,
    begun: int | None = None,
    effects: Sequence[Effect] = (),
) -> CheckResult:
    found = population.found
    unjudged = {one.column: one.unjudged for one in found if one.unjudged is not None}
    order = {name: place for place, name in enumerate(warned)}
    rows = sorted(found, key=lambda one: (order.get(one.column, len(order)), -one.share))
    lasting = {} if changes is None else {"lasting changes": len(changes.lasting)}
    return CheckResult(
        passed=not warned,
        summary=with_unjudged(said, unjudged, briefly=bool(warned)),
        severity="WARN",
        column=warned[0] if warned else None,
        also=tuple(warned[1:]),
        numbers={
            **coverage(population.now.rows, _judged(found), unjudged),
            "far": len(_far(found)),
            **({"beginning": begun} if begun is not None else {}),
            **lasting,
            **impact_figures(effects),
            **{f"{one.column}, of its limit": one.share for one in found if one.is_measured},
        },
        table=[_row(row, population, changes) for row in rows],
        unjudged=unjudged,
    )


def _row(one: Drift, population: Population, changes: Changes | None) -> dict[str, Any]:
    """A column with its farthest statistic, and its histograms of training and batch."""
    from lockstep.parity.profiles import histograms

    before, now = (of.columns.get(one.column) for of in (population.training, population.now))
    shown = histograms(before, now) if before is not None and now is not None else ("", "")
    change = changes.columns.get(one.column) if changes is not None else None
    return {
        "column": one.column,
        "training": shown[0],
        "now": shown[1],
        "of its limit": float(f"{one.share:.3g}") if one.is_measured else None,
        "by": one.what,
        "is": one.now,
        "was": one.usual,
        "since": change.since if change is not None and change.begun is not None else "",
        "not judged": one.unjudged or "",
    }


def _nothing_judged(found: Sequence[Drift]) -> CheckResult | None:
    if not found:
        return CheckResult.not_judged("There are no rows or no columns to compare with training.")
    if _judged(found):
        return None
    unjudged = {one.column: one.unjudged or "it has no limit" for one in found}
    reasons = {*unjudged.values()}
    why = reasons.pop() if len(reasons) == 1 else tell(unjudged)
    return CheckResult.not_judged(f"No column can be judged: {why}.", unjudged)


def _judged(found: Sequence[Drift]) -> int:
    return sum(one.is_measured for one in found)


def _far(found: Sequence[Drift]) -> list[Drift]:
    return sorted((one for one in found if one.is_far), key=lambda one: -one.share)


def _how(constraints: ConstraintSet) -> str:
    """What the limits are calibrated on."""
    parts = "days" if constraints.layout.event_time is not None else "blocks of rows"
    return f"by limits of {constraints.limits.days} training {parts}"


def _begun(one: Drift, change: Change) -> str:
    now = "in this batch, " if change.batches > 1 else ""
    return f"{one.column} has drifted from training since {_how_far(change)}: {now}{one.message}"


def _how_far(change: Change) -> str:
    """Since when a column departs, and why that is told now."""
    if change.farthest >= 1:
        batches = f"{change.batches} batches" if change.batches > 1 else "this batch"
        return f"{change.since} ({batches}, up to {change.farthest:.2g} times its limit)"
    why = (
        "what each goes beyond half of the way adds up to a change that lasts"
        if change.is_reached
        else "which is told with what else began to change"
    )
    return (
        f"{change.since} (in none of {change.batches} batches beyond its limit, but up to "
        f"{change.farthest:.0%} of the way from what is usual to it, batch after batch; {why})"
    )
