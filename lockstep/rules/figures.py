"""Figures: one value of a whole batch, such as the mean of a column, that an expectation bounds.

What is observed is what Great Expectations observes of the same rows, in a thousandth of the time.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.tables import is_missing

_ROW_COUNT = "expect_table_row_count_to_be_between"
_OF_VALUES: Mapping[str, Callable[[Array], Any]] = {
    "expect_column_max_to_be_between": np.max,
    "expect_column_mean_to_be_between": np.mean,
    "expect_column_min_to_be_between": np.min,
}
_ASKED = frozenset({"column", "min_value", "max_value", "strict_min", "strict_max"})
"""The arguments of these expectations that are understood here."""


@dataclass(frozen=True)
class Figure:
    """A value of a whole batch.

    Attributes:
        observed: The value.
        met: Whether it lies within the bounds of the expectation.
    """

    observed: Any
    met: bool


def figure(expectation: Mapping[str, Any], columns: Columns) -> Figure | None:
    """What an expectation about a value of the batch observes; None where it is not known here.

    Known are the number of rows, and least, mean and largest value of a column of numbers that has
    finite ones, within bounds that are numbers.

    Args:
        expectation: The expectation, as it stands in a suite's JSON.
        columns: The rows, in canonical form.
    """
    kwargs = {name: value for name, value in expectation["kwargs"].items() if value is not None}
    bounds = [kwargs[name] for name in ("min_value", "max_value") if name in kwargs]
    if not _ASKED.issuperset(kwargs) or not all(map(_is_number, bounds)):
        return None
    observed = _observed(expectation["type"], kwargs.get("column"), columns)
    if observed is None or not math.isfinite(observed):
        return None
    above = operator.gt if kwargs.get("strict_min") else operator.ge
    below = operator.lt if kwargs.get("strict_max") else operator.le
    met = above(observed, kwargs.get("min_value", -math.inf)) and below(
        observed, kwargs.get("max_value", math.inf)
    )
    return Figure(observed, bool(met))


def _observed(expectation: str, column: str | None, columns: Columns) -> Any:
    if expectation == _ROW_COUNT:
        return len(next(iter(columns.values()), ()))
    array = columns.get(column) if column is not None else None
    if expectation not in _OF_VALUES or array is None or array.dtype.kind not in "fi":
        return None
    values = array[~is_missing(array)]
    if not len(values):
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        return _OF_VALUES[expectation](values)


def _is_number(bound: Any) -> bool:
    return isinstance(bound, int | float) and not isinstance(bound, bool)
