"""Dates in texts: read by the one layout that nearly all texts of a column have."""

from __future__ import annotations

from itertools import product
from math import pi, sqrt

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats

_DAYS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%m/%d/%Y", "%m-%d-%Y"),
    *("%d-%b-%Y", "%d %b %Y", "%b %d, %Y"),
)
_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f")
LAYOUTS = (
    *_DAYS,
    *("%H:%M", "%H:%M:%S", "%I:%M %p"),
    *map("".join, product(_DAYS, ("T", " "), _CLOCKS, ("", "%z"))),
)
"""Layouts that are tried: dates, times, and both, with or without an offset from UTC."""
FAR = 4.0
"""Standard deviations by which medians never differ by chance."""
_DEVIATIONS = 3.29
"""Standard deviations in which nine normal numbers of ten lie."""
NEARLY_ALL = 0.95
"""Share of the different texts that are dates, of a column of dates."""
_SAMPLE = 40
"""Texts on which layouts are tried first."""
_ENOUGH_TEXTS = 5
"""Different texts that it takes to tell that they are dates."""


def layout_of(texts: Array) -> str | None:
    """The layout by which nearly all of some texts are dates; None where there is none, or several.

    A few others may stand for what is not known, such as `0000-00-00`.

    Args:
        texts: Different texts.
    """
    some = texts[:_SAMPLE]
    if len(texts) < _ENOUGH_TEXTS or np.mean([_has_digit(one) for one in some]) < NEARLY_ALL / 2:
        return None
    likely = [one for one in LAYOUTS if _fit(some, one) >= NEARLY_ALL / 2]
    fits = [one for one in likely if _fit(texts, one) >= NEARLY_ALL]
    return fits[0] if len(fits) == 1 else None


def _has_digit(text: str) -> bool:
    return any(one.isdigit() for one in text)


def _fit(texts: Array, layout: str) -> float:
    """The share of some texts that have a layout."""
    return float(np.mean(~np.isnat(moments(texts, layout))))


def moments(texts: Array, layout: str) -> Array:
    """What texts say, datetime64[us]: in UTC where they tell their offset; NaT where it is no date.

    Args:
        texts: Texts.
        layout: The layout that they should have.
    """
    found = pd.to_datetime(texts, format=layout, errors="coerce", utc=True)
    return np.asarray(found.tz_localize(None), dtype="datetime64[us]")


def moves_on(dates: Floats, days: Floats) -> bool:
    """Whether dates go on with the days of their rows, as those of a stay, and not of a birth, do.

    Those of the later half of the rows then lie later than those of the earlier half, by more than
    half of what passes between both and what chance does to medians (Laplace, 1818).

    Args:
        dates: Days, one a row; NaN where there is none.
        days: The day of each row, counted from any; NaN where it is not known.
    """
    is_known = np.isfinite(dates) & np.isfinite(days)
    dates, days = dates[is_known], days[is_known]
    is_late = days > np.median(days) if len(days) else is_known[:0]
    if not 0 < np.count_nonzero(is_late) < len(days):
        return False
    later = float(np.median(dates[is_late]) - np.median(dates[~is_late]))
    passes = float(days[is_late].mean() - days[~is_late].mean())
    deviation = width(dates) / _DEVIATIONS
    chance = deviation * sqrt(pi / 2) * sqrt(4 / len(days))
    return later - FAR * chance > passes / 2


def width(numbers: Floats) -> float:
    """How far numbers reach, without a twentieth of them on either side; 0 where there are none."""
    known = numbers[np.isfinite(numbers)]
    return float(np.subtract(*np.quantile(known, (0.95, 0.05)))) if len(known) else 0.0
