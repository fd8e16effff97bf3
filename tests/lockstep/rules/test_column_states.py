"""States of columns: exact, the same however rows are cut, and of a bounded size."""

from __future__ import annotations

import math
import pickle
from functools import reduce
from operator import add
from statistics import stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Array
from lockstep.rules.column_states import (
    Bounds,
    DistinctCount,
    DistinctValues,
    Presence,
    Spread,
    Total,
)

FLOATS = st.lists(st.floats(width=64), max_size=30).map(lambda drawn: np.array(drawn, np.float64))
INTS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30).map(
    lambda drawn: np.array(drawn, np.int64)
)
FLAGS = st.lists(st.booleans(), max_size=30).map(lambda drawn: np.array(drawn, np.bool_))
TEXTS = st.lists(st.text(max_size=3) | st.none(), max_size=30).map(
    lambda drawn: np.array(drawn, object)
)
TIMES = st.lists(st.sampled_from(["NaT", "1970-01-01", "2013-06-01T12:30"]), max_size=30).map(
    lambda drawn: np.array(drawn, "datetime64[us]")
)
NUMBERS = FLOATS | INTS | FLAGS
ANY = NUMBERS | TEXTS | TIMES


def cut(state: Any, array: Array, size: int) -> Any:
    """The sum of the states of units of a size."""
    parts = [array[at : at + size] for at in range(0, max(len(array), 1), size)]
    return reduce(add, [state.of(part) for part in parts])


@pytest.mark.parametrize(
    ("state", "arrays"),
    [
        (Bounds, ANY),
        (Presence, ANY),
        (DistinctCount, ANY),
        (Total, NUMBERS | TIMES),
        (Spread, NUMBERS),
    ],
)
def test_figures_do_not_depend_on_the_cut(state: Any, arrays: Any) -> None:
    @settings(max_examples=60, deadline=None)
    @given(array=arrays, size=st.integers(1, 30))
    def same(array: Array, size: int) -> None:
        assert repr(cut(state, array, size).figures()) == repr(state.of(array).figures())

    same()


@given(array=ANY, size=st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_distinct_values_do_not_depend_on_the_cut(array: Array, size: int) -> None:
    ours, whole = cut(DistinctValues, array, size).values, DistinctValues.of(array).values
    assert ours.dtype == array.dtype
    assert ours.tolist() == whole.tolist()


@given(array=FLOATS)
@settings(max_examples=60, deadline=None)
def test_the_standard_deviation_is_exact(array: Array) -> None:
    numbers = array[np.isfinite(array) & (np.abs(array) < 1e150)]
    (figures,) = Spread.of(numbers).figures()
    found = figures["stdev"]
    if len(numbers) < 2:
        assert math.isnan(found)
        return
    assert found == pytest.approx(stdev(numbers.tolist()), rel=1e-15, abs=1e-300)


def test_a_standard_deviation_far_from_zero_loses_nothing() -> None:
    """Times in microseconds, say: squares of floats alone would leave no digit."""
    numbers = 1e15 + np.tile([0.0, 1.0], 500)
    (figures,) = cut(Spread, numbers, 7).figures()
    assert figures["stdev"] == pytest.approx(math.sqrt(0.25 * 1000 / 999))


def test_sums_of_integers_do_not_overflow() -> None:
    (figures,) = cut(Total, np.full(4, 2**63 - 1), 3).figures()
    assert figures["sum"] == 4 * (2**63 - 1)


def test_what_is_beyond_the_floats_is_infinite() -> None:
    (sums,) = Total.of(np.full(3, 1.7e308)).figures()
    (spread,) = Spread.of(np.array([1.7e308, -1.7e308])).figures()
    assert (sums["sum"], sums["mean"]) == (math.inf, 1.7e308)
    assert spread["stdev"] == math.inf


@pytest.mark.parametrize("state", [Bounds, DistinctValues, DistinctCount, Total, Spread, Presence])
def test_a_state_of_any_number_of_rows_is_small(state: Any) -> None:
    numbers = np.random.default_rng(0).normal(size=200_000)
    assert len(pickle.dumps(cut(state, numbers, 50_000))) < 300_000


def test_too_many_distinct_values_are_not_kept() -> None:
    assert len(DistinctValues.of(np.arange(1_000)).values) == 1_000
    assert cut(DistinctValues, np.arange(1_001), 700).values is None
