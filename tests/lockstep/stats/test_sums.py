"""Exact sums are those of Python's fractions, however the numbers are cut."""

from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.stats.sums import ExactSum

NUMBERS = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@settings(max_examples=50)
@given(numbers=NUMBERS, size=st.integers(1, 40))
def test_the_mean_is_rounded_once_and_does_not_depend_on_the_cut(numbers, size) -> None:
    array = np.array(numbers)
    exact = float(sum(map(Fraction, numbers), Fraction()) / len(numbers))
    parts = [ExactSum.of(array[at : at + size]) for at in range(0, len(array), size)]
    assert reduce(add, parts).mean == ExactSum.of(array).mean == exact


def test_missing_numbers_do_not_count_and_flags_are_numbers() -> None:
    assert ExactSum.of(np.array([1.0, np.nan, 2.0])).mean == 1.5
    assert ExactSum.of(np.array([True, False])).mean == 0.5
    assert np.isnan(ExactSum.of(np.empty(0)).mean)


@settings(max_examples=50)
@given(numbers=NUMBERS, size=st.integers(1, 40))
def test_squares_are_exact_and_do_not_depend_on_the_cut(numbers, size) -> None:
    array = np.array(numbers)
    exact = sum((Fraction(number) ** 2 for number in numbers), Fraction())
    parts = [ExactSum.of_squares(array[at : at + size]) for at in range(0, len(array), size)]
    joined = reduce(add, parts)
    assert joined.total == ExactSum.of_squares(array).total == exact
    assert joined.count == len(numbers)


@given(numbers=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_integers_are_not_rounded(numbers) -> None:
    assert ExactSum.of(np.array(numbers, dtype=np.int64)).total == sum(numbers)
