"""Lags: segments whose sensors move together do so in the same hour.

Two places of one region have weathers of their own, which come and go together. Where one of them
is joined by another clock, no value, no row and no relation within a row is wrong; what gives it
away is that it goes with the others some hours off. How far a segment is from the mean of the
others, hour by hour, is compared with how far it is from what they were some hours before or after:
a matched delay (Knapp and Carter, "The generalized correlation method for estimation of time
delay", 1976) by differences rather than products, since a day has few hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.plain import counted, listed
from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import Segments, categories, glance
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.twins import ENOUGH_HOURS, MOST_SEGMENTS, firsts, sensors_of

LAGS = (-6, -5, -4, -3, -2, 2, 3, 4, 5, 6)
"""Hours off that are tried. One hour more or less is often as near."""
LONGEST = 48
"""Hours that rows of a day go over at most."""
IN_STEP = 0.5
"""Share of segments and training days on which a column is nearest in its own hour, at least."""
TRIED = 4
"""Hours late that a segment is made to be, to see whether that is told."""
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
    """

    binds: ClassVar[bool] = False
    only_above: ClassVar[bool] = True

    sensors: tuple[str, ...]
    scales: tuple[float, ...]
    category: str
    labels: tuple[str, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Each {self.category} moves with the others in {listed(self.sensors)} by the hour."

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
            f"what the others had {counted(abs(worst.hours), 'hour')} {way}: it is nearer to "
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
        """How much nearer each segment is in another hour, of those that tell."""
        hourly = _hourly(rows, Segments(self.category, self.labels), self.sensors)
        if hourly is None:
            return
        for place in range(len(self.labels)):
            lag = _lag(place, _apart(hourly, place), np.array(self.scales))
            if lag is not None:
                yield lag


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


def _hourly(rows: Rows, parted: Segments, sensors: Sequence[str]) -> Floats | None:
    """What sensors tell: segments by columns by hours, NaN for nothing; None if of no day."""
    seen = glance(rows)
    hours = seen.rows.hours
    if hours is None or parted.column is None:
        return None
    places = firsts(rows, parted.column, parted.labels)
    numbers = [hours[one].astype(np.int64) for one in places]
    every = np.concatenate(numbers)
    length = int(np.ptp(every)) + 1 if len(every) else 0
    if not ENOUGH_HOURS <= length <= LONGEST:
        return None
    found = np.full((len(places), len(sensors), length), np.nan)
    for place, at, own in zip(found, numbers, places, strict=True):
        place[:, at - every.min()] = [seen.numbers(name)[own] for name in sensors]
    return found


def _apart(hourly: Floats, place: int) -> dict[int, Floats]:
    """How far a segment is from the mean of the others, on the day's average, by lag.

    Args:
        hourly: What sensors tell: segments by columns by hours.
        place: The segment.

    Returns:
        Of each lag the standard deviation of the differences, a column each; NaN where there are
        too few.
    """
    own, others = hourly[place], _mean(np.delete(hourly, place, axis=0))
    length = own.shape[1]
    found = {}
    for lag in (0, *LAGS):
        late, early = max(lag, 0), max(-lag, 0)
        found[lag] = _spread(own[:, late : length - early] - others[:, early : length - late])
    return found


def _mean(numbers: Floats) -> Floats:
    """The mean along the first axis of what is known."""
    known = ~np.isnan(numbers)
    count = known.sum(axis=0)
    total = np.where(known, numbers, 0.0).sum(axis=0)
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def _spread(numbers: Floats) -> Floats:
    """The standard deviation along the last axis of what is known; NaN of too few."""
    known = ~np.isnan(numbers)
    count = known.sum(axis=1)
    size = np.maximum(count, 1)
    mean = np.where(known, numbers, 0.0).sum(axis=1) / size
    left = np.where(known, numbers - mean[:, None], 0.0)
    found: Floats = np.where(
        count >= ENOUGH_HOURS, np.sqrt((left * left).sum(axis=1) / size), np.nan
    )
    return found


def _lag(place: int, apart: dict[int, Floats], scales: Floats) -> Lag | None:
    """The lag at which a segment is nearest; None where too few hours tell."""
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
    chance = 1 / sqrt(2 * ENOUGH_HOURS * len(scales))
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
    parts = [one for one in categories(training.rows) if len(one.labels) <= MOST_SEGMENTS]
    return [law for one in parts for law in _of(one, sensors_of(training.rows, one), days, time)]


def _of(parted: Segments, names: Sequence[str], days: list[Rows], time: str) -> list[InStep]:
    """The columns of a category each of which tells a lag; all of them together where none does."""
    if not names:
        return []
    hourly = [one for day in days if (one := _hourly(day, parted, names)) is not None]
    candidates = _candidates(parted, names, hourly, time)
    telling = [law for law in fitted(candidates, days) if _is_telling(law, days)]
    alone = [law for law in telling if not law.sensors[1:]]
    return alone or telling


def _candidates(
    parted: Segments, names: Sequence[str], hourly: Sequence[Floats], time: str
) -> list[InStep]:
    """Laws of the columns that are mostly nearest in their own hour: each, and all together.

    Args:
        parted: The segments.
        names: The columns.
        hourly: What they tell on each day: segments by columns by hours.
        time: The event time.
    """
    apart = [_apart(one, place) for one in hourly for place in range(len(parted.labels))]
    if not apart:
        return []
    own = np.array([one[0] for one in apart])
    others = np.array([[one[lag] for lag in LAGS] for one in apart]).min(axis=1)
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
    category = parted.column
    assert category is not None, "quarters have no sensors of their own"
    return [
        InStep(
            columns=(*(name for name, _ in group), time, category),
            days=0,
            sensors=tuple(name for name, _ in group),
            scales=tuple(scale for _, scale in group),
            category=category,
            labels=parted.labels,
        )
        for group in groups
    ]


def _is_telling(law: InStep, days: Sequence[Rows]) -> bool:
    """Whether a segment that is some hours late is unusual on most training days."""
    told = []
    for day in days:
        hourly = _hourly(day, Segments(law.category, law.labels), law.sensors)
        if hourly is None:
            continue
        for place in range(len(law.labels)):
            late = hourly.copy()
            late[place] = np.nan
            late[place, :, TRIED:] = hourly[place, :, :-TRIED]
            lag = _lag(place, _apart(late, place), np.array(law.scales))
            told.append(lag is not None and law.bands[_LAG].share(lag.reading, only_above=True) > 1)
    return bool(told) and float(np.mean(told)) >= TELLING
