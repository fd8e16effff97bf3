"""The reduction: a batch is worked on unit by unit, and what comes back adds up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, reduce
from itertools import accumulate
from operator import add
from typing import Any

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import Attempted, CheckResult, summed
from lockstep.checks.ingest import Ingested
from lockstep.checks.suite_checks import Quarantined
from lockstep.columns.kinds import Ints
from lockstep.columns.units import Units
from lockstep.errors import (
    FailingFunctionError,
    InputError,
    LostWorkerError,
    UnreadableError,
)
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.scoring.among import day_of
from lockstep.scoring.day_rows import forget_days
from lockstep.scoring.executors import Executor, Result, Task
from lockstep.scoring.repeated import forget_keys, repeated_keys
from lockstep.scoring.rows import not_computed
from lockstep.scoring.unit import (
    HoldTask,
    IngestTask,
    LoseTask,
    ScoredUnit,
    ScoreTask,
    SetAsideRows,
    days_of,
    hold_rows,
    ingest_unit,
    lose_rows,
    score_unit,
    try_unit,
)
from lockstep.scoring.work import Work
from lockstep.stats.sampling import Sample, Sampling
from lockstep.store.attempts import Attempt, part_file
from lockstep.store.parts import remove_scratch
from lockstep.store.put_back import PutBack, read_put_back

_MOST_DEADLY = 10
"""Rows of a unit that are looked for which end a process: each takes a minute or so."""


@dataclass(frozen=True, eq=False)
class IngestedUnits:
    """The ingested units of a batch, added up."""

    ingested: Ingested
    draw: Sampling  # which rows of the batch are drawn
    sample: Sample  # the drawn ones of the rows that fit their declaration
    counts: Attempted[SuiteCounts]  # what the input suite needs of all rows
    days: Sequence[Mapping[int, int]]  # by unit, how many of its accepted rows are of each day
    environments: Sequence[str]  # fingerprints of where units were read
    back: Mapping[str, Any]  # `PutBack.facts`; empty where nobody puts any back
    set_aside: SetAsideRows


def ingest_units(work: Work, live: LoadedVersion, units: Units, attempt: Attempt) -> IngestedUnits:
    """Ingest the units of a batch, and set aside the rows that repeat a key of an earlier unit."""
    draw, count, day = Sampling(units.total), len(units.units), day_of(work, live)
    most, back = work.declared.max_quarantined, read_put_back(work.records, work.partition)
    tasks = [
        IngestTask(unit, number, count, attempt.folder, draw, most, day, back)
        for number, unit in enumerate(units.units)
    ]
    ingested: Ingested | None = None
    counts: list[Attempted[SuiteCounts]] = []
    samples: list[Sample] = []
    days: list[Mapping[int, int]] = []
    environments: set[str] = set()
    put_back: list[PutBack] = []
    set_aside = SetAsideRows()
    try:
        executor = work.executor_for(tasks)
        for unit in _by_unit(executor, ingest_unit, live, tasks, _without_computing):
            attempt.written.update(unit.files)
            ingested = unit.ingested if ingested is None else ingested + unit.ingested
            counts = [summed([*counts, unit.counts])]  # those of all units need not fit into memory
            samples.append(unit.sample)
            days.append(unit.days)
            environments.add(unit.fingerprint)
            put_back.append(unit.back)
            set_aside += unit.set_aside
        units.demand_same()
    except InputError as error:
        attempt.written.clear()
        forget_keys(attempt.folder, count)
        forget_days(attempt.folder, count)
        units.demand_same()  # what was replaced meanwhile is told so, whatever it holds now
        if isinstance(error, UnreadableError):
            raise units.failing(error) from error
        raise
    finally:
        remove_scratch(units.scratch)
    assert ingested is not None, "a batch has a unit, if one without rows"
    sample = Sample.joined(samples)
    if count > 1:
        repeated = repeated_keys(attempt.folder, count, partial(_keys_of, live, attempt))
        lost = [
            LoseTask(unit, attempt.folder, rows, day) for unit, rows in sorted(repeated.items())
        ]
        for loss in work.executor_for(lost).map(lose_rows, live, lost):
            attempt.put_instead(loss.files)
            ingested = ingested.repeating(loss.aside)
            days[loss.number] = loss.days
            set_aside += loss.set_aside
        numbers = [number for rows in repeated.values() for number in rows]
        sample = sample.without(np.isin(sample.numbers, np.array(numbers, dtype=np.int64)))
        forget_keys(attempt.folder, count)
    return IngestedUnits(
        ingested=ingested,
        draw=draw,
        sample=sample,
        counts=counts[0],
        days=days,
        environments=sorted(environments),
        back=reduce(add, put_back).facts if back else {},
        set_aside=set_aside,
    )


def hold_days(
    work: Work,
    live: LoadedVersion,
    attempt: Attempt,
    batch: IngestedUnits,
    held_back: Mapping[int, str],
) -> IngestedUnits:
    """Set all rows of some days aside; these are counted from 1970, each with the reason."""
    if not held_back:
        return batch
    day, days, ingested = day_of(work, live), [*batch.days], batch.ingested
    sizes = [sum(of_unit.values()) for of_unit in days]
    tasks = [
        HoldTask(number, attempt.folder, first, held_back, day)
        for number, first in enumerate(accumulate(sizes[:-1], initial=0))
        if held_back.keys() & days[number].keys()
    ]
    for loss in work.executor_for(tasks).map(hold_rows, live, tasks):
        attempt.put_instead(loss.files)
        ingested = ingested.holding(loss.aside)
        days[loss.number] = loss.days
    of_rows = days_of(live, batch.sample.columns, day)
    sample = batch.sample.without(np.isin(of_rows, list(held_back)))
    return replace(batch, ingested=ingested, days=days, sample=sample)


def score_units(
    work: Work,
    live: LoadedVersion,
    attempt: Attempt,
    before: Quarantined,
    accepted: Collection[str] = (),
) -> ScoredUnit | CheckResult:
    """Compute every column of an ingested batch.

    Returns the scored units or, where one cannot be scored, the result of `computation`. The
    accepted keys are of rows that no rule refuses.
    """
    sizes = attempt.part_rows("batch")
    rows, at = sum(sizes), datetime.now(UTC)
    draw = Sampling(rows)
    tasks = [
        ScoreTask(
            attempt.only(part_file("batch", number)),
            number,
            first,
            rows,
            before,
            draw,
            at,
            accepted,
            (0, size),
        )
        for number, (first, size) in enumerate(
            zip(accumulate(sizes[:-1], initial=0), sizes, strict=True)
        )
    ]
    total: ScoredUnit | None = None
    executor = work.executor_for(tasks)
    spare = partial(_without_deadly, executor, live)
    tried = accumulate(sizes)
    for unit in _by_unit(executor, score_unit, live, tasks, spare):
        if isinstance(unit, CheckResult):
            return unit
        total = unit if total is None else total + unit
        so_far, failing = next(tried), total.failing
        if len(failing) > before.room:
            reason = failing.rows[0].reasons[0]
            error = FailingFunctionError(reason.column, len(failing), so_far, reason.message)
            return not_computed(error, before)
    assert total is not None, "a batch has a unit, if one without rows"
    attempt.written.update(total.files)
    return total


def _by_unit(
    executor: Executor,
    function: Callable[[LoadedVersion, Task], Result],
    live: LoadedVersion,
    tasks: Iterable[Task],
    spare: Callable[[Task], Task | None],
) -> Iterator[Result]:
    """The results of a function for units, in order.

    `spare` returns a task without what may end the process that works on it; None if there is no
    other.
    """
    left = deque(tasks)
    while left:
        try:
            for result in executor.map(function, live, list(left)):
                left.popleft()
                yield result
        except LostWorkerError:
            spared = spare(left[0])
            if spared is None:
                raise
            left[0] = spared


def _without_computing(task: IngestTask) -> IngestTask | None:
    """An ingest that computes nothing of refused rows."""
    return None if task.is_deadly else replace(task, is_deadly=True)


def _without_deadly(executor: Executor, live: LoadedVersion, task: ScoreTask) -> ScoreTask | None:
    """A unit to score without the rows that end the process that computes them."""
    deadly = frozenset[int]() if task.deadly else _deadly_rows(executor, live, task)
    return replace(task, deadly=deadly) if deadly else None


def _deadly_rows(executor: Executor, live: LoadedVersion, task: ScoreTask) -> frozenset[int]:
    """The rows of a unit that end a process by themselves; none where they are too many."""
    found: set[int] = set()
    spans = [task.among] if task.among[1] > task.among[0] else []
    while spans:
        begin, end = spans.pop()
        try:
            list(executor.map(try_unit, live, [replace(task, among=(begin, end))], tries=1))
        except LostWorkerError:
            if end - begin > 1:
                middle = (begin + end) // 2
                spans += [(middle, end), (begin, middle)]
                continue
            found.add(begin)
            if len(found) > min(_MOST_DEADLY, task.before.room):
                return frozenset()
    return frozenset(found)


def _keys_of(live: LoadedVersion, attempt: Attempt, unit: int, places: Ints) -> list[object]:
    """The keys of some accepted rows of a unit, by their places among these."""
    keys: list[object] = (
        attempt.read_part("batch", unit).column(live.pipeline.key).take(places).to_pylist()
    )
    return keys
