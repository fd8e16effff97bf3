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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.plain import counted, listed
from lockstep.laws.abreast import Abreast, abreast_of, are_one
from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import Segments, glance
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.twins import ENOUGH_HOURS

LAGS = (-6, -5, -4, -3, -2, 2, 3, 4, 5, 6)
"""Hours off that are tried, of a grid moments. One more or less is often as near."""
IN_STEP = 0.5
"""Share of segments and training days on which a column is nearest in its own hour, at least."""
TRIED = 4
"""Hours, or moments, late that a segment is made to be, to see whether that is told."""
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
        told = _told(rows, self.things, self.sensors)
        if told is None:
            return
        apart = _apart(told)
        for place in range(len(self.labels)):
            lag = self.lag(place, apart, told.shape[2])
            if lag is not None:
                yield lag

    def lag(self, place: int, apart: Mapping[int, Floats], moments: int) -> Lag | None:
        """The lag at which a segment is nearest; None where too few moments tell.

        Args:
            place: Which segment it is.
            apart: How far segments are from the others, by lag: segments by columns.
            moments: How many there are.
        """
        own = {lag: one[place] for lag, one in apart.items()}
        by_themselves = ENOUGH_HOURS if self.hourly else moments
        return _lag(place, own, np.array(self.scales), by_themselves)

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


def _told(rows: Rows, things: Abreast, sensors: Sequence[str]) -> Floats | None:
    """What sensors tell: segments by columns by moments, NaN for nothing; None if of no day."""
    told = [one for name in sensors if (one := things.numbers(rows, name)) is not None]
    return np.stack(told, axis=1) if told else None


def _apart(told: Floats) -> dict[int, Floats]:
    """How far each segment is from the mean of the others, on the day's average, by lag.

    Args:
        told: What sensors tell: segments by columns by moments.

    Returns:
        Of each lag the standard deviation of the differences: segments by columns; NaN where there
        are too few.
    """
    others = _mean_of_others(told)
    length = told.shape[2]
    found = {}
    for lag in (0, *LAGS):
        late, early = max(lag, 0), max(-lag, 0)
        found[lag] = _spread(
            told[:, :, late : length - early] - others[:, :, early : length - late]
        )
    return found


def _mean_of_others(numbers: Floats) -> Floats:
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


def _lag(place: int, apart: dict[int, Floats], scales: Floats, by_themselves: int) -> Lag | None:
    """The lag at which a segment is nearest; None where too few moments tell.

    Args:
        place: Which segment it is.
        apart: How far it is from the others, by lag.
        scales: How far it usually is.
        by_themselves: How many moments of a day are not as those next to them are.
    """
    nearer: dict[int, float] = {}
    for lag in LAGS:
        gain = (apart[0] - apart[lag]) / scales
        known = ~np.isnan(gain)
        if 2 * np.count_nonzero(known) >= len(scales):
            nearer[lag] = float(gain[known].mean())
    if not nearer:
        return None
    best = max(nearer, key=nearer.__getitem__)
    most = max(nearer[best], 0.0)
    # That of a mean of standard deviations; the variance of a normal one's square is twice as much.
    chance = 1 / sqrt(2 * by_themselves * len(scales))
    return Lag(place, best, Reading(most * most, sqrt(2) * chance * chance))


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
    told = [one for day in days if (one := _told(day, things, names)) is not None]
    candidates = _candidates(things, names, told, time)
    telling = [law for law in fitted(candidates, days) if _is_telling(law, days)]
    alone = [law for law in telling if not law.sensors[1:]]
    return alone or telling


def _candidates(
    things: Abreast, names: Sequence[str], days: Sequence[Floats], time: str
) -> list[InStep]:
    """Laws of the columns that are mostly nearest in their own hour: each, and all together.

    Args:
        things: The segments.
        names: The columns.
        days: What they tell on each day: segments by columns by moments.
        time: The event time.
    """
    labels, category = things.parted.labels, things.parted.column
    apart = [_apart(one) for one in days]
    if not apart:
        return []
    own = np.concatenate([one[0] for one in apart])
    others = np.concatenate([np.min([one[lag] for lag in LAGS], axis=0) for one in apart])
    is_told = ~np.isnan(own) & ~np.isnan(others)
    count = np.maximum(is_told.sum(axis=0), 1)
    is_best = np.sum((own < others) & is_told, axis=0) / count >= IN_STEP
    usual = np.sqrt(np.where(is_told, own * own, 0.0).sum(axis=0) / count)
    chosen = [
        (name, float(f"{scale:.6g}"))
        for name, scale, is_one in zip(names, usual.tolist(), is_best.tolist(), strict=True)
        if is_one and scale
    ]
    groups = [*((one,) for one in chosen), *([tuple(chosen)] if chosen[1:] else [])]
    assert category is not None, "quarters have no sensors of their own"
    return [
        InStep(
            columns=(*(name for name, _ in group), time, category),
            days=0,
            sensors=tuple(name for name, _ in group),
            scales=tuple(scale for _, scale in group),
            category=category,
            labels=labels,
            hourly=things.hourly,
        )
        for group in groups
    ]


def _is_telling(law: InStep, days: Sequence[Rows]) -> bool:
    """Whether a segment that is some hours late is unusual on most training days."""
    told = []
    for day in days:
        own = _told(day, law.things, law.sensors)
        for place in range(len(law.labels) if own is not None else 0):
            assert own is not None, "its places are looked at"
            late = own.copy()
            late[place] = np.nan
            late[place, :, TRIED:] = own[place, :, :-TRIED]
            lag = law.lag(place, _apart(late), late.shape[2])
            told.append(lag is not None and law.bands[_LAG].share(lag.reading, only_above=True) > 1)
    return bool(told) and float(np.mean(told)) >= TELLING
