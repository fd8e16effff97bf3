"""Sudden shifts: a day unlike every day of the window before it.

A day is compared with the days before it by how far apart their distributions are, column by
column and in a few ways, each of which finds what the others cannot. It has shifted if it is
farther from *every* day of the window than *any* two of those days are from each other, by a
margin. So the window itself says how much days differ: weather does from day to day, timetables
hardly do, and no column has a threshold of its own. (Distance to the nearest neighbour as the
mark of an outlier: Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from
large data sets", SIGMOD 2000.)

The margin is calibrated at the fit, on how far each training day was beyond the days before it: a
column whose days are alike needs hardly any. Where training has too few days for that, and as the
most that a margin may be, there are constants; only what training days did more than once, such as
a month that begins, is no shift however far it is.

A column that has one value in all rows of a day tells one thing, not one a row: see `uniform`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockstep.columns.dates import layout_of, moments, moves_on
from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Floats, Kind
from lockstep.columns.plain import counted, verb
from lockstep.columns.tables import is_missing
from lockstep.parity.profiles import MOST_MISSING, ColumnProfile, Profile
from lockstep.parity.uniform import CHANCE, UniformDays, by_chance

MINIMUM_WINDOW = 12
"""Days that it takes to tell how much days differ. With fewer, ordinary weather raises alarms: of
the 274 days from April to December 2013, on 83 with windows of 3 days, on 8 with 7, on one with
10 or 11, on none with 12 or more."""
WINDOW = 14
"""Days that a batch is compared with: two weeks, so that every day of the week is in it twice."""
CALIBRATED = 366 + WINDOW
"""Training days that are looked at, the newest: a year, in which all is that comes once in it, and
the window before its first day."""
MARGIN = 0.2
"""Share of the rows by which a day must be farther away than the days of the window are, where that
is not calibrated; and the most that it may be."""
JUMP_RATE = 0.001
"""Share of days without any change on which at least one column is unusually far from the days
before it, by chance: that warns. One in ten of the days that drift may tell of, since a day is
looked at more closely here."""
BLOCKS = 2
"""How many times as far beyond what is usual as a warning a shift has to be, to block."""

MOST_BY_CHANCE = 0.25
"""How far the digits of a day may be from those of its window by chance alone. With fewer rows than
that takes, days of one unit have digits of their own."""

_FAR = 1_000_000
"""A distance from which on digits after the point tell nothing."""

Measure = Literal["missing", "constant", "categories", "shape", "level", "digits"]

LEAST: dict[Measure, float] = {
    "missing": 0.5,  # share of rows
    "constant": 0.5,  # share of values
    "categories": 0.2,  # share of values
    "shape": 0.2,  # share of values
    "level": 1.0,  # widths of the window's middle 90 percent
    "digits": 0.7,  # share of values
}
"""The smallest distance that is a shift at all, however alike the days of the window are; of
missing values less, where no share is that far from those of the window."""

FORWARD = 14.0
"""Widths of the window by which a number that rises with time may go on: half a year, where it
rises evenly."""

_WORDS: dict[Measure, str] = {
    "missing": "another share of missing values",
    "constant": "one value in all rows",
    "categories": "other categories",
    "shape": "another distribution",
    "level": "values in another place",
    "digits": "other digits after the decimal point, as if in another unit",
}


ENOUGH_DAYS = 20
"""Days or blocks that it takes to tell how much they differ."""
_BLOCK = 1000
"""Rows of a block, where there are no days; fewer where that makes too few blocks."""


@dataclass(frozen=True)
class Spread:
    """How a distance varied over training days of one size.

    Attributes:
        mean: Its mean.
        deviation: Its standard deviation.
        most: The largest.
        again: The second largest: what more than one day did is no incident.
    """

    mean: float
    deviation: float
    most: float
    again: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of a distance's values, one a day."""
        array = np.array(values)
        again, most = np.sort(array)[-2:].tolist()
        return cls(float(array.mean()), float(array.std(ddof=1)), most, again)

    def limit(self, reach: float, resolution: float) -> Limit:
        """From where on a distance is not usual; what a training day did always is.

        Args:
            reach: Standard deviations from the mean to the limit; see `reach_of`.
            resolution: The least that the distance varies by.
        """
        deviation = max(self.deviation, resolution)
        return Limit(self.mean, max(self.mean + reach * deviation, self.most))


@dataclass(frozen=True)
class Limit:
    """What is usual of a distance, and from where on it is not.

    Attributes:
        usual: Its mean over training days.
        limit: The distance that counts.
    """

    usual: float
    limit: float

    def share(self, distance: float) -> float:
        """How much of the way from what is usual to the limit a distance goes: 1 at the limit."""
        return (distance - self.usual) / (self.limit - self.usual)


@dataclass(frozen=True, eq=False)
class Shift:
    """How far a column of a day is from the window, in one way: a shift, if that is too far.

    Attributes:
        column: The column.
        measure: In which way: see `sudden_shift`.
        distance: From the day to the nearest day of the window.
        usual: The largest distance within the window.
        limit: The distance from which it is worth a look.
        blocks_from: The distance from which the column jumped.
        farthest: The distance up to which more than one training day was.
        before: Its profiles on the days of the window that count, in the order of the window.
        now: Its profile on the day.
    """

    column: str
    measure: Measure
    distance: float
    usual: float
    limit: float
    blocks_from: float
    farthest: float
    before: tuple[ColumnProfile, ...]
    now: ColumnProfile

    @property
    def is_shift(self) -> bool:
        """Whether it is too far."""
        return self.distance >= self.limit and self.distance > self.farthest

    @property
    def jumped(self) -> bool:
        """Whether it is so far that a mistake is likelier than chance or a holiday."""
        return self.is_shift and self.distance >= self.blocks_from

    @property
    def values(self) -> tuple[str, str]:
        """What the day holds, and what the days before it held, for a person."""
        tell = _tell_missing if self.measure == "missing" else _tell_values
        return tell([self.now]), tell(self.before)

    @property
    def message(self) -> str:
        """What is different, for a person."""
        now, before = self.values
        batches = counted(len(self.before), "batch", "batches")
        if self.measure == "constant":
            return (
                f"{self.column} is {_tell_uniform(self.now)} in all rows, before {before}; in none "
                f"of {batches} was that more than {1 - self.distance:.0%} of the values"
            )
        return (
            f"{self.column} has {_WORDS[self.measure]}: {now}, before {before}; "
            f"{_short(self.distance)} from the nearest of {batches}, which differ "
            f"by at most {self.usual:.2f}"
        )

    @property
    def warns_from(self) -> float:
        """The distance from which it is a shift."""
        return max(self.limit, self.farthest)

    @property
    def share(self) -> float:
        """How much of the way to that it is away: 1 at the limit."""
        return self.distance / max(self.warns_from, 1e-9)

    @property
    def rank(self) -> float:
        """How far it is beyond what days differ by, to put shifts in order."""
        return (self.distance - self.usual) / max(self.blocks_from - self.usual, 1e-9)


@dataclass(frozen=True)
class Jumps:
    """How far training days were from the days before them, beyond what these differed by.

    Attributes:
        rate: Share of unchanged days that pass any limit.
        rows: Rows of a day.
        spreads: By column and measure.
        growing: Columns whose numbers rise with time: of how far they go on nothing is known, since
            numbers and days may be left out; back they do not go.
        uniform: Of which values each column made up whole days, of those that did; None of a
            version that an older Lockstep fitted.
    """

    rate: float
    rows: int
    spreads: Mapping[str, Mapping[Measure, Spread]]
    growing: tuple[str, ...] = ()
    uniform: Mapping[str, UniformDays] | None = None

    @classmethod
    def none(cls) -> Jumps:
        """Nothing is known of training days."""
        return cls(JUMP_RATE, 0, {})

    @classmethod
    def of(cls, days: Sequence[Profile], growing: Sequence[str] = ()) -> Jumps:
        """Measure training days.

        Args:
            days: Their profiles, the oldest first.
            growing: Columns whose numbers rise with time.
        """
        found: dict[tuple[str, Measure], list[float]] = {}
        for place in range(WINDOW, len(days)):
            window, day = days[place - WINDOW : place], days[place]
            for name, column in day.columns.items():
                before = [one.columns[name] for one in window]
                found_here = _measured(_comparable(before, column), column)
                for measure, (distance, usual) in found_here.items():
                    if name in growing and measure == "level":
                        continue
                    found.setdefault((name, measure), []).append(distance - usual)
        spreads: dict[str, dict[Measure, Spread]] = {}
        for (name, measure), values in found.items():
            if len(values) >= ENOUGH_DAYS:
                spreads.setdefault(name, {})[measure] = Spread.of(values)
        rows = int(np.median([day.rows for day in days])) if days else 0
        uniform = {
            name: UniformDays.of([day.columns[name] for day in days])
            for name in (days[0].columns if days else ())
        }
        known = {name: one for name, one in uniform.items() if one.values}
        return cls(JUMP_RATE, rows, spreads, tuple(growing), known)

    def at(self, column: str, measure: Measure, rows: int) -> Limit | None:
        """How far beyond its window a day may be; None where training does not tell.

        Args:
            column: The column.
            measure: In which way.
            rows: Rows of the smallest of the day and its window: what chance does with fewer rows
                than training days had grows as one over the root of their number.
        """
        spread = self.spreads.get(column, {}).get(measure)
        if spread is None or not rows:
            return None
        fewer = max(self.rows / rows, 1.0) ** 0.5
        return spread.limit(self._reach * fewer, 1 / self.rows)

    def repeated(self, column: str, measure: Measure) -> float:
        """How far beyond its window more than one training day was.

        Args:
            column: The column.
            measure: In which way.
        """
        spread = self.spreads.get(column, {}).get(measure)
        return spread.again if spread is not None else -math.inf

    @property
    def count(self) -> int:
        """How many limits there are."""
        return sum(map(len, self.spreads.values()))

    @property
    def total(self) -> float:
        """All limits together: wider ones are more."""
        return float(
            sum(
                one.limit(self._reach, 1 / self.rows).limit
                for found in self.spreads.values()
                for one in found.values()
            )
        )

    @cached_property
    def _reach(self) -> float:
        looks = self.count
        if self.uniform is not None:  # a column may also have one value all day
            looks += len(self.spreads)
        return reach_of(self.rate, looks)

    def to_json(self) -> dict[str, Any]:
        """As a dict for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Jumps:
        """From what `to_json` gave."""
        return msgspec.convert(data, cls)


def sudden_shift(
    window: Sequence[Profile], day: Profile, jumps: Jumps | None = None
) -> tuple[Shift, ...]:
    """Find the columns of a day that are unlike every day of the window before it.

    The measures, all shares of rows or values between 0 and 1 but for the level:

    - missing: difference of the shares of missing values.
    - constant: how much less of the values of a day in the window the one value makes up that all
      rows of the day have. Such a day is judged by that alone.
    - categories: total variation distance of the shares of texts and booleans.
    - shape: Kolmogorov-Smirnov distance of two distributions of numbers. Finds small changes in
      columns whose days are alike, and none in columns that move from day to day.
    - level: Wasserstein distance of two distributions of numbers, in widths of the window's
      middle 90 percent. Finds what lies where no day lay, and how far away.
    - digits: total variation distance of the digits after the decimal point from those of the
      whole window. Finds a changed unit even where the values themselves could be right, since
      measurements are rounded in the unit in which they are made. None of so few rows that
      they differ as much by chance.

    A measure is left out where it cannot tell: see `unjudged_columns`.

    Args:
        window: Profiles of the days before, some 14 of them, in any order. Days without rows do
            not count.
        day: The profile of the day.
        jumps: How far training days were from the days before them; None where that does not fit.

    Returns:
        The shifts, those that jumped first, then the farthest beyond its limit; none if the window
        has fewer than `MINIMUM_WINDOW` days or the day has no rows: callers must say that nothing
        was compared.
    """
    return tuple(one for one in measured(window, day, jumps) if one.is_shift)


def measured(
    window: Sequence[Profile], day: Profile, jumps: Jumps | None = None
) -> tuple[Shift, ...]:
    """Measure how far every column of a day is from the window, by all that can tell.

    Args:
        window: As for `sudden_shift`.
        day: As for `sudden_shift`.
        jumps: As for `sudden_shift`.

    Returns:
        Those that jumped first, then other shifts, each the farthest beyond what is usual first.
    """
    found = [
        one
        for name, column in day.columns.items()
        for one in _column_shifts(
            name, [one.columns[name] for one in window if name in one.columns], column, jumps
        )
    ]
    return tuple(sorted(found, key=lambda one: (not one.jumped, not one.is_shift, -one.rank)))


def unjudged_columns(
    window: Sequence[Profile], day: Profile, jumps: Jumps | None = None
) -> dict[str, str]:
    """The columns whose values cannot be compared with those of the window, each with the reason.

    For days on which less than half of the rows have a value; for numbers, where one value makes
    up half of the window's values, as with precipitation, whose days have nothing in common but
    zeros; where the categories of its days have so little in common that no day could have
    less; and where all rows of a day have one value, and new ones come again and again. What share
    of the values is missing may be compared all the same.

    Args:
        window: As for `sudden_shift`.
        day: As for `sudden_shift`.
        jumps: As for `sudden_shift`.
    """
    found = {
        name: _lacking(
            name, [one.columns[name] for one in window if name in one.columns], column, jumps
        )
        for name, column in day.columns.items()
    }
    return {name: lacking for name, lacking in found.items() if lacking is not None}


def _lacking(
    name: str, window: Sequence[ColumnProfile], day: ColumnProfile, jumps: Jumps | None
) -> str | None:
    """Why a day's values cannot be compared with the window's; None if they can."""
    days = _comparable(window, day)
    filled = _filled(days)
    if not day.rows:
        return "there are no rows"
    if len(days) < MINIMUM_WINDOW:
        return (
            f"{'there is' if len(days) == 1 else 'there are'} "
            f"{counted(len(days), 'batch', 'batches')} before it, and it takes {MINIMUM_WINDOW}"
        )
    if day.missing >= MOST_MISSING:
        return f"{day.missing:.0%} of its values are missing"
    if len(filled) < MINIMUM_WINDOW:
        return (
            f"{counted(len(filled), 'batch', 'batches')} before it "
            f"{verb(len(filled), 'has', 'have')} values in half of the rows, and it takes "
            f"{MINIMUM_WINDOW}"
        )
    if day.uniform is not None:
        known = _uniform_days(name, filled, jumps)
        if day.uniform in known.values or not known.renew:
            return None
        return "its rows have one value, and new ones come again and again"
    has_one_row = max(one.rows for one in filled) == 1
    if day.holds == "categories":
        if _categories(filled, day)["categories"][1] + MARGIN <= 1:
            return None
        why = "the batches before it have hardly a value in common"
    elif _varies(filled):
        return None
    else:
        why = "half of the values before are one and the same"
    return "a batch has one row" if has_one_row else why


def _comparable(window: Sequence[ColumnProfile], day: ColumnProfile) -> list[ColumnProfile]:
    return [one for one in window if one.rows and one.holds == day.holds]


def _filled(days: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    return [one for one in days if one.missing < MOST_MISSING]


def _column_shifts(
    name: str, window: Sequence[ColumnProfile], day: ColumnProfile, jumps: Jumps | None
) -> list[Shift]:
    days = _comparable(window, day)
    uniform = _uniform_shift(name, days, day, jumps)
    measures = _measured(days, day) if uniform is None else _measured_missing(days, day)
    shifts = [_shift(name, *one, days, day, jumps) for one in measures.items()]
    return shifts if uniform is None else [*shifts, uniform]


def _uniform_shift(
    name: str, window: Sequence[ColumnProfile], day: ColumnProfile, jumps: Jumps | None
) -> Shift | None:
    """How far a day is from the window on which all rows have one value; None on other days."""
    days, value = _filled(window), day.uniform
    if value is None or len(days) < MINIMUM_WINDOW:
        return None
    most = max(one.share(value) for one in days)
    known = _uniform_days(name, days, jumps)
    is_usual = value in known.values or known.renew or by_chance([day], most) > CHANCE
    return Shift(
        name,
        "constant",
        distance=1 - most,
        usual=0.0,
        limit=LEAST["constant"],
        blocks_from=math.inf if known.values else LEAST["constant"],
        farthest=1.0 if is_usual else 0.0,
        before=tuple(days),
        now=day,
    )


def _uniform_days(name: str, days: Sequence[ColumnProfile], jumps: Jumps | None) -> UniformDays:
    """Of which values the column made up whole days, in training and on days since."""
    trained = jumps.uniform if jumps is not None else None
    return (trained or {}).get(name, UniformDays()).and_then(days)


def _measured(
    window: Sequence[ColumnProfile], day: ColumnProfile
) -> dict[Measure, tuple[float, float]]:
    """The distance of a day, and the largest within its window, by every measure that can tell."""
    found = _measured_missing(window, day)
    filled = _filled(window)
    if found and len(filled) >= MINIMUM_WINDOW and day.missing < MOST_MISSING:
        if day.holds == "categories":
            found |= _categories(filled, day)
        elif _varies(filled):
            found |= _numbers(filled, day)
            shares = _share_table([*filled, day])
            if _by_chance(shares[:-1], day.rows) <= MOST_BY_CHANCE:
                found["digits"] = _digits(shares)
    return found


def _measured_missing(
    window: Sequence[ColumnProfile], day: ColumnProfile
) -> dict[Measure, tuple[float, float]]:
    """As `_measured`, of the share of missing values alone."""
    if len(window) < MINIMUM_WINDOW or not day.rows:
        return {}
    return {"missing": _missing(window, day)}


def _varies(days: Sequence[ColumnProfile]) -> bool:
    """Whether numbers have a distribution: no value makes up half of them, day by day."""
    return sum(one.commonest for one in days) < 0.5 * len(days)


def _shift(
    name: str,
    measure: Measure,
    measured: tuple[float, float],
    window: Sequence[ColumnProfile],
    day: ColumnProfile,
    jumps: Jumps | None,
) -> Shift:
    days = window if measure == "missing" else _filled(window)
    distance, usual = measured
    least = LEAST[measure]
    if measure == "missing":
        least = min(least, _farthest_missing(days))
    if measure == "level" and jumps is not None and name in jumps.growing and _goes_on(days, day):
        least = FORWARD
    limit = blocks = max(least, usual if measure == "level" else usual + MARGIN)
    rows = min(one.rows for one in (*days, day))
    beyond = jumps.at(name, measure, rows) if jumps is not None else None
    if beyond is not None:
        limit = min(blocks, usual + beyond.limit)
        far = beyond.usual + BLOCKS * (beyond.limit - beyond.usual)
        blocks = min(blocks, max(usual + far, limit))
    repeated = usual + jumps.repeated(name, measure) if jumps is not None else 0.0
    farthest = max(repeated, 0.0)
    return Shift(
        name, measure, distance, usual, limit, blocks, farthest, before=tuple(days), now=day
    )


def _goes_on(days: Sequence[ColumnProfile], day: ColumnProfile) -> bool:
    """Whether most numbers of a day are above most of each day before."""
    medians = [float(np.median(one.quantiles)) for one in (*days, day)]
    return medians[-1] >= max(medians[:-1])


def _short(distance: float) -> str:
    """A distance to two decimal places, or to three digits where that is far away."""
    return f"{distance:.2f}" if distance < _FAR else f"{distance:.3g}"


def _missing(days: Sequence[ColumnProfile], day: ColumnProfile) -> tuple[float, float]:
    shares = np.array([one.missing for one in days])
    return float(np.abs(shares - day.missing).min()), float(np.ptp(shares))


def _farthest_missing(days: Sequence[ColumnProfile]) -> float:
    """How far from all days a share of missing values can be: where all or none are missing."""
    shares = [one.missing for one in days]
    return max(min(shares), 1 - max(shares))


def _categories(
    days: Sequence[ColumnProfile], day: ColumnProfile
) -> dict[Measure, tuple[float, float]]:
    apart = _of_pairs(_share_table([*days, day]))
    return {"categories": _nearest_and_widest(apart.sum(axis=1) / 2, len(days))}


def _numbers(
    days: Sequence[ColumnProfile], day: ColumnProfile
) -> dict[Measure, tuple[float, float]]:
    """Of two distribution functions, how far they are apart at most, and the area between them."""
    quantiles = np.array([one.quantiles for one in (*days, day)])
    size, grid = quantiles.shape
    values, places = np.unique(quantiles, return_inverse=True)
    cells = places.reshape(size, grid) + np.arange(size)[:, None] * len(values)
    counts = np.bincount(cells.ravel(), minlength=size * len(values)).reshape(size, -1)
    ranks = counts.cumsum(axis=1) / grid
    low, high = values[np.searchsorted(ranks[:-1].mean(axis=0), (0.05, 0.95))]
    apart = _of_pairs(ranks)
    areas = apart[:, :-1] @ np.diff(values) / (high - low)
    return {
        "shape": _nearest_and_widest(apart.max(axis=1), len(days)),
        "level": _nearest_and_widest(areas, len(days)),
    }


def _digits(shares: NDArray[np.float64]) -> tuple[float, float]:
    """Distances to the whole window, and of each of its days to all the others; the day is last."""
    within, total = shares[:-1], shares[:-1].sum(axis=0)
    others = (total - within) / (len(within) - 1)
    usual = np.abs(within - others).sum(axis=1).max() / 2
    return float(np.abs(shares[-1] - total / len(within)).sum() / 2), float(usual)


def _by_chance(window: NDArray[np.float64], rows: int) -> float:
    """The mean total variation distance of so many rows from the shares that they are drawn from.

    It is half the sum of the mean deviations of binomial shares, sqrt(2 p (1 - p) / (pi n)) each
    (Johnson, Kemp and Kotz, "Univariate Discrete Distributions", chapter 3, by its normal limit).
    """
    shares = window.mean(axis=0)
    return float(np.sqrt(2 * shares * (1 - shares) / (np.pi * rows)).sum() / 2)


def _of_pairs(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each two rows of a table are apart, cell by cell; pairs with the last row last."""
    first, second = np.tril_indices(len(table), -1)
    return np.abs(table[first] - table[second])


def _nearest_and_widest(distances: Floats, days: int) -> tuple[float, float]:
    """From distances of pairs, so many with the day last: its nearest, and the widest of others."""
    return float(distances[-days:].min()), float(distances[:-days].max())


def _share_table(days: Sequence[ColumnProfile]) -> NDArray[np.float64]:
    """Shares by day and category, what is pooled last."""
    names = list(chain.from_iterable(one.shares for one in days))
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    rows = np.repeat(np.arange(len(days)), [len(one.shares) for one in days])
    table = np.zeros((len(days), len(places) + 1))
    columns = list(map(places.__getitem__, names))
    table[rows, columns] = list(chain.from_iterable(one.shares.values() for one in days))
    table[:, -1] = [one.rest for one in days]
    return table


def _tell_uniform(day: ColumnProfile) -> str:
    value = day.uniform
    return value if isinstance(value, str) else f"{value:.5g}"


def _tell_missing(days: Sequence[ColumnProfile]) -> str:
    shares = [one.missing for one in days]
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return low if low == high else f"{low} to {high}"


def _tell_values(days: Sequence[ColumnProfile]) -> str:
    """Numbers as the median and the middle 90 percent, texts as the commonest ones."""
    if days[0].holds == "numbers":
        quantiles = np.array([one.quantiles for one in days])
        middle, low, high = (
            np.median(quantiles[:, 50]),
            quantiles[:, 5].min(),
            quantiles[:, 95].max(),
        )
        return f"{middle:.5g} ({low:.5g} to {high:.5g})"
    shares = _share_table(days).mean(axis=0)[:-1]
    names = list(dict.fromkeys(name for one in days for name in one.shares))
    common = np.argsort(-shares, kind="stable")[:3]
    return ", ".join(f"{names[index]} {shares[index]:.0%}" for index in common)


def reach_of(rate: float, limits: int) -> float:
    """Standard deviations from the mean to a limit, so that any of some is passed at a rate.

    Args:
        rate: Share of batches, without any change, that pass any of the limits.
        limits: How many there are.
    """
    tail = -math.log(-math.log1p(-rate / max(limits, 1)))
    return (tail - float(np.euler_gamma)) * math.sqrt(6) / math.pi


def parts_of(times: Array | None, rows: int, timezone: str) -> tuple[Array, bool]:
    """Which day each row is of; or which block, where there are no days or too few of them.

    Args:
        times: Event times in UTC; None where rows have none.
        rows: Number of rows.
        timezone: Where a day begins and ends.

    Returns:
        int64, one a row, -1 where it has no time; and whether they are days.
    """
    order = np.arange(rows)
    if times is not None:
        known = ~is_missing(times)
        local = pd.DatetimeIndex(times[known], tz="UTC").tz_convert(timezone).tz_localize(None)
        parts = np.full(rows, -1)
        days, parts[known] = np.unique(
            local.to_numpy().astype("datetime64[D]"), return_inverse=True
        )
        if len(days) >= ENOUGH_DAYS:
            return parts, True
        order = np.argsort(np.argsort(times, kind="stable"), kind="stable")
    size = max(min(_BLOCK, rows // ENOUGH_DAYS), 1)
    blocks = order // size
    return np.where(blocks < rows // size, blocks, -1), False


def goes_on(array: Array, kind: Kind, parts: Array) -> bool:
    """Whether a column has values of its own each day: rising numbers, or dates to come."""
    if kind is not Kind.TEXT:
        return kind is not Kind.BOOL and grows(array, parts)
    places, texts = pd.factorize(array)
    layout = layout_of(texts)
    if layout is None:
        return False
    days = (moments(texts, layout) - np.datetime64(0, "s")) / np.timedelta64(1, "D")
    return moves_on(np.append(days, np.nan)[places], np.where(parts < 0, np.nan, parts))
