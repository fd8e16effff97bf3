"""Shifts: a number has what another one has some moments later.

Forecasts, readings of an hour ago and sales of the day before stand in a row beside what they tell
of another moment. Where they are exactly that on every training day, within a day, each row can be
held against another one: of a series that has one row at a moment, or of each thing of a panel. The
delay is searched for, as of signals that are alike but late (Knapp and Carter, "The generalized
correlation method for estimation of time delay", 1976), by equality rather than by products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import counted
from lockstep.laws.copies import is_more
from lockstep.laws.glance import as_numbers, grain_of, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.panels import MOST_OFF, panel_of
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_STEPS = 8
"""Moments of a day that it takes."""
LONGEST = 0.5
"""Of the moments of a day, by which a shift is tried at most: the others have a pair."""
MOST_STEPS = 48
"""Moments by which a shift is tried at most: two days of half hours, eight hours of ten minutes."""
SAMPLE = 300
"""Pairs of rows by which a shift is tried first."""
NEARLY = 0.9
"""Share of these that agree, at least."""
AGREE = 0.98
"""Share of a training day's pairs that agree, at least."""
MOVING = 0.2
"""Share of pairs that the other column's value of the same moment, or the column's own of the other
one, would not agree with, at least: or it is no shift that makes them agree."""
MOST_EMPTY = 4
"""Cells of things and moments for each row, at most, that are looked at."""
_MINUTE = 60_000_000
"""Microseconds."""


@dataclass(frozen=True)
class _Series:
    """What is told moment by moment.

    Attributes:
        thing: What names the things of a panel; None where each moment has one row.
        step: Minutes from one moment to the next.
    """

    thing: str | None
    step: int

    def pairs(self, rows: Rows, steps: int) -> tuple[Ints, Ints]:
        """Positions of rows, and of those of the same thing and day that are some steps later.

        Args:
            rows: Some rows.
            steps: How many steps.
        """
        cells, days = rows.once(("places", self), lambda: self._places(rows)), rows.days
        assert days is not None, "a series has moments"
        first, later = cells[:, :-steps], cells[:, steps:]
        both = (first >= 0) & (later >= 0)
        here, there = first[both], later[both]
        is_within = days[here] == days[there]
        return here[is_within], there[is_within]

    def _places(self, rows: Rows) -> Ints:
        """The position of the row of each thing and step, things by steps; -1 where is none."""
        time = rows.schema.event_time
        assert time is not None, "a series has moments"
        moments = rows.columns[time].astype("datetime64[us]")
        things = rows.values(self.thing).places if self.thing else np.zeros(len(rows), np.int64)
        kept = np.flatnonzero(~np.isnat(moments) & (things >= 0))
        if not len(kept):
            return np.empty((0, 0), dtype=np.int64)
        at = moments[kept].astype(np.int64) // (self.step * _MINUTE)
        shape = int(things.max()) + 1, int(np.ptp(at)) + 1
        if shape[0] * shape[1] > MOST_EMPTY * len(kept):
            return np.empty((0, 0), dtype=np.int64)
        found = np.full(shape, -1)
        found[things[kept], at - at.min()] = kept
        return found


class Shifted(Law, frozen=True, kw_only=True, tag="shifted"):
    """A number has what another one has some moments later: each is the other one, shifted.

    Attributes:
        thing: What names the things of a panel; None where each moment has one row.
        step: Minutes from one moment to the next.
        steps: By how many of them the other one is later.
        grain: How much two that agree differ at most.
        ever: How many pairs of a training day did not agree, at most.
    """

    thing: str | None
    step: int
    steps: int
    grain: float
    ever: int

    @property
    def says(self) -> str:
        """See `Law.says`."""
        minutes = self.steps * self.step
        apart = counted(minutes, "minute") if minutes % 60 else counted(minutes // 60, "hour")
        first, second = self.columns
        return f"{first} is what {second} is {apart} later."

    def find(self, rows: Rows) -> Broken | None:
        """The rows for which it is not; see `Law.find`."""
        series = _Series(self.thing, self.step)
        here, there = rows.once(
            ("pairs", series, self.steps), lambda: series.pairs(rows, self.steps)
        )
        is_off, known = _off(rows, self.columns, here, there, self.grain)
        count = int(np.count_nonzero(is_off))
        if not is_more(count, self.ever):
            return None
        one, other = (rows.columns[name] for name in self.columns)
        row, its = here[is_off][0], there[is_off][0]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.says} In {counted(count, 'row')} of {known:,} it is not, such as "
            f"{one[row]:.6g} and {other[its]:.6g}; on training days in {self.ever} at most",
            rows=np.union1d(here[is_off], there[is_off]),
            strict=self.is_strict,
            numbers={"rows that are not": count},
        )


def _off(
    rows: Rows, columns: tuple[str, ...], here: Ints, there: Ints, grain: float
) -> tuple[Array, int]:
    """Which pairs do not agree, and how many have both numbers."""
    one, other = columns
    apart = np.abs(as_numbers(rows.columns[one])[here] - as_numbers(rows.columns[other])[there])
    return apart > grain, int(np.count_nonzero(~np.isnan(apart)))


def discover(training: TrainingRows) -> list[Shifted]:
    """Find numbers that have what others have some moments later.

    Args:
        training: The training rows.
    """
    found = _series_of(training)
    if found is None:
        return []
    series, moments = found
    numbers = {
        name: as_numbers(training.rows.columns[name])
        for name in number_columns(training.rows.schema)
    }
    grains = {name: grain for name, one in numbers.items() if (grain := grain_of(one))}
    longest = min(MOST_STEPS, int(LONGEST * moments))
    tried = (
        _law(training, series, columns, steps, grains[columns[0]])
        for steps in range(1, longest + 1)
        for columns in _shifted(numbers, grains, series.pairs(training.rows, steps))
    )
    return [law for law in tried if law is not None]


def _series_of(training: TrainingRows) -> tuple[_Series, int] | None:
    """What training rows tell moment by moment, and how many moments a day has, by the median."""
    rows, time = training.rows, training.rows.schema.event_time
    if time is None or not training.has_days or training.days < ENOUGH_DAYS:
        return None
    panel = panel_of(training)
    moments = np.unique(rows.columns[time][~np.isnat(rows.columns[time])])
    if panel is None and len(moments) < (1 - MOST_OFF) * len(rows):
        return None
    apart = np.diff(moments.astype("datetime64[us]").astype(np.int64))
    of_day = len(moments) / training.days
    step = int(np.median(apart)) if len(apart) else 0
    if not step or step % _MINUTE or np.mean(apart == step) < 1 - MOST_OFF or of_day < ENOUGH_STEPS:
        return None
    return _Series(panel.column if panel else None, step // _MINUTE), round(of_day)


def _shifted(
    numbers: dict[str, Floats], grains: dict[str, float], pairs: tuple[Ints, Ints]
) -> Iterator[tuple[str, str]]:
    """Two columns that mostly agree if the second one is that of later rows, and not otherwise.

    Args:
        numbers: The columns.
        grains: Those that move, and by how much two that agree differ at most.
        pairs: Positions of rows, and of those some steps later.
    """
    if not len(pairs[0]):
        return
    chosen = np.random.default_rng(0).integers(0, len(pairs[0]), SAMPLE)
    here, there = ({name: numbers[name][those[chosen]] for name in grains} for those in pairs)
    for (first, one), (second, other) in permutations(here.items(), 2):
        grain, apart = grains[first], 1 - MOVING
        if (
            _agreeing(one, there[second], grain) >= NEARLY
            and _agreeing(one, other, grain) <= apart
            and _agreeing(one, there[first], grain) <= apart
        ):
            yield first, second


def _agreeing(one: Floats, other: Floats, grain: float) -> float:
    """The share of pairs that agree, of those that have both."""
    apart = np.abs(one - other)
    known = ~np.isnan(apart)
    return float(np.mean(apart[known] <= grain)) if 2 * known.sum() >= len(known) else 0.0


def _law(
    training: TrainingRows, series: _Series, columns: tuple[str, str], steps: int, grain: float
) -> Shifted | None:
    """The law of two columns; None where they do not agree on one of the training days."""
    here, there = series.pairs(training.rows, steps)
    is_off, _ = _off(training.rows, columns, here, there, grain)
    off = np.bincount(training.day_of[here[is_off]], minlength=training.days)
    count = np.bincount(training.day_of[here], minlength=training.days)
    if np.any(off > (1 - AGREE) * count):
        return None
    return Shifted(
        columns=columns,
        days=training.days,
        thing=series.thing,
        step=series.step,
        steps=steps,
        grain=grain,
        ever=int(off.max()),
    )
