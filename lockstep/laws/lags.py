"""Lags: segments whose sensors move together do so in the same hour.

Two places of one region have weathers of their own, which come and go together. Where one of them
is joined by another clock, no value, no row and no relation within a row is wrong; what gives it
away is that it goes with the others some hours off. How far a segment is from the mean of the
others, hour by hour, is compared with how far it is from what they were some hours before or after:
a matched delay (Knapp and Carter, "The generalized correlation method for estimation of time
delay", 1976) by differences rather than products, since a day has few hours.
Of a grid, such as turbines each ten minutes, moments are compared in the place of hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.plain import counted, listed
from lockstep.laws.abreast import Abreast, abreast_of, are_one
from lockstep.laws.bands import Band, Banded, Reading, fitted, short, training_days
from lockstep.laws.glance import Segments, glance
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.twins import ENOUGH_HOURS

LAGS = (-6, -5, -4, -3, -2, 2, 3, 4, 5, 6)
"""Hours off that are tried, of a grid moments. One more or less is often as near."""
IN_STEP = 0.5
"""Share of segments and training days on which a column is nearest in its own hour, at least."""
TRIED = 4
"""Hours, or moments, late that a segment is made to be, to see whether that is told."""
TRIED_DAYS = 20
"""Training days on which that is tried, spread evenly over all: their share needs no more."""
TELLING = 0.5
"""Share of segments and training days on which that has to be unusual."""
_LAG = "nearer in another hour"


class InStep(Banded, frozen=True, kw_only=True, tag="in_step"):
    """Segments tell the same at the same hour, rather than some hours off.

    Attributes:
        sensors: The columns that are compared.
        scales: How far a segment usually is from the others in each of them: a standard deviation.
        category: The column that parts the rows.
        labels: The segments.
        hourly: Whether they are compared by the hour; else by the moment, of which each has a row.
    """

    binds: ClassVar[bool] = False
    only_above: ClassVar[bool] = True

    sensors: tuple[str, ...]
    scales: tuple[float, ...]
    category: str
    labels: tuple[str, ...]
    hourly: bool = True

    @property
    def says(self) -> str:
        """See `Law.says`."""
        sensors = listed(self.sensors)
        return f"Each {self.category} moves with the others in {sensors} by the {self._step}."

    @property
    def _step(self) -> str:
        return "hour" if self.hourly else "moment"

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`; of the segments the one that is nearest in another hour."""
        worst = self._worst_lag(rows)
        return {} if worst is None else {_LAG: worst.reading}

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        worst = self._worst_lag(rows)
        assert worst is not None, "it was measured"
        way = "before" if worst.hours > 0 else "after"
        return (
            f"{listed(self.sensors)} where {self.category} is {self.labels[worst.place]} goes with "
            f"what the others had {counted(abs(worst.hours), self._step)} {way}: it is nearer to "
            f"that by {sqrt(reading.value):.2g} of the usual distance, on training days by "
            f"{sqrt(usual.highest):.2g} at most"
        )

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """See `Banded.suspects`; where all of it is another clock, that of the rows."""
        return tuple(one for one in self.columns if one != self.category)

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        worst, seen = self._worst_lag(rows), glance(rows)
        codes = Segments(self.category, self.labels).codes(seen)
        return seen.all_positions(codes == (-2 if worst is None else worst.place))

    def _worst_lag(self, rows: Rows) -> Lag | None:
        return rows.once(("lag", id(self)), lambda: max(self.lags(rows), default=None, key=_by))

    def lags(self, rows: Rows) -> Iterator[Lag]:
        """How much nearer each segment is at another moment, of those that tell."""
        told = [one for name in self.sensors if (one := _told(rows, self.things, name)) is not None]
        if told:
            yield from (lag for lag in self.lags_of(told) if lag is not None)

    def lags_of(self, told: Sequence[Apart]) -> Iterator[Lag | None]:
        """The lag at which each segment is nearest; None where too few moments tell.

        Args:
            told: How far segments are from the others, of each column.
        """
        by_themselves = ENOUGH_HOURS if self.hourly else told[0].moments
        scales = np.array(self.scales)
        for place in range(len(self.labels)):
            apart = np.array([one.by_lag[:, place] for one in told]).T
            yield _lag(place, apart, scales, by_themselves)

    @property
    def things(self) -> Abreast:
        """What is held against each other."""
        return Abreast(Segments(self.category, self.labels), self.hourly)


@dataclass(frozen=True)
class Lag:
    """How a segment goes with the others.

    Attributes:
        place: Which segment it is.
        hours: By how many hours it is behind them where it is nearest.
        reading: The square of how much nearer it is there than in its own hour, and what chance
            does.
    """

    place: int
    hours: int
    reading: Reading


def _by(lag: Lag) -> float:
    return lag.reading.value


@dataclass(frozen=True, eq=False)
class Apart:
    """How far segments are from the mean of the others on a day, in one column.

    Attributes:
        by_lag: The standard deviations of the differences, lags (first none) by segments; NaN where
            there are too few.
        moments: How many there are.
    """

    by_lag: Floats
    moments: int

    @classmethod
    def of(cls, told: Floats, others: Floats) -> Apart:
        """How far what is told is from what others tell: both segments by moments, NaN for nothing.

        Args:
            told: What each segment tells.
            others: What the mean of the others does.
        """
        length = told.shape[1]
        ends = [(max(lag, 0), max(-lag, 0)) for lag in (0, *LAGS)]
        away = [
            _spread(told[:, late : length - early] - others[:, early : length - late])
            for late, early in ends
        ]
        return cls(np.array(away), length)


def _told(rows: Rows, things: Abreast, sensor: str) -> Apart | None:
    """How far segments are from each other in a column; None of too few moments.

    Found once: each column is compared alone, and with all others.
    """
    numbers = things.numbers(rows, sensor)
    if numbers is None:
        return None
    return rows.once(
        ("apart by lag", things, sensor), lambda: Apart.of(numbers, mean_of_others(numbers))
    )


def mean_of_others(numbers: Floats) -> Floats:
    """Of each along the first axis the mean of what is known of all others."""
    known = ~np.isnan(numbers)
    values = np.where(known, numbers, 0.0)
    count = known.sum(axis=0) - known
    total = np.stack([np.delete(values, one, axis=0).sum(axis=0) for one in range(len(values))])
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def _spread(numbers: Floats) -> Floats:
    """The standard deviation along the last axis of what is known; NaN of too few."""
    known = ~np.isnan(numbers)
    count = known.sum(axis=-1)
    size = np.maximum(count, 1)
    mean = np.where(known, numbers, 0.0).sum(axis=-1) / size
    left = np.where(known, numbers - mean[..., None], 0.0)
    found: Floats = np.where(
        count >= ENOUGH_HOURS, np.sqrt((left * left).sum(axis=-1) / size), np.nan
    )
    return found


def _lag(place: int, apart: Floats, scales: Floats, by_themselves: int) -> Lag | None:
    """The lag at which a segment is nearest; None where too few moments tell.

    Args:
        place: Which segment it is.
        apart: How far it is from the others: lags (first none) by columns.
        scales: How far it usually is.
        by_themselves: How many moments of a day are not as those next to them are.
    """
    gains = (apart[0] - apart[1:]) / scales
    count = np.count_nonzero(~np.isnan(gains), axis=1)
    nearer = np.nansum(gains, axis=1) / np.maximum(count, 1)
    nearer[2 * count < len(scales)] = -np.inf
    best = int(np.argmax(nearer))
    if np.isneginf(nearer[best]):
        return None
    most = max(float(nearer[best]), 0.0)
    # That of a mean of standard deviations; the variance of a normal one's square is twice as much.
    chance = 1 / sqrt(2 * by_themselves * len(scales))
    return Lag(place, LAGS[best], Reading(most * most, sqrt(2) * chance * chance))


def discover(training: TrainingRows) -> list[InStep]:
    """Find categories whose segments move together, and in which columns.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    time = training.rows.schema.event_time
    if not days or time is None:
        return []
    return [
        law
        for things, names in abreast_of(training)
        for law in _of(things, _own(things, names, days), days, time)
    ]


def _own(things: Abreast, names: Sequence[str], days: Sequence[Rows]) -> list[str]:
    """The columns in which segments differ on any day."""
    return [
        name
        for name in names
        if any((one := things.numbers(day, name)) is not None and not are_one(one) for day in days)
    ]


def _of(things: Abreast, names: Sequence[str], days: list[Rows], time: str) -> list[InStep]:
    """The columns of a category each of which tells a lag; all of them together where none does."""
    chosen = [
        (name, scale)
        for name in names
        if (scale := _scale([one for day in days if (one := _told(day, things, name))]))
    ]
    alone = _telling([_law(things, [one], time) for one in chosen], days)
    return alone or _telling([_law(things, chosen, time)] if chosen[1:] else [], days)


def _scale(days: Sequence[Apart]) -> float | None:
    """How far segments usually are from the others; None where not mostly least in their own hour.

    Args:
        days: How far they are on each day.
    """
    if not days:
        return None
    own = np.concatenate([one.by_lag[0] for one in days])
    others = np.concatenate([one.by_lag[1:].min(axis=0) for one in days])
    is_told = ~np.isnan(own) & ~np.isnan(others)
    own, others = own[is_told], others[is_told]
    if not len(own) or np.mean(own < others) < IN_STEP:
        return None
    return short(sqrt(float(np.mean(own * own)))) or None


def _law(things: Abreast, chosen: Sequence[tuple[str, float]], time: str) -> InStep:
    """A law without bands.

    Args:
        things: The segments.
        chosen: Columns, and how far segments usually are from the others in each.
        time: The event time.
    """
    category, sensors = things.parted.column, tuple(name for name, _ in chosen)
    assert category is not None, "quarters have no sensors of their own"
    return InStep(
        columns=(*sensors, time, category),
        days=0,
        sensors=sensors,
        scales=tuple(scale for _, scale in chosen),
        category=category,
        labels=things.parted.labels,
        hourly=things.hourly,
    )


def _telling(laws: Sequence[InStep], days: Sequence[Rows]) -> list[InStep]:
    """Those by which a segment that is some hours late is unusual on most training days."""
    chosen = np.unique(np.linspace(0, len(days) - 1, TRIED_DAYS).astype(int)).tolist()
    tried = [days[place] for place in chosen]
    return [law for law in fitted(laws, days) if _is_telling(law, tried)]


def _is_telling(law: InStep, days: Sequence[Rows]) -> bool:
    told = []
    for day in days:
        numbers = [law.things.numbers(day, name) for name in law.sensors]
        late = [Apart.of(_late(one), mean_of_others(one)) for one in numbers if one is not None]
        told += [
            lag is not None and law.bands[_LAG].share(lag.reading, only_above=True) > 1
            for lag in (law.lags_of(late) if late else ())
        ]
    return bool(told) and float(np.mean(told)) >= TELLING


def _late(numbers: Floats) -> Floats:
    """What each segment would tell if it were late; segments by moments."""
    late = np.full_like(numbers, np.nan)
    late[:, TRIED:] = numbers[:, :-TRIED]
    return late
