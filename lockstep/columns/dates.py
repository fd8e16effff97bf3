"""Dates in texts: read by the one layout that nearly all texts of a column have."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from itertools import compress, product

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array

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
NEARLY_ALL = 0.95
"""Share of a column's distinct texts that must be dates for it to be a column of dates."""
_SAMPLE = 40
"""Texts on which layouts are tried first."""
_DIGITS, _LETTERS, _SPACES = re.compile(r"\d+"), re.compile(r"[^\W\d_]+"), re.compile(r"\s+")
_ENOUGH_TEXTS = 5
"""The fewest distinct texts that can show that a column holds dates."""


def layout_of(texts: Array) -> str | None:
    """The layout by which nearly all distinct texts are dates; None where none or several fit.

    A few texts may stand for a missing date, such as `0000-00-00`.
    """
    some = texts[:_SAMPLE]
    if len(texts) < _ENOUGH_TEXTS:
        return None
    shapes = Counter(map(shape_of, some))
    alike = [layout for layout in LAYOUTS if _share(layout, shapes) >= NEARLY_ALL / 2]
    likely = [layout for layout in alike if _fit(some, layout) >= NEARLY_ALL / 2]
    fits = [layout for layout in likely if _fit(texts, layout) >= NEARLY_ALL]
    return fits[0] if len(fits) == 1 else None


def shape_of(text: str) -> str:
    """A text with 0 for its digits, and a for its letters: what is between them shows a layout."""
    return _SPACES.sub(" ", _LETTERS.sub("a", _DIGITS.sub("0", text))).strip()


@cache
def shape_of_layout(layout: str) -> str:
    """The shape of texts in a layout, without an offset from UTC, which may have any."""
    return shape_of(
        datetime(2001, 2, 3, 4, 5, 6, 7, tzinfo=UTC).strftime(layout.removesuffix("%z"))
    )


def _share(layout: str, shapes: Counter[str]) -> float:
    """The share of texts that may have a layout, by how often each shape occurs."""
    own, zoned = shape_of_layout(layout), layout.endswith("%z")
    alike = (shape == own or (zoned and shape.startswith(own)) for shape in shapes)
    return sum(compress(shapes.values(), alike)) / shapes.total()


def _fit(texts: Array, layout: str) -> float:
    """The share of some texts that have a layout."""
    return float(np.mean(~np.isnat(moments(texts, layout))))


def moments(texts: Array, layout: str) -> Array:
    """The times in texts, datetime64[us]: in UTC if they have an offset; NaT where none is read."""
    times = pd.to_datetime(texts, format=layout, errors="coerce", utc=True)
    return np.asarray(times.tz_localize(None), dtype="datetime64[us]")
