"""A batch held against constraints and earlier batches, computed once for all checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TypeAlias

import msgspec
import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import Attempted, CheckResult
from lockstep.checks.constraint_checks import (
    Terms,
    WeighedBatch,
    check_constraints,
    check_shift,
    judge,
)
from lockstep.checks.ingest import Ingested
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import concat, stacked, take_rows
from lockstep.constraints.past import DAYS, PastBatch
from lockstep.constraints.view import View
from lockstep.parity.counterfactuals import Impact, drawn
from lockstep.scoring.day_rows import by_day
from lockstep.scoring.earlier import Earlier, accepted_before, earlier_batches, keep_past
from lockstep.scoring.unit import days_of
from lockstep.scoring.work import Batch, Work
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records

Day: TypeAlias = tuple[int, Columns]
"""A day, counted from 1970, with its rows."""
_BLOCK_ROWS = 50_000
"""Rows of days that are judged together: each quantity of a row is an array of so many numbers."""


@dataclass(frozen=True, eq=False)
class ComparedBatch:
    """A batch held against the constraints of a version and the batches before.

    Attributes:
        judged: The batch with its weighed findings.
        past: Its days as later batches look back at them, as if it were published.
        accepted: The findings that are accepted after it, each with its extent.
        why_empty: Why a batch without rows is no error; None where it is one.
        held_back: The days that are held back, counted from 1970, each with the reason.
    """

    judged: WeighedBatch
    past: Sequence[PastBatch]
    accepted: Mapping[str, float]
    why_empty: str | None
    held_back: Mapping[int, str]


def compare(
    work: Work,
    live: LoadedVersion,
    records: Records,
    ingested: Ingested,
    accept: Sequence[str],
    attempt: Attempt,
    units: Sequence[Mapping[int, int]],
) -> ComparedBatch:
    """Hold a batch against the constraints of the live version, day by day.

    A day of a file is judged like a day that comes by itself: with what is kept of the days before
    it, those of the file among them. By `on_violation`, a day with an error is held back alone, and
    the days after it do not look back at it; a file of which each day has one blocks whole.

    Args:
        work: The partition.
        live: The version.
        records: The stream's records.
        ingested: The parted rows.
        accept: Fields and names of findings that a person accepts now.
        attempt: The attempt under way, which has the rows.
        units: By unit, how many of its rows are of each day, counted from 1970.
    """
    policy = work.declared.constraints
    earlier = earlier_batches(records, work.partition, live.digest, policy.first_batches)
    before = accepted_before(records, work.partition, attempt.written, live.digest)
    accepted = {**earlier.accepted, **before}
    kinds, day = live.pipeline.record_schema.kinds, day_of(work, live)
    nothing = concat([], kinds)
    judged, own = _judged(work, live, [(0, nothing)], earlier, ingested, accept, accepted)
    days = {day for of_unit in units for day in of_unit}
    may_hold = work.declared.on_violation == "set_aside" and len(days) > 1
    blocking, held_back = judged, dict[int, str]()
    left = _Blocks(by_day(attempt, units, kinds, partial(days_of, live, day=day)))
    for block in left:
        known = replace(earlier, batches=[*earlier.batches, *own[-DAYS:]])
        found, kept = _judged(work, live, block, known, ingested, accept, accepted)
        if may_hold and found.errors:
            if len(block) > 1:  # the days after one that is held back do not look back at it
                left.part(block, min(error.finding.day for error in found.errors))
                continue
            held_back[block[0][0]] = found.errors[0].finding.what
        blocking = blocking + found
        if block[0][0] in held_back:
            found, kept = found.held_back(), []
        judged, own = judged + found, [*own, *kept]
    if len(held_back) == len(days):
        judged, held_back = blocking, {}
    return ComparedBatch(
        judged=judged,
        past=own[-DAYS:],
        accepted=judged.accepted(accepted),
        why_empty=why_empty(work, live, ingested),
        held_back=held_back,
    )


class _Blocks:
    """Days that follow upon each other, some thousand rows at a time: a day alone costs as much.

    Args:
        days: The days with their rows, in order.
    """

    def __init__(self, days: Iterable[Day]) -> None:
        self._days = iter(days)
        self._parted: list[list[Day]] = []
        self._next: Day | None = None

    def __iter__(self) -> Iterator[list[Day]]:
        while block := self._parted.pop(0) if self._parted else self._following():
            yield block

    def part(self, block: list[Day], day: int) -> None:
        """Give a block again, in the days before one, that one, and those after it."""
        at = [number for number, _ in block].index(day)
        parts = (block[:at], [block[at]], block[at + 1 :])
        self._parted[:0] = [part for part in parts if part]

    def _following(self) -> list[Day]:
        block: list[Day] = []
        rows = 0
        while (day := self._next or next(self._days, None)) is not None:
            self._next = day
            rows += len(next(iter(day[1].values())))
            if block and rows > _BLOCK_ROWS:
                break
            block.append(day)
            self._next = None
        return block


def _judged(
    work: Work,
    live: LoadedVersion,
    block: Sequence[Day],
    earlier: Earlier,
    ingested: Ingested,
    accept: Sequence[str],
    accepted: Mapping[str, float],
) -> tuple[WeighedBatch, list[PastBatch]]:
    """The rows of some days held against the constraints, and what is kept of each day."""
    constraints = live.constraints
    columns = stacked([columns for _, columns in block])
    days = np.repeat([day for day, _ in block], [len(rows[live.pipeline.key]) for _, rows in block])
    view = constraints.view(columns, days, earlier.batches)
    terms = replace(terms_of(work, live, ingested, earlier, view), accept=accept, accepted=accepted)
    judged = judge(constraints, view, terms, of_one_day=work.stream == "daily")
    past = constraints.remembered(view, judged.days, work.partition)
    judged = replace(judged, days=judged.days[-1:])
    if (first := judged.first) is not None:
        rows = first.finding.rows if len(first.finding.rows) else np.arange(len(view))
        judged = replace(judged, asked=take_rows(columns, drawn(rows)))
    return judged, past


def constraint_checks(
    compared: Attempted[ComparedBatch], batch: Batch, live: LoadedVersion
) -> dict[str, CheckResult]:
    """Results of the checks of constraints."""
    ask = batch.counterfactuals

    def typical(judged: WeighedBatch, columns: Sequence[str]) -> Impact:
        asked = replace(ask, raw=judged.asked)
        return asked.typical(columns, np.arange(len(judged.asked[live.pipeline.key])))

    result = compared.check(
        lambda value: check_constraints(
            value.judged, partial(typical, value.judged), batch.quarantined, value.why_empty
        )
    )
    return {
        "sudden_shift": compared.check(lambda value: check_shift(value.judged, ask.mixed)),
        "constraints": replace(result, seconds=compared.seconds + result.seconds),
    }


def keep_for_later(
    attempt: Attempt, compared: ComparedBatch | None, *, is_blocked: bool
) -> Mapping[str, float]:
    """Store a batch's days for later batches; return the findings that are accepted after it.

    Args:
        attempt: The attempt whose step stores them.
        compared: The batch held against the constraints; None where that failed, which blocks.
        is_blocked: Whether the batch is held back.
    """
    if compared is None:
        return {}
    kept = [
        msgspec.structs.replace(day, blocked=is_blocked, accepted=dict(compared.accepted))
        for day in compared.past
    ]
    if kept:
        keep_past(attempt, kept)
    return compared.accepted


def terms_of(
    work: Work, live: LoadedVersion, ingested: Ingested, earlier: Earlier, view: View
) -> Terms:
    """The terms on which findings are weighed, without what people accept."""
    graph, policy = live.pipeline.graph, work.declared.constraints
    is_file = not work.records.holds_days
    held_back = any(batch.blocked for batch in earlier.batches)  # then sums over days may be wrong
    set_aside = ingested.total - ingested.accepted
    too_many = set_aside > work.declared.max_quarantined * ingested.total
    return Terms(
        policy=policy,
        reaching={name for output in graph.outputs for name in graph.ancestors(output)},
        is_new=earlier.published < policy.first_batches,
        lacks_rows=held_back or is_file or set_aside > 0 or _is_after_gap(live, view),
        any_size=is_file or too_many,
    )


def why_empty(work: Work, live: LoadedVersion, ingested: Ingested) -> str | None:
    """Why a batch without rows is no error; None where it is one."""
    if ingested.total:
        return "all of them are set aside"
    constraints = live.constraints
    if constraints.layout.event_time is None or work.stream != "daily":
        return "nothing tells how many there should be"
    days = [past.day for past in constraints.past]
    if len(days) > 1 and np.diff(days).max() == 1:
        return None
    return "training had days without rows"


def _is_after_gap(live: LoadedVersion, view: View) -> bool:
    """Whether the batch before is longer ago than any two training days in a row."""
    trained = [past.day for past in live.constraints.past]
    known = [past.day for past in view.past]
    if len(trained) < 2 or not known or not len(view):
        return False
    first = int(view.day.min())
    before = max((day for day in known if day < first), default=first)
    return first - before > int(np.diff(trained).max())


def day_of(work: Work, live: LoadedVersion) -> int | None:
    """The day of all rows, counted from 1970; None where each has the day of its event.

    Without event times, it is the number of the file.
    """
    if work.stream == "daily":
        of_partition = date.fromisoformat(work.partition).toordinal()
        return of_partition - date(1970, 1, 1).toordinal()
    if live.pipeline.record_schema.event_time is None:
        return live.constraints.days + work.records.count_before(work.partition)
    return None
