"""Check of drift: how far columns are from the training rows, and when that begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.checks.check_results import coverage, impact_figures, tell, with_unjudged
from lockstep.checks.ingest import QuarantinedValues
from lockstep.columns.plain import all_of, counted, listed, verb
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.constraints.constraint_set import ConstraintSet
    from lockstep.constraints.drift import Drift
    from lockstep.parity.changes import Change, Changes
    from lockstep.parity.counterfactuals import Impact
    from lockstep.parity.effect import Effect
    from lockstep.parity.profiles import Profile

_MOST_TOLD = 4
"""Columns that a summary names."""


@dataclass(frozen=True)
class Population:
    """A batch compared with the training."""

    found: Sequence[Drift]
    constraints: ConstraintSet
    training: Profile
    now: Profile


def check_drift(population: Population) -> CheckResult:
    """Check that columns are as near to the training rows as the training's own days are."""
    drifts = population.found
    lacking = _nothing_judged(drifts)
    if lacking is not None:
        return lacking
    far, judged = _far(drifts), len(_measured(drifts))
    summary = (
        f"{len(far)} of {counted(judged, 'column')} "
        f"{verb(len(far), 'is', 'are')} not distributed as in training: "
        + "; ".join(f"{drift.column} ({drift.message})" for drift in far[:_MOST_TOLD])
        + "."
        if far
        else f"{all_of(judged, 'column', 'is', 'are')} "
        f"distributed as in training, {_how(population.constraints)}."
    )
    return _result(population, summary, warned=[drift.column for drift in far])


def check_changes(
    population: Population,
    changes: Changes,
    batch: str,
    *,
    ask: Callable[[Sequence[str]], Impact] | None = None,
    aside: QuarantinedValues | None = None,
    each: bool = False,
) -> CheckResult:
    """Check that no lasting change from the training begins with a batch.

    Args:
        ask: Returns the impact of columns on the outputs; called with the columns named.
        each: Whether each batch that is far counts by itself, as for decisions.
    """
    drifts = population.found
    lacking = _nothing_judged(drifts)
    if lacking is not None:
        return lacking
    by_name = {drift.column: drift for drift in drifts}
    begun = [name for name in changes.beginning(batch) if name in by_name]
    far = [drift.column for drift in _far(drifts)]
    today = [name for name in far if name not in begun and name not in changes.lasting]
    also_far = [name for name in far if each and name not in begun]
    parts = [_begun(by_name[name], changes.columns[name]) for name in begun[:_MOST_TOLD]]
    parts += [f"{name} has {by_name[name].message}" for name in also_far[:_MOST_TOLD]]
    warned = [*begun, *also_far]
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
    summary: str,
    *,
    warned: Sequence[str],
    changes: Changes | None = None,
    begun: int | None = None,
    effects: Sequence[Effect] = (),
) -> CheckResult:
    drifts = population.found
    unjudged = {drift.column: drift.unjudged for drift in drifts if drift.unjudged is not None}
    order = {name: place for place, name in enumerate(warned)}
    rows = sorted(drifts, key=lambda drift: (order.get(drift.column, len(order)), -drift.share))
    lasting = {} if changes is None else {"lasting changes": len(changes.lasting)}
    return CheckResult(
        passed=not warned,
        summary=with_unjudged(summary, unjudged, briefly=bool(warned)),
        severity="WARN",
        column=warned[0] if warned else None,
        also=tuple(warned[1:]),
        numbers={
            **coverage(population.now.rows, len(_measured(drifts)), unjudged),
            "far": len(_far(drifts)),
            **({"beginning": begun} if begun is not None else {}),
            **lasting,
            **impact_figures(effects),
            **{f"{drift.column}, of its limit": drift.share for drift in _measured(drifts)},
        },
        table=[_row(row, population, changes) for row in rows],
        unjudged=unjudged,
    )


def _row(drift: Drift, population: Population, changes: Changes | None) -> dict[str, Any]:
    from lockstep.parity.profiles import histograms

    before, now = (of.columns.get(drift.column) for of in (population.training, population.now))
    shown = histograms(before, now) if before is not None and now is not None else ("", "")
    change = changes.columns.get(drift.column) if changes is not None else None
    return {
        "column": drift.column,
        "training": shown[0],
        "now": shown[1],
        "of its limit": float(f"{drift.share:.3g}") if drift.is_measured else None,
        "by": drift.what,
        "is": drift.now,
        "was": drift.usual,
        "since": change.since if change is not None and change.begun is not None else "",
        "not judged": drift.unjudged or "",
    }


def _nothing_judged(drifts: Sequence[Drift]) -> CheckResult | None:
    if not drifts:
        return CheckResult.not_judged("There are no rows or no columns to compare with training.")
    if _measured(drifts):
        return None
    unjudged = {drift.column: drift.unjudged or "it has no limit" for drift in drifts}
    reasons = {*unjudged.values()}
    why = reasons.pop() if len(reasons) == 1 else tell(unjudged)
    return CheckResult.not_judged(f"No column can be judged: {why}.", unjudged)


def _measured(drifts: Sequence[Drift]) -> list[Drift]:
    return [drift for drift in drifts if drift.is_measured]


def _far(drifts: Sequence[Drift]) -> list[Drift]:
    return sorted((drift for drift in drifts if drift.is_far), key=lambda drift: -drift.share)


def _how(constraints: ConstraintSet) -> str:
    """The training that the limits are calibrated on."""
    parts = "days" if constraints.layout.event_time is not None else "blocks of rows"
    return f"by limits of {constraints.limits.days} training {parts}"


def _begun(drift: Drift, change: Change) -> str:
    now = f"{'in this batch, ' if change.batches > 1 else ''}{drift.message}"
    return f"{drift.column} has drifted from training since {_how_far(change)}: {now}"


def _how_far(change: Change) -> str:
    """Since when a column departs, and why that is reported now."""
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
