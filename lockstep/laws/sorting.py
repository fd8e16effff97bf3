"""Sorting: numbers that only rise from row to row, as if a column had been sorted by itself.

Who sorts a part of a sheet by one column, and the others not with it, gives each row what belongs
to another. Each value is one that was there, and as often; but from one moment to the next it only
rises, or only falls, in all rows of a category. How seldom chance does that is how many orders
these values could be in (permutations of a multiset). Numbers that are in order by nature, as what
is counted up over the day, are on training days too. Those of an hour, such as the weather, are not
looked at: a few hours of them are often in order, however many rows they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log
from typing import ClassVar

import numpy as np

from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import days_like, training_days
from lockstep.laws.bunches import bunches_of
from lockstep.laws.glance import Glance, Segments, categories, glance, number_columns
from lockstep.laws.law import Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

SELDOM = 20.0
"""Logarithm of how many orders there are of which only one is sorted, so that it is no chance: one
in 500 million."""
TIMES = 2.0
"""How many times the largest of training days that logarithm cannot be."""
_CHANCE = 2.0
"""Logarithm of how often more of them than by chance the largest of training days may be: beyond,
numbers go on from row to row."""
AGAINST = 0.05
"""Share of the steps that may go the other way: rows that came after the sorting."""

_HOURS = ("hour", "hour of the day")


class Unsorted(Law, frozen=True, kw_only=True, tag="unsorted"):
    """A number rises and falls from moment to moment, in the rows of each category.

    Attributes:
        segments: The categories.
        numbers: The columns that are looked at together, that of the law among them.
        most: Logarithm of how many orders the values of a category could have been in that a
            training day had sorted, at most.
        size: Rows of the smallest and of the largest training day.
    """

    binds: ClassVar[bool] = False

    segments: tuple[Segments, ...]
    numbers: tuple[str, ...]
    most: float
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} rises and falls with time in the rows of each category"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; each day of a batch is judged by itself."""
        place = self.numbers.index(self.columns[0])
        for part in days_like(rows, self.size):
            run = _runs_of(glance(part.rows), self.segments, self.numbers)[place]
            if run.orders >= max(TIMES * self.most, SELDOM):
                return self._broken(run, part.rows, part.positions)
        return None

    def _broken(self, run: _Run, rows: Rows, positions: Array | None) -> Broken:
        category, seen = self.segments[run.segments], glance(rows)
        found = seen.all_positions(category.codes(seen) == run.code)
        return Broken(
            law=self,
            columns=(self.columns[0], str(category.column)),
            message=f"where {category.column} is {category.labels[run.code]}, {self.columns[0]} "
            f"goes one way from row to row, by time, in all {run.steps} steps: it was sorted "
            f"by itself; by chance it is once in 10^{run.orders / log(10):.0f} times",
            rows=found if positions is None else positions[found],
            strict=self.is_strict,
            numbers={"steps one way": run.steps},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return sum(len(glance(part.rows)) for part in days_like(rows, self.size))


@dataclass(frozen=True)
class _Run:
    """A number that goes one way in the rows of a category.

    Attributes:
        orders: Logarithm of how many orders its values could be in; 0 where none is sorted.
        steps: Steps from a value to another one.
        segments: Which of the categories it is.
        code: Which of its values.
    """

    orders: float = 0.0
    steps: int = 0
    segments: int = 0
    code: int = 0


def _runs_of(seen: Glance, segments: tuple[Segments, ...], names: tuple[str, ...]) -> list[_Run]:
    """Of each number the segment of which it is least likely that it is sorted there."""
    return seen.rows.once(("sorted", names), lambda: _find_runs(seen, segments, names))


def _find_runs(seen: Glance, segments: tuple[Segments, ...], names: tuple[str, ...]) -> list[_Run]:
    by_time = seen.order
    assert by_time is not None, "what is sorted by itself is so beside an event time"
    times = seen.rows.columns[str(seen.rows.schema.event_time)][by_time]
    numbers = np.column_stack([seen.numbers(name)[by_time] for name in names])
    best = [_Run()] * len(names)
    for place, one in enumerate(segments):
        codes = one.codes(seen)[by_time]
        order = np.argsort(codes, kind="stable")
        order = order[np.searchsorted(codes[order], 0) :]  # without those of no segment
        starts = _first_of_moments(codes[order], times[order])
        order = order[starts]  # which row of a moment comes first says nothing
        for name, run in _sorted_ones(numbers[order], codes[order], place):
            best[name] = max(best[name], run, key=lambda found: found.orders)
    return best


def _first_of_moments(codes: Ints, times: Array) -> Array:
    """Which rows are of another segment or moment than the row before."""
    differ = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1])
    first: Array = np.r_[True, differ][: len(codes)]
    return first


def _sorted_ones(numbers: Floats, codes: Ints, segments: int) -> list[tuple[int, _Run]]:
    """The numbers that go one way in a segment, by their place.

    Args:
        numbers: Rows by columns, those of a segment together and in order of time.
        codes: The segment of each row.
        segments: Which category they are of.
    """
    if not len(codes):
        return []
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    apart = np.diff(_carried_on(numbers, starts), axis=0, prepend=np.nan)
    apart[starts] = np.nan
    up, down = (np.add.reduceat(way, starts, dtype=np.int64) for way in (apart > 0, apart < 0))
    steps = up + down
    found = []
    for place, name in np.argwhere(
        (steps > 0) & (np.minimum(up, down) <= AGAINST * steps)
    ).tolist():
        end = starts[place + 1] if place + 1 < len(starts) else len(codes)
        orders = _orders(numbers[starts[place] : end, name])
        run = _Run(orders, int(steps[place, name]), segments, int(codes[starts[place]]))
        found.append((name, run))
    return found


def _carried_on(numbers: Floats, starts: Ints) -> Floats:
    """Numbers with the last one known of their segment in the place of those that are missing."""
    rows = np.arange(len(numbers))
    last = np.maximum.accumulate(np.where(np.isnan(numbers), 0, rows[:, None]), axis=0)
    first = starts[np.searchsorted(starts, rows, side="right") - 1]
    carried = np.take_along_axis(numbers, last, axis=0)
    return np.where(last < first[:, None], np.nan, carried)


def _orders(numbers: Floats) -> float:
    """Logarithm of how many orders numbers can be in, for each that is sorted: up or down."""
    times = np.unique(numbers[~np.isnan(numbers)], return_counts=True)[1]
    return lgamma(times.sum() + 1) - sum(lgamma(one + 1) for one in times.tolist()) - log(2)


def discover(training: TrainingRows) -> list[Unsorted]:
    """Find the numbers that are in no order by time.

    Args:
        training: The training rows.
    """
    days, rows = training_days(training), training.rows
    segments = tuple(categories(rows))
    bunches = bunches_of(training)
    names = tuple(
        one
        for one in number_columns(rows.schema)
        if not grows(rows.columns[one], training.day_of)
        and not any(term.part in _HOURS for term in bunches[one].terms)
    )
    if not days or rows.schema.event_time is None or not segments or not names:
        return []
    runs = [_runs_of(glance(day), segments, names) for day in days]
    most = {name: max(one[place].orders for one in runs) for place, name in enumerate(names)}
    tries = len(days) * sum(len(one.labels) for one in segments)
    kept = tuple(name for name in names if most[name] <= log(tries) + _CHANCE)
    return [
        Unsorted(
            columns=(name,),
            days=len(days),
            segments=segments,
            numbers=kept,
            most=float(f"{most[name]:.4g}"),
            size=(min(map(len, days)), max(map(len, days))),
        )
        for name in kept
    ]
