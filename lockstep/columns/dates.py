"""Dates in texts: read by the one layout that all texts of a column have."""

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
    *map("".join, product(_DAYS, ("T", " "), _CLOCKS, ("", "%z"))),
)
"""Layouts that are tried: dates, and dates with a time, with or without an offset from UTC."""
FAR = 4.0
"""Standard deviations by which medians never differ by chance."""
_DEVIATIONS = 3.29
"""Standard deviations in which nine normal numbers of ten lie."""
_ENOUGH_TEXTS = 5
"""Different texts that it takes to tell that they are dates."""


def layout_of(texts: Array) -> str | None:
    """The layout by which all of some texts are dates; None where there is none, or several.

    Args:
        texts: Different texts.
    """
    if len(texts) < _ENOUGH_TEXTS or not any(one.isdigit() for one in texts[0]):
        return None
    fits = [one for one in LAYOUTS if not np.isnat(moments(texts[:1], one)).any()]
    fits = [one for one in fits if not np.isnat(moments(texts, one)).any()]
    return fits[0] if len(fits) == 1 else None


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
