"""Row tests: the tests of a rule, for whole arrays at once and for a value alone.

A missing value (NaN, None, NaT) passes every test of one column but "not missing": Great
Expectations leaves it out first. For a pair of columns the expectation says which rows to leave
out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.tables import is_missing

Mask = NDArray[np.bool_]

NUMBERS = frozenset({Kind.FLOAT, Kind.INT, Kind.BOOL})

Interval = tuple[float, float]
"""The least and the largest number that pass; NaN passes too."""

_TOGETHER = 1024
"""Rows of several columns that are tested together: their copy stays in the cache."""

_NAT = int(np.datetime64("NaT", "us").astype(np.int64))


class NoRowTestError(Exception):
    """An expectation cannot be tested row by row; the message says why. Caught in this package."""


@dataclass(frozen=True)
class ValueTest:
    """A test of the values of a column of one kind."""

    accepts: Callable[[Any], object] | None  # of one not missing (truthy); None if all pass
    refused: Callable[[Array], Mask]
    refuses_missing: bool = False
    interval: Interval | None = None  # if the test is no more than an interval

    def left_out(self, array: Array) -> Mask:
        """The mask of missing values, which Great Expectations leaves out."""
        return is_missing(array)


@dataclass(frozen=True)
class PairTest:
    """A test of the values of two columns."""

    accepts: Callable[[Any, Any], object]  # truthy if two values pass; None is a missing one
    refused: Callable[[Array, Array], Mask]
    left_out: Callable[[Array, Array], Mask]  # the rows that are not looked at


class Intervals:
    """The intervals of several columns of floats, one a column, tested together."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self._low, self._high = (
            np.array(intervals, dtype=np.float64).reshape(-1, 2, 1).swapaxes(0, 1)
        )

    def refused(self, *arrays: Array) -> Mask:
        """The mask of rows in which any value is outside."""
        rows = len(arrays[0])
        if rows <= _TOGETHER:
            return self._refused(arrays)
        parts = [slice(start, start + _TOGETHER) for start in range(0, rows, _TOGETHER)]
        return np.concatenate([self._refused([array[part] for array in arrays]) for part in parts])

    def _refused(self, arrays: Sequence[Array]) -> Mask:
        values = np.array(arrays)
        outside = (values < self._low) | (values > self._high)
        refused: Mask = np.logical_or.reduce(outside, axis=0)
        return refused


def value_at(array: Array, row: int) -> Any:
    """The value of a row as a Python value; None if it is missing.

    A time becomes its microseconds since 1970 in UTC: they compare exactly, in any year.
    """
    if array.dtype.kind == "M":
        microseconds = array.view(np.int64).item(row)
        return None if microseconds == _NAT else microseconds
    value = array.item(row)
    return value if value == value else None  # only NaN differs from itself
