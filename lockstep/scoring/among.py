"""A batch held against constraints and earlier batches, computed once for all checks."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import groupby
from operator import attrgetter

import msgspec
import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import Attempted
from lockstep.checks.constraint_checks import (
    Terms,
    WeighedBatch,
    check_constraints,
    check_shift,
    excused_by,
    weigh,
    weigh_none,
)
from lockstep.checks.ingest import Ingested
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import take_rows
from lockstep.constraints.constraint_set import DayMeasured, light_batch, with_figures
from lockstep.constraints.past import DAYS, Lacking, PastBatch
from lockstep.constraints.thresholds import MOST_KNOWN
from lockstep.parity.counterfactuals import ROWS_OF_A_DAY, Counterfactuals, Impact, drawn
from lockstep.scoring.day_rows import LOOKED_AT, WHOLE, DayBlock, blocks_of, forget_days
from lockstep.scoring.earlier import (
    Earlier,
    accepted_before,
    earlier_batches,
    keep_past,
    number_of_day,
    of_held_back,
)
from lockstep.scoring.executors import Executor
from lockstep.scoring.measuring import (
    DaysTask,
    MeasuredDays,
    OpenedDays,
    forget_remembered,
    measure_days,
    measured_blocks,
    remembered,
)
from lockstep.scoring.unit import SetAsideRows
from lockstep.scoring.work import Batch, Work
from lockstep.stats.number_runs import Runs
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult

_LOOKED_AT, _WHOLE = LOOKED_AT, WHOLE
"""See `blocks_of`."""


@dataclass(frozen=True, eq=False)
class ComparedBatch:
    """A batch held against the constraints of a version and the batches before."""

    judged: WeighedBatch
    # Its days as later batches look back at them, as if it were published.
    past: Sequence[PastBatch]
    accepted: Mapping[str, float]  # after it, each with its extent
    why_empty: str  # why a batch without rows is no finding
    held_back: Mapping[int, str]  # reasons by day, counted from 1970


def compare(
    work: Work,
    live: LoadedVersion,
    records: Records,
    ingested: Ingested,
    accept: Sequence[str],
    attempt: Attempt,
    units: Sequence[Mapping[int, int]],
    set_aside: SetAsideRows,
) -> ComparedBatch:
    """Hold a batch against the constraints of the live version, day by day.

    A day of a file is judged like a day that comes by itself: with what is kept of the days before
    it, those of the file among them. By `on_violation`, a day with an error is held back alone, and
    its figures are not usual for the days after it; a file of which each day has one blocks whole.

    Args:
        accept: Fields and names of findings that a person accepts now.
        units: By unit, how many of its rows are of each day, counted from 1970.
    """
    policy = work.declared.constraints
    earlier = earlier_batches(records, work.partition, live.digest, policy.first_batches)
    before = accepted_before(records, work.partition, attempt.written, live.digest)
    accepted = {**earlier.accepted, **before}
    days = sorted({day for of_unit in units for day in of_unit})
    terms = terms_of(work, live, ingested, earlier, days)
    lacks_keys = terms.lacks_keys or set_aside.unknown > 0
    terms = replace(terms, accept=accept, accepted=accepted, lacks_keys=lacks_keys)
    judging = _Judging(live, earlier, terms, set_aside.runs)
    may_hold = work.declared.on_violation == "set_aside" and len(days) > 1
    judged = blocking = WeighedBatch(live.constraints, accept=accept)
    no_rows = why_empty(work, live, ingested)
    if no_rows is None and (day := day_of(work, live)) is not None:
        judged = blocking = weigh_none(live.constraints, day, terms)
    held_back: dict[int, str] = {}
    may_fail = int(work.declared.max_quarantined * ingested.total)
    lacking = set_aside.lacking.dated(days)
    tasks = list(_tasks(work, live, attempt, earlier, units, may_fail, lacking))
    executor = work.executor_for(tasks)
    try:
        for found in judging.days(executor, tasks):
            blocking = blocking + found
            is_held = may_hold and bool(found.errors)
            if is_held:
                first = found.errors[0].finding
                held_back[first.day] = first.what
                judging.hold_back(first.day, found)
            judged = judged + (found.held_back() if is_held else found)
        past = judging.kept(tasks)
    finally:
        forget_days(attempt.folder, len(units))
        forget_remembered(attempt.folder, len(tasks))
    if len(held_back) == len(days):
        judged, held_back = blocking, {}
    return ComparedBatch(
        judged=judged,
        past=past,
        accepted=judged.accepted(accepted),
        why_empty=no_rows or "their number is not looked at",
        held_back=held_back,
    )


def _tasks(
    work: Work,
    live: LoadedVersion,
    attempt: Attempt,
    earlier: Earlier,
    units: Sequence[Mapping[int, int]],
    may_fail: int,
    lacking: Lacking,
) -> Iterator[DaysTask]:
    """The blocks of days of a batch, each with what it looks back at."""
    day, of_day = day_of(work, live), live.constraints.looked_at
    blocks = blocks_of(units, of_day, _LOOKED_AT, _WHOLE)
    by_days = {days: numbers[0] for days, numbers in _by_days(blocks).items()}
    for block in blocks:
        first = block.days[0]
        before = [number for days, number in by_days.items() if first - DAYS <= days[-1] < first]
        yield DaysTask(
            block=block,
            folder=attempt.folder,
            partition=work.partition,
            day=day,
            earlier=[batch for batch in earlier.batches if batch.day >= first - DAYS],
            before=before,
            may_fail=may_fail,
            lacking=lacking.between(first - DAYS, block.days[-1]),
        )


def _by_days(blocks: Iterable[DayBlock]) -> dict[tuple[int, ...], list[int]]:
    """The numbers of the blocks that have the same days, by these, in order."""
    return {
        days: [block.number for block in held]
        for days, held in groupby(blocks, key=attrgetter("days"))
    }


@dataclass(frozen=True, eq=False)
class _MeasuredBlock:
    """A block of days, with what they come to."""

    live: LoadedVersion
    task: DaysTask
    measured: MeasuredDays

    @cached_property
    def opened(self) -> OpenedDays:
        """Its rows, which are read once a message needs them."""
        return self.task.open(self.live)


class _Judging:
    """The days of a batch, judged one after the other."""

    def __init__(self, live: LoadedVersion, earlier: Earlier, terms: Terms, came: Runs) -> None:
        self._live = live
        self._earlier = earlier
        self._terms = terms
        self._came = came
        self._excused = excused_by(live.constraints, terms)
        self._own: dict[int, PastBatch] = {}
        self._held_back: dict[int, Collection[str] | None] = {}

    def days(self, executor: Executor, tasks: Sequence[DaysTask]) -> Iterator[WeighedBatch]:
        """The weighed findings of each day, in order."""
        measured = measured_blocks(executor, self._live, tasks)
        blocks = (_MeasuredBlock(self._live, *pair) for pair in measured)
        by_days = groupby(
            blocks, key=lambda block: (block.task.block.days, block.task.block.of_day)
        )
        for (_, of_day), parts in by_days:
            if of_day:
                yield self._parted(map(self._fresh, parts))
            else:
                for block in parts:
                    yield from self._whole(block)

    def hold_back(self, day: int, found: WeighedBatch) -> None:
        """Hold back the last day that came: its figures are not usual for those after it."""
        self._held_back[day] = doubted(found, self._live, day)
        self._own[day] = of_held_back(self._own[day])

    def kept(self, tasks: Sequence[DaysTask]) -> list[PastBatch]:
        """What later batches look back at: the last days, as if the batch were published."""
        kept: list[PastBatch] = []
        for numbers in reversed(_by_days(task.block for task in tasks).values()):
            if len(kept) < DAYS:
                kept[:0] = remembered(tasks[0].folder, numbers[0])
        return [self._with_figures(batch) for batch in kept[-DAYS:]]

    def _with_figures(self, batch: PastBatch) -> PastBatch:
        own = self._own[batch.day]
        runs = own.runs and (own.runs + self._came).bounded(MOST_KNOWN)
        if batch.day in self._held_back:
            batch = batch.held_back(self._held_back[batch.day])
            return of_held_back(msgspec.structs.replace(batch, runs=runs))
        figures = {name: getattr(own, name) for name in ("counts", "middle", "values", "sizes")}
        return msgspec.structs.replace(batch, **figures, runs=runs)

    def _fresh(self, block: _MeasuredBlock) -> _MeasuredBlock:
        """A block, measured again where days that count in it have been held back since."""
        task = block.task
        counting = {day for day in self._held_back if day >= task.block.days[0] - DAYS}
        if counting <= task.held_back.keys():
            return block
        task = replace(task, held_back=dict(self._held_back))
        return _MeasuredBlock(self._live, task, measure_days(self._live, task))

    def _whole(self, block: _MeasuredBlock) -> Iterator[WeighedBatch]:
        """The days of a block, one after the other."""
        for at in range(len(block.measured.days)):
            block = self._fresh(block)
            yield self._weighed(block.measured.days[at], block)

    def _parted(self, parts: Iterable[_MeasuredBlock]) -> WeighedBatch:
        """A day in several blocks: examples are of the one whose rows break the most rules."""
        whole: DayMeasured | None = None
        most = -1.0
        for block in parts:
            (part,) = block.measured.days
            whole = part if whole is None else whole + part
            if (broken := self._live.constraints.broken_in(part)) > most:
                most, shown_of, shown = broken, part.looked_at, block
        assert whole is not None, "a day has parts"
        return self._weighed(whole, shown, shown_of)

    def _weighed(
        self, day: DayMeasured, block: _MeasuredBlock, shown_of: int | None = None
    ) -> WeighedBatch:
        """A day judged by those before it, with its weighed findings."""
        constraints = self._live.constraints
        known = constraints.known([*self._earlier.batches, *self._own.values()])
        judged = constraints.judge(day, known, block.measured.shown, shown_of, self._came)
        self._own[day.day] = with_figures(light_batch(day.day, day.rows), judged)
        if len(self._own) > DAYS:
            del self._own[min(self._own)]
        found = weigh(
            constraints,
            judged,
            lambda: block.opened.view,
            self._terms,
            self._excused,
            block.measured.misdated,
        )
        if any(each.would_block for each in found.findings):
            of_day = np.flatnonzero(block.opened.view.day == day.day)
            rows_of_day = take_rows(block.opened.columns, drawn(of_day, ROWS_OF_A_DAY))
            found = found.blocking(cache(partial(self._moved, rows_of_day)))
        if (first := found.first) is None:
            return found
        rows = first.finding.rows
        rows = rows if len(rows) else np.flatnonzero(block.opened.view.day == day.day)
        return replace(found, asked=take_rows(block.opened.columns, drawn(rows)))

    def _moved(self, rows: Columns, columns: Sequence[str]) -> str:
        """How far the first of some columns moves an output, if no training day did; else empty."""
        profile = self._live.profile
        known = profile.columns.get(columns[0]) if columns else None
        if known is None or not known.moves:
            return ""  # it is not known how far training days did
        count = len(rows[self._live.pipeline.key])
        by_chance = self._by_chance(count)
        serving = self._live.compiled.pipeline
        for effect in Counterfactuals(serving, rows, profile).mixed(columns[:1]).effects:
            usual = known.moves.get(effect.output, np.inf)
            if effect.extent > usual * by_chance:
                return f"It {effect.farther_than(usual)} on any training day"
        return ""

    def _by_chance(self, rows: int) -> float:
        """How much farther chance moves the mean of so few rows than that of a training day."""
        usual = float(np.median([past.rows for past in self._live.constraints.past]))
        return max(1.0, math.sqrt(min(usual, ROWS_OF_A_DAY) / rows))


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
    attempt: Attempt,
    compared: ComparedBatch | None,
    live: LoadedVersion,
    blocked_by: Collection[str],
) -> Mapping[str, float]:
    """Store a batch's days for later batches; return the findings that are accepted after it.

    None in place of the compared batch is a failure, which blocks.
    """
    if compared is None:
        return {}
    kept = [
        msgspec.structs.replace(
            _blocked(day, compared.judged, live, blocked_by), accepted=dict(compared.accepted)
        )
        for day in compared.past
    ]
    if kept:
        keep_past(attempt, kept)
    return compared.accepted


def _blocked(
    day: PastBatch, judged: WeighedBatch, live: LoadedVersion, blocked_by: Collection[str]
) -> PastBatch:
    """A day as later batches look back at it, by the checks that hold its batch back."""
    if day.blocked or not blocked_by:
        return day
    is_known = {*blocked_by} <= {"constraints", "sudden_shift"}
    return day.held_back(doubted(judged, live, day.day) if is_known else None)


def doubted(judged: WeighedBatch, live: LoadedVersion, day: int) -> Collection[str] | None:
    """The fields that the findings of a day name; None where it may have had other rows."""
    layout = live.constraints.layout
    fields = {
        name
        for each in judged.findings
        if each.finding.day == day
        for detail in each.finding.details
        for name in (*each.finding.columns, *detail.statistic.columns)
    }
    return None if fields & {layout.key, layout.event_time} else fields


def terms_of(
    work: Work, live: LoadedVersion, ingested: Ingested, earlier: Earlier, days: Sequence[int]
) -> Terms:
    """The terms on which findings are weighed, without what people accept."""
    graph, policy = live.pipeline.graph, work.declared.constraints
    is_file, is_after_gap = not work.records.holds_days, _is_after_gap(live, earlier, days)
    set_aside = ingested.total - ingested.accepted
    too_many = set_aside > work.declared.max_quarantined * ingested.total
    return Terms(
        policy=policy,
        reaching={name for output in graph.outputs for name in graph.ancestors(output)},
        published=earlier.published if earlier.published < policy.first_batches else None,
        lacks_rows=is_file or is_after_gap,
        lacks_keys=is_after_gap,
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


def _is_after_gap(live: LoadedVersion, earlier: Earlier, days: Sequence[int]) -> bool:
    """Whether the batch before is longer ago than any two training days in a row."""
    trained = [past.day for past in live.constraints.past]
    if len(trained) < 2 or not days:
        return False
    known = [*trained, *(past.day for past in earlier.batches)]
    before = max((day for day in known if day < days[0]), default=days[0])
    return days[0] - before > int(np.diff(trained).max())


def day_of(work: Work, live: LoadedVersion) -> int | None:
    """The day of all rows, counted from 1970; None where each has the day of its event.

    Without event times, it is the number of the file.
    """
    if work.stream == "daily":
        return number_of_day(work.partition)
    if live.pipeline.record_schema.event_time is None:
        return live.constraints.days + work.records.count_before(work.partition)
    return None
