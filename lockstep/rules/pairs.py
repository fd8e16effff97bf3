"""Tests of two columns of a row, by the type of the expectation that asks for them.

Each agrees with Great Expectations on pandas, row for row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from lockstep.columns.kinds import Array, Kind
from lockstep.rules.rowtests import NUMBERS, Mask, NoRowTestError, PairTest, missing
from lockstep.rules.wording import Kwargs

ByKinds = Callable[[Kind, Kind], PairTest]
"""Gives the test for the kinds of two columns; raises `NoRowTestError` where they have none."""

_IGNORED: dict[str, Callable[[Any, Any], Any]] = {
    "both_values_are_missing": operator.and_,
    "either_value_is_missing": operator.or_,
    "neither": lambda first, second: first & False,
}
"""Which rows are left out, given whether each of the two values is missing."""


def _greater(kwargs: Kwargs) -> ByKinds:
    return _comparison(kwargs, operator.ge if kwargs.get("or_equal") else operator.gt)


def _equal(kwargs: Kwargs) -> ByKinds:
    return _comparison(kwargs, operator.eq)


def _comparison(kwargs: Kwargs, compare: Callable[[Any, Any], Any]) -> ByKinds:
    """A comparison is false where a value is missing, unless the row is left out."""
    ignored = _IGNORED[kwargs.get("ignore_row_if", "both_values_are_missing")]

    def test(kind: Kind, other: Kind) -> PairTest:
        if kind is not other and not NUMBERS.issuperset({kind, other}):
            raise NoRowTestError(f"it compares {kind.value}s with {other.value}s")
        rounded = {kind, other} == {Kind.INT, Kind.FLOAT}
        comparison = _text_comparison(compare) if kind is Kind.TEXT else compare

        def accepts(first: Any, second: Any) -> object:
            if first is None or second is None:
                return ignored(first is None, second is None)
            if rounded:  # NumPy compares an integer with a float as floats, Python exactly
                return compare(float(first), float(second))
            return compare(first, second)

        def refused(first: Array, second: Array) -> Mask:
            left_out = ignored(missing(kind)(first), missing(other)(second))
            passed: Mask = comparison(first, second) | left_out
            return ~passed

        return PairTest(accepts, refused)

    return test


def _text_comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Array, Array], Mask]:
    def compared(first: Array, second: Array) -> Mask:
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        return np.array(
            [a is not None and b is not None and compare(a, b) for a, b in pairs], dtype=np.bool_
        )

    return compared


PAIR_TESTS: dict[str, Callable[[Kwargs], ByKinds]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": _equal,
}
"""How to test each type of expectation about the values of two columns."""
