"""The days of a batch, measured by two plain functions, which every executor runs alike.

    remember_days   keep what later days look back at, of the rows of a block of days
    measure_days    what each day of a block comes to, with what is kept of the days before it

How a day then lies to the constraints follows from the days before it, one after the other; it is
judged by what both leave. A process that runs both on a block one after the other reads its rows
once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from pathlib import Path

import msgspec
import numpy as np

from lockstep.artifacts.questions import watching
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.kinds import Columns, Ints
from lockstep.columns.tables import take_rows
from lockstep.constraints.constraint_set import DayMeasured
from lockstep.constraints.findings import Finding, misdated
from lockstep.constraints.past import DAYS, Lacking, PastBatch
from lockstep.constraints.statistics import Shown
from lockstep.constraints.view import View
from lockstep.scoring.day_rows import DayBlock
from lockstep.scoring.executors import Executor, UnitTask
from lockstep.scoring.rows import looked_up_rows
from lockstep.scoring.unit import days_of
from lockstep.store.disks import as_private_as_folder


@dataclass(frozen=True, repr=False)
class DaysTask(UnitTask):
    """A block of days to look at."""

    block: DayBlock
    folder: Path
    partition: str
    day: int | None  # of all rows, counted from 1970; None: each has that of its event
    earlier: Sequence[PastBatch] = ()
    # The blocks of the days before that it looks back at, by number; of a day in several blocks the
    # first one.
    before: Sequence[int] = ()
    # By day, the fields that are doubted; see `PastBatch.held_back`.
    held_back: Mapping[int, Collection[str] | None] = field(default_factory=dict)
    lacking: Lacking = field(default_factory=Lacking)  # the things that lack rows of the batch
    may_fail: int = 0  # rows on which functions may fail

    @property
    def place(self) -> str:
        """See `UnitTask.place`."""
        first, last = (np.datetime64(self.block.days[end], "D") for end in (0, -1))
        return f"{self.partition}, rows of {first} to {last}"

    def alone(self) -> DaysTask:
        """The block without the days before, which do not matter for what is kept of it."""
        return replace(self, earlier=(), before=())

    def open(self, live: LoadedVersion) -> OpenedDays:
        """Its rows, in order of time, as constraints see them.

        Raises:
            FailingFunctionError: Functions that look-ups need fail on too many rows.
            OutsideReadingError: One is refused what it reads.
        """
        columns, rows = _LAST_READ.of(live, self)
        past = list(self.earlier)
        lacking = self.lacking
        for number in self.before:
            past += [
                self._kept(batch)
                for batch in remembered(self.folder, number)
                if batch.day >= self.block.days[0] - DAYS
            ]
        if not self.held_back.keys().isdisjoint(self.block.days):
            own = map(self._kept, remembered(self.folder, self.block.number))
            lacking += Lacking(
                {
                    batch.day: {name: things.lacking for name, things in batch.things.items()}
                    for batch in own
                }
            )
        view = live.constraints.after(rows, past, frozenset(self.held_back), lacking)
        return OpenedDays(columns, view)

    def read(self, live: LoadedVersion) -> tuple[Columns, View]:
        """Its rows, in order of time, and these as constraints see them; see `open`."""
        columns = self.block.read(self.folder, live.pipeline.record_schema.kinds)
        with watching():
            columns = looked_up_rows(live.pipeline, columns, self.may_fail)
        days = days_of(live, columns, self.day)
        columns, days = _in_time(columns, days, live.pipeline.record_schema.event_time)
        return columns, live.constraints.rows_of(columns, days, self.block.of_day)

    def _kept(self, batch: PastBatch) -> PastBatch:
        """What is kept of a day of the batch, by what is held back of that."""
        if batch.day not in self.held_back:
            return batch
        return batch.held_back(self.held_back[batch.day])


@dataclass(frozen=True, eq=False)
class OpenedDays:
    """The rows of a block."""

    columns: Columns  # the fields, and what is looked up for them
    view: View


@dataclass(frozen=True, eq=False)
class MeasuredDays:
    """What the days of a block come to."""

    days: Sequence[DayMeasured]
    shown: Shown  # the rows that show each feature
    misdated: Sequence[Finding]  # rows of another day than the batch, where they are too many


class _LastRead:
    """The rows of the block that was read last in this process."""

    def __init__(self) -> None:
        self._last: tuple[object, tuple[Columns, View]] | None = None

    def of(self, live: LoadedVersion, task: DaysTask) -> tuple[Columns, View]:
        """The rows of a task's block: see `DaysTask.read`."""
        which, last = (live, task.folder, task.block, task.day, task.may_fail), self._last
        if last is not None and last[0] == which:
            return last[1]
        last = None
        self.forget()  # before others are read
        rows = task.read(live)
        self._last = which, rows
        return rows

    def forget(self) -> None:
        """Let go of the rows."""
        self._last = None


_LAST_READ = _LastRead()


def measured_blocks(
    executor: Executor, live: LoadedVersion, tasks: Sequence[DaysTask]
) -> Iterator[tuple[DaysTask, MeasuredDays]]:
    """Blocks of days in order, each with what its days come to; `remembered` knows them then."""
    kept = executor.map(remember_days, live, (task.alone() for task in tasks))
    measured = executor.map(measure_days, live, tasks)
    last = {task.block.days: task.block.number for task in tasks}
    parts: dict[tuple[int, ...], list[int]] = {}
    done = 0
    for number, task in enumerate(tasks):
        for before in tasks[done : number + executor.ahead]:
            next(kept)
            done, block = done + 1, before.block
            numbers = parts.setdefault(block.days, [])
            numbers.append(block.number)
            if block.number == last[block.days] and len(numbers) > 1:
                _join_remembered(task.folder, numbers)
        yield task, next(measured)


def remember_days(live: LoadedVersion, task: DaysTask) -> None:
    """Leave what later days look back at, for `remembered`."""
    kept = live.constraints.remembered(task.open(live).view, task.partition)
    path = _path(task.folder, task.block.number)
    path.write_bytes(msgspec.msgpack.encode(kept))
    as_private_as_folder(path, task.folder)


def measure_days(live: LoadedVersion, task: DaysTask) -> MeasuredDays:
    """What each day of a block comes to; the days of the blocks before it have been remembered."""
    view = task.open(live).view
    days, shown = live.constraints.measure(view)
    return MeasuredDays(days, shown, misdated(view) if task.day is not None else ())


def _join_remembered(folder: Path, blocks: Sequence[int]) -> None:
    """Leave at the first of the blocks of a day what they come to together."""
    whole = reduce(add, (of_part for block in blocks for of_part in remembered(folder, block)))
    _path(folder, blocks[0]).write_bytes(msgspec.msgpack.encode([whole]))


def remembered(folder: Path, block: int) -> list[PastBatch]:
    """What is kept of the rows of each day of a block."""
    return msgspec.msgpack.decode(_path(folder, block).read_bytes(), type=list[PastBatch])


def forget_remembered(folder: Path, blocks: int) -> None:
    """Remove what was left of so many blocks, and forget the rows of the last one."""
    _LAST_READ.forget()
    for block in range(blocks):
        _path(folder, block).unlink(missing_ok=True)


def _in_time(columns: Columns, days: Ints, time: str | None) -> tuple[Columns, Ints]:
    """Rows by day, and those of a day by their event times; else in the order in which they came.

    Rows of a day then stand together, as in training.
    """
    by = (days,) if time is None else (columns[time].astype(np.int64), days)
    order = np.lexsort(by)
    if np.array_equal(order, np.arange(len(order))):
        return columns, days
    return take_rows(columns, order), days[order]


def _path(folder: Path, block: int) -> Path:
    return folder / f".past-{block}.msgpack"
