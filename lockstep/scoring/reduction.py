"""The reduction: a batch is worked on unit by unit, and what comes back adds up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial, reduce
from itertools import accumulate
from operator import add
from typing import Any

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import Attempted, summed
from lockstep.checks.ingest import Ingested
from lockstep.checks.suite_checks import Quarantined
from lockstep.columns.kinds import Ints
from lockstep.columns.units import Units
from lockstep.errors import (
    FailingFunctionError,
    InputError,
    UnreadableError,
)
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.scoring.among import day_of
from lockstep.scoring.day_rows import forget_days
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
)
from lockstep.scoring.work import Work
from lockstep.stats.sampling import Sample, Sampling
from lockstep.store.attempts import Attempt, part_file
from lockstep.store.parts import remove_scratch
from lockstep.store.put_back import PutBack, read_put_back
from lockstep.store.results import CheckResult


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
        for unit in work.executor_for(tasks).map(ingest_unit, live, tasks):
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
            size,
        )
        for number, (first, size) in enumerate(
            zip(accumulate(sizes[:-1], initial=0), sizes, strict=True)
        )
    ]
    total: ScoredUnit | None = None
    tried = accumulate(sizes)
    for unit in work.executor_for(tasks).map(score_unit, live, tasks):
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


def _keys_of(live: LoadedVersion, attempt: Attempt, unit: int, places: Ints) -> list[object]:
    """The keys of some accepted rows of a unit, by their places among these."""
    keys: list[object] = (
        attempt.read_part("batch", unit).column(live.pipeline.key).take(places).to_pylist()
    )
    return keys
