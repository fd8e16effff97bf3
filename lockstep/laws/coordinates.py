"""Coordinates: what of a row is a number, so that all columns can be told by each other at once."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from lockstep.columns.kinds import Floats
from lockstep.columns.tables import is_missing
from lockstep.laws.glance import as_numbers, number_columns, text_columns
from lockstep.laws.reach import is_of_its_row
from lockstep.laws.rows import Rows

MOST_COORDINATES = 100
"""Coordinates of a row that are looked at: the first ones."""
MOST_LABELS = 12
"""Different texts of a category, of which each is a coordinate."""
LEAST_SHARE = 0.05
"""Share of the rows that a text has at least to be one."""
SKEWED = 1.0
"""Skewness of numbers from which on their logarithm is looked at."""


class Coordinate(msgspec.Struct, frozen=True):
    """A number, or whether a category is one of its texts.

    Attributes:
        column: The column.
        label: The text; None of a number.
        bend: Numbers that are larger than it count by their logarithm, smaller ones nearly as they
            are; 0 where all count as they are.
        center: The mean.
        scale: The standard deviation.
        lowest: The smallest one, in standard deviations from the mean.
        highest: The largest.
    """

    column: str
    label: str | None
    bend: float
    center: float
    scale: float
    lowest: float
    highest: float

    def of(self, rows: Rows) -> Floats:
        """It of each row, in standard deviations from the mean; NaN where it is missing.

        Args:
            rows: Some rows.
        """
        return (_raw(rows, self.column, self.label, self.bend) - self.center) / self.scale

    def within(self, found: Floats) -> Floats:
        """What it counts as where others are told by it: no more than a span beyond its ends.

        Args:
            found: It of each row.
        """
        span = self.highest - self.lowest
        return np.clip(found, self.lowest - span, self.highest + span)


def coordinates_of(rows: Rows) -> tuple[Coordinate, ...]:
    """The coordinates of training rows, the numbers first.

    Args:
        rows: The training rows.
    """
    found = [*_of_numbers(rows), *_of_categories(rows)]
    return tuple(found[:MOST_COORDINATES])


def _of_numbers(rows: Rows) -> Iterator[Coordinate]:
    for name in number_columns(rows.schema):
        numbers = as_numbers(rows.columns[name])
        if not is_of_its_row(numbers[np.isfinite(numbers)]):
            one = _coordinate(rows, name, None, _bend(numbers[np.isfinite(numbers)]))
            if one is not None:
                yield one


def _of_categories(rows: Rows) -> Iterator[Coordinate]:
    """Whether each category is one of its texts, but for one of them where all texts are told."""
    for name in text_columns(rows.schema):
        values, counts = rows.counted(name)
        if name == rows.schema.key or not 1 < len(values) <= MOST_LABELS:
            continue
        kept = [
            str(value)
            for value, count in zip(values, counts.tolist(), strict=True)
            if count >= LEAST_SHARE * len(rows)
        ]
        for label in kept[len(kept) == len(values) :]:
            one = _coordinate(rows, name, label, 0.0)
            if one is not None:
                yield one


def _coordinate(rows: Rows, column: str, label: str | None, bend: float) -> Coordinate | None:
    """A coordinate of training rows; None where it is the same in all of them."""
    raw = _raw(rows, column, label, bend)
    known = raw[np.isfinite(raw)]
    scale = float(np.std(known)) if len(known) else 0.0
    if scale <= 1e-9 * float(np.abs(known).max(initial=0.0)):
        return None
    center = float(np.mean(known))
    lowest, highest = ((float(one) - center) / scale for one in (known.min(), known.max()))
    return Coordinate(column, label, bend, center, scale, lowest, highest)


def _raw(rows: Rows, column: str, label: str | None, bend: float) -> Floats:
    array = rows.columns[column]
    if label is not None:
        return np.where(is_missing(array), np.nan, (array == label).astype(np.float64))
    numbers = as_numbers(array)
    return np.arcsinh(numbers / bend) if bend else numbers


def _bend(known: Floats) -> float:
    """From where on numbers count by their logarithm: where that makes them less skewed."""
    above = known[known > 0]
    skewness = _skewness(known)
    if skewness < SKEWED or not len(above):
        return 0.0
    bend = float(f"{np.quantile(above, 0.1):.4g}")
    return bend if abs(_skewness(np.arcsinh(known / bend))) < skewness / 2 else 0.0


def _skewness(known: Floats) -> float:
    """The third standardized moment; 0 where numbers do not vary."""
    spread = float(np.std(known)) if len(known) else 0.0
    return float(np.mean(((known - known.mean()) / spread) ** 3)) if spread else 0.0
