"""Sudden shifts: a day unlike every day of the window before it.

A day is compared with the days before it by how far apart their distributions are, column by
column and in a few ways, each of which finds what the others cannot. It has shifted if it is
farther from *every* day of the window than *any* two of those days are from each other, by a
margin. So the window itself says how much days differ: weather does from day to day, timetables
hardly do, and no column has a threshold of its own. (Distance to the nearest neighbour as the
mark of an outlier: Ramaswamy, Rastogi and Shim, "Efficient algorithms for mining outliers from
large data sets", SIGMOD 2000.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lockstep.columns.kinds import Floats
from lockstep.parity.profiles import ColumnProfile, Profile

MINIMUM_WINDOW = 12
"""Days that it takes to tell how much days differ. With fewer, ordinary weather raises alarms: of
the 274 days from April to December 2013, on 83 with windows of 3 days, on 8 with 7, on one with
10 or 11, on none with 12 or more."""
MARGIN = 0.2
"""Share of the rows by which a day must be farther away than the days of the window are."""

MOST_MISSING = 0.5
"""Share of missing values from which the values of a day say little about it."""

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

_WORDS: dict[Measure, str] = {
    "missing": "other share of missing values",
    "constant": "one value in all rows",
    "categories": "other categories",
    "shape": "other distribution",
    "level": "values in another place",
    "digits": "other digits after the decimal point, as if in another unit",
}


@dataclass(frozen=True)
class Shift:
    """One way in which a column of a day is unlike the window.

    Attributes:
        column: The column.
        measure: In which way: see `sudden_shift`.
        distance: From the day to the nearest day of the window.
        usual: The largest distance within the window.
        limit: The distance from which it is a shift.
        message: What is different, for a person.
    """

    column: str
    measure: Measure
    distance: float
    usual: float
    limit: float
    message: str


def sudden_shift(window: Sequence[Profile], day: Profile) -> tuple[Shift, ...]:
    """Find the columns of a day that are unlike every day of the window before it.

    The measures, all shares of rows or values between 0 and 1 but for the level:

    - missing: difference of the shares of missing values.
    - constant: how much more of the values the commonest one makes up, where it is all of them.
    - categories: total variation distance of the shares of texts and booleans.
    - shape: Kolmogorov-Smirnov distance of two distributions of numbers. Finds small changes in
      columns whose days are alike, and none in columns that move from day to day.
    - level: Wasserstein distance of two distributions of numbers, in widths of the window's
      middle 90 percent. Finds what lies where no day lay, and how far away.
    - digits: total variation distance of the digits after the decimal point from those of the
      whole window. Finds a changed unit even where the values themselves could be right, since
      measurements are rounded in the unit in which they are made.

    A measure is left out where it cannot tell: see `unjudged_columns`.

    Args:
        window: Profiles of the days before, some 14 of them, in any order. Days without rows do
            not count.
        day: The profile of the day.

    Returns:
        The shifts, the farthest beyond its limit first; none if the window has fewer than
        `MINIMUM_WINDOW` days or the day has no rows: callers must say that nothing was compared.
    """
    shifts = [
        shift
        for name, column in day.columns.items()
        for shift in _column_shifts(
            name, [one.columns[name] for one in window if name in one.columns], column
        )
    ]
    return tuple(sorted(shifts, key=lambda shift: -shift.distance / shift.limit))


def unjudged_columns(window: Sequence[Profile], day: Profile) -> dict[str, str]:
    """The columns whose values cannot be compared with those of the window, each with the reason.

    For days on which less than half of the rows have a value; for numbers, where one value makes
    up half of the window's values, as with precipitation, whose days have nothing in common but
    zeros; and where the categories of its days have so little in common that no day could have
    less. What share of the values is missing may be compared all the same.

    Args:
        window: As for `sudden_shift`.
        day: As for `sudden_shift`.
    """
    found = {
        name: _lacking([one.columns[name] for one in window if name in one.columns], column)
        for name, column in day.columns.items()
    }
    return {name: lacking for name, lacking in found.items() if lacking is not None}


def _lacking(window: Sequence[ColumnProfile], day: ColumnProfile) -> str | None:
    """Why a day's values cannot be compared with the window's; None if they can."""
    days = _comparable(window, day)
    filled = _filled(days)
    if not day.rows:
        return "there are no rows"
    if len(days) < MINIMUM_WINDOW:
        return f"there are {len(days)} days before it, and it takes {MINIMUM_WINDOW}"
    if day.missing >= MOST_MISSING:
        return f"{day.missing:.0%} of its values are missing"
    if len(filled) < MINIMUM_WINDOW:
        return (
            f"{len(filled)} days before it have values in half of their rows, and it takes "
            f"{MINIMUM_WINDOW}"
        )
    has_one_row = max(one.rows for one in filled) == 1
    if day.holds == "categories":
        if _categories(filled, day)[1] + MARGIN <= 1:
            return None
        why = "the days before it have hardly a value in common"
    elif _apt(filled):
        return None
    else:
        why = "half of the values before are one and the same"
    return "a day has one row" if has_one_row else why


def _comparable(window: Sequence[ColumnProfile], day: ColumnProfile) -> list[ColumnProfile]:
    return [one for one in window if one.rows and one.holds == day.holds]


def _filled(days: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    return [one for one in days if one.missing < MOST_MISSING]


def _column_shifts(name: str, window: Sequence[ColumnProfile], day: ColumnProfile) -> list[Shift]:
    days = _comparable(window, day)
    if len(days) < MINIMUM_WINDOW or not day.rows:
        return []
    shifts = [_shift(name, "missing", _missing, days, day)]
    filled = _filled(days)
    if len(filled) >= MINIMUM_WINDOW and day.missing < MOST_MISSING:
        shifts += [
            _shift(name, measure, _MEASURES[measure], filled, day) for measure in _apt(filled)
        ]
        shifts.append(_shift(name, "constant", _constant, filled, day))
    return [shift for shift in shifts if shift is not None]


def _apt(days: Sequence[ColumnProfile]) -> tuple[Measure, ...]:
    """The measures that can tell something about such a column."""
    if days[0].holds == "categories":
        return ("categories",)
    if np.mean([one.commonest for one in days]) >= 0.5:
        return ()
    return ("shape", "level", "digits")


def _shift(
    name: str,
    measure: Measure,
    measured: Callable[[Sequence[ColumnProfile], ColumnProfile], tuple[float, float]],
    days: Sequence[ColumnProfile],
    day: ColumnProfile,
) -> Shift | None:
    distance, usual = measured(days, day)
    least = LEAST[measure]
    if measure == "missing":
        least = min(least, _farthest_missing(days))
    limit = max(least, usual if measure == "level" else usual + MARGIN)
    if distance < limit:
        return None
    tell = _tell_missing if measure == "missing" else _tell_values
    message = (
        f"{name} has {_WORDS[measure]}: {tell([day])}, before {tell(days)}; "
        f"{_short(distance)} from the nearest of {len(days)} days, which differ by at most "
        f"{usual:.2f}"
    )
    return Shift(name, measure, distance, usual, limit, message)


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


def _constant(days: Sequence[ColumnProfile], day: ColumnProfile) -> tuple[float, float]:
    if day.commonest < 1:
        return 0.0, 0.0
    return 1 - max(one.commonest for one in days), 0.0


def _categories(days: Sequence[ColumnProfile], day: ColumnProfile) -> tuple[float, float]:
    shares = _share_table([*days, day])
    return _nearest_and_widest(np.abs(shares[:, None] - shares[None]).sum(axis=2) / 2)


def _shape(days: Sequence[ColumnProfile], day: ColumnProfile) -> tuple[float, float]:
    quantiles = _quantile_table([*days, day])
    values = np.unique(quantiles)
    below = np.array([np.searchsorted(one, values, side="right") for one in quantiles])
    shares = below / quantiles.shape[1]
    return _nearest_and_widest(np.abs(shares[:, None] - shares[None]).max(axis=2))


def _level(days: Sequence[ColumnProfile], day: ColumnProfile) -> tuple[float, float]:
    quantiles = _quantile_table([*days, day])
    low, high = np.quantile(quantiles[:-1], (0.05, 0.95))
    distances = np.abs(quantiles[:, None] - quantiles[None]).mean(axis=2)
    return _nearest_and_widest(distances / (high - low))


def _digits(days: Sequence[ColumnProfile], day: ColumnProfile) -> tuple[float, float]:
    """Distances to the whole window, and of each of its days to all the others."""
    shares = _share_table([*days, day])
    within, total = shares[:-1], shares[:-1].sum(axis=0)
    others = (total - within) / (len(within) - 1)
    usual = np.abs(within - others).sum(axis=1).max() / 2
    return float(np.abs(shares[-1] - total / len(within)).sum() / 2), float(usual)


_MEASURES: dict[
    Measure, Callable[[Sequence[ColumnProfile], ColumnProfile], tuple[float, float]]
] = {
    "categories": _categories,
    "shape": _shape,
    "level": _level,
    "digits": _digits,
}


def _nearest_and_widest(distances: Floats) -> tuple[float, float]:
    """From a table of distances, the day last: its nearest, and the largest among the others."""
    return float(distances[-1, :-1].min()), float(distances[:-1, :-1].max())


def _quantile_table(days: Sequence[ColumnProfile]) -> NDArray[np.float64]:
    return np.array([one.quantiles for one in days])


def _share_table(days: Sequence[ColumnProfile]) -> NDArray[np.float64]:
    """Shares by day and category, what is pooled last."""
    found = dict.fromkeys(name for one in days for name in one.shares)
    names = {name: index for index, name in enumerate(found)}
    table = np.zeros((len(days), len(names) + 1))
    for row, one in zip(table, days, strict=True):
        row[[names[name] for name in one.shares]] = list(one.shares.values())
        row[-1] = one.rest
    return table


def _tell_missing(days: Sequence[ColumnProfile]) -> str:
    shares = [one.missing for one in days]
    low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
    return low if low == high else f"{low} to {high}"


def _tell_values(days: Sequence[ColumnProfile]) -> str:
    """Numbers as the median and the middle 90 percent, texts as the commonest ones."""
    if days[0].holds == "numbers":
        quantiles = _quantile_table(days)
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
