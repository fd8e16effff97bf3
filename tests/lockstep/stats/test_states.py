"""States and samples of parts of a batch add up to those of the whole."""

from fractions import Fraction
from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.stats.sampling import Sample, Sampling
from lockstep.stats.states import MOST_VALUES, Frequent, Moments, Products, State, merged
from lockstep.stats.sums import ExactSum

ROWS = 90
SPLITS = st.lists(st.integers(0, ROWS), max_size=5).map(lambda cuts: [0, *sorted(cuts), ROWS])
"""Where a batch is cut; parts may have no rows."""


def slices(cuts):
    return [slice(start, end) for start, end in pairwise(cuts)]


def floats(seed, columns):
    random = np.random.default_rng(seed)
    found = random.normal(5, 3, (ROWS, columns))
    found[random.random(found.shape) < 0.2] = np.nan
    return found


def moments(seed, rows=slice(None)):
    return Moments.of(floats(seed, 4)[rows].astype(np.float32))


def products(seed, rows=slice(None)):
    return Products.of(floats(seed, 4)[rows], floats(seed + 7, 4)[rows])


def frequent(seed, rows=slice(None)):
    codes = np.random.default_rng(seed).geometric(0.1, ROWS).astype(np.uint64) - np.uint64(1)
    return Frequent.of(codes[rows])


def state(seed, rows=slice(None)):
    count = len(np.arange(ROWS)[rows])
    cells = np.random.default_rng(seed).random((5, ROWS)) < 0.3
    return State(
        rows=count,
        moments=moments(seed, rows),
        lacking=np.isnan(floats(seed, 4)[rows]).sum(axis=0).astype(float),
        products=products(seed, rows),
        counts={"cells": cells[:, rows].sum(axis=1).astype(float)},
        frequent={"shop": frequent(seed, rows)},
        digits=(count, float(np.arange(ROWS)[rows].sum())),
    )


SEEDS = st.integers(0, 1000)


@given(SEEDS, SPLITS)
def test_moments_of_parts_add_up_counts_exactly_and_sums_to_rounding(seed, cuts):
    parts, whole = merged([moments(seed, rows) for rows in slices(cuts)]), moments(seed)
    assert (parts.count == whole.count).all()
    np.testing.assert_allclose(parts.total, whole.total, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(parts.square, whole.square, rtol=1e-5, atol=1e-4)


@given(SEEDS, SPLITS)
def test_correlations_are_told_from_parts(seed, cuts):
    parts = [products(seed, rows) for rows in slices(cuts)]
    whole, found = products(seed), sum(parts[1:], parts[0])
    for of_parts, of_all in ((found.pairs, whole.pairs), (found.to_before, whole.to_before)):
        for name in ("correlation", "independent"):
            expected = getattr(of_all, name)
            np.testing.assert_allclose(getattr(of_parts, name), expected, rtol=1e-9, atol=1e-9)


@given(SEEDS, SPLITS)
def test_values_of_parts_are_counted_as_those_of_the_whole(seed, cuts):
    parts = [frequent(seed, rows) for rows in slices(cuts)]
    found, whole = sum(parts[1:], parts[0]), frequent(seed)
    assert found.codes.tolist() == whole.codes.tolist()
    assert found.counts.tolist() == whole.counts.tolist()
    assert (found.known, found.distinct) == (whole.known, whole.distinct)


@given(SEEDS, SPLITS)
@settings(max_examples=30)
def test_a_state_of_parts_is_that_of_the_whole(seed, cuts):
    found, whole = merged([state(seed, rows) for rows in slices(cuts)]), state(seed)
    assert (found.rows, found.digits) == (whole.rows, whole.digits)
    assert (found.counts["cells"] == whole.counts["cells"]).all()
    assert (found.moments.count == whole.moments.count).all()
    assert (found.products.count == whole.products.count).all()
    assert found.frequent["shop"].counts.tolist() == whole.frequent["shop"].counts.tolist()


def test_means_are_those_of_the_rows_that_a_feature_applies_to():
    found = Moments.of(np.array([[1.0, 4.0], [2.0, np.nan], [6.0, np.nan]], dtype=np.float32))
    assert found.count.tolist() == [3, 1]
    assert found.total.tolist() == [9, 4]


def test_correlations_are_those_of_pearson():
    numbers = np.random.default_rng(0).normal(size=(60, 3)) @ np.array(
        [[1, 0.7, 0], [0, 1, 0.2], [0, 0, 1]]
    )
    found = Products.of(numbers, np.roll(numbers, 1, axis=0)).pairs.correlation
    upper = np.triu_indices(3, 1)
    assert found[upper] == pytest.approx(np.corrcoef(numbers.T)[upper])


def test_correlations_of_a_few_rows_are_not_known():
    numbers = np.random.default_rng(0).normal(size=(11, 2))
    assert np.isnan(Products.of(numbers, numbers).pairs.correlation).all()


@pytest.mark.parametrize(
    ("own", "shared", "least", "most"), [(50, 0, 900, 1000), (0, 1, 1, 11), (5, 40, 40, 150)]
)
def test_rows_that_carry_a_product_are_those_that_its_error_is_of(own, shared, least, most):
    numbers = np.zeros((1_000, 2))
    numbers[:own, 0] = numbers[own : 2 * own, 1] = 1.0
    numbers[2 * own : 2 * own + shared] = 1.0
    found = Products.of(numbers, np.roll(numbers, 1, axis=0)).pairs
    assert least <= found.independent[0, 1] <= most
    assert np.isfinite(found.correlation[0, 1]) == (found.independent[0, 1] >= 12)


def test_the_error_of_a_correlation_is_what_chance_moves_it_by():
    random = np.random.default_rng(0)
    days = [
        np.where(random.random((400, 1)) < 0.05, random.random((400, 2)), 0) for _ in range(300)
    ]
    found = [Products.of(numbers, numbers).pairs for numbers in days]
    moved = np.std([np.arctanh(pairs.correlation[0, 1]) for pairs in found])
    errors = [1 / np.sqrt(pairs.independent[0, 1] - 3) for pairs in found]
    assert 0.5 < moved / np.median(errors) < 1.5


def distinct(count, start=1):
    return np.arange(start, start + count, dtype=np.uint64)


def test_a_bounded_number_of_values_is_kept_and_all_rows_are_counted():
    found = Frequent.of(distinct(MOST_VALUES)) + Frequent.of(distinct(MOST_VALUES, 10**6))
    assert len(found.codes) == len(found.counts) == MOST_VALUES
    found = Frequent.of(np.append(distinct(3 * MOST_VALUES), np.uint64(0)))
    assert (found.known, found.distinct.count) == (3 * MOST_VALUES, 3 * MOST_VALUES)


def test_the_most_frequent_values_are_those_that_are_kept():
    often = np.repeat(distinct(10, 10**6), 20)
    found = Frequent.of(np.concatenate([distinct(2 * MOST_VALUES), often]))
    assert {*distinct(10, 10**6).tolist()} <= {*found.codes.tolist()}
    assert found.top == 20 / (2 * MOST_VALUES + 200)


KEYS = np.array([f"k{number}" for number in range(20_000)], dtype=object)
COLUMNS = {"key": KEYS, "number": np.arange(len(KEYS))}
KEPT = np.ones(len(KEYS), dtype=bool)


def drawn(start: int, end: int, draw: Sampling) -> Sample:
    rows = slice(start, end)
    part = {name: array[rows] for name, array in COLUMNS.items()}
    return Sample.of(part, "key", COLUMNS["number"][rows], KEPT[rows], draw)


def test_a_batch_of_few_rows_is_drawn_as_a_whole() -> None:
    sample = drawn(0, len(KEYS), Sampling(len(KEYS)))
    assert sample.kept_columns is sample.columns
    assert sample.columns["key"] is not None
    assert len(sample.columns["key"]) == len(KEYS)


def test_samples_of_units_join_to_that_of_the_batch() -> None:
    draw = Sampling(len(KEYS), most=1_000)
    whole = drawn(0, len(KEYS), draw)
    joined = Sample.joined([drawn(0, 7_000, draw), drawn(7_000, len(KEYS), draw)])
    assert joined.numbers.tolist() == whole.numbers.tolist()
    assert 800 < len(whole.numbers) < 1_200
    assert draw.of_each == 20


def test_a_sample_of_more_rows_holds_the_keys_of_one_of_fewer() -> None:
    few = {*drawn(0, len(KEYS), Sampling(len(KEYS), most=500)).numbers.tolist()}
    many = {*drawn(0, len(KEYS), Sampling(len(KEYS), most=1_000)).numbers.tolist()}
    assert few < many


def test_rows_that_are_set_aside_later_are_not_kept() -> None:
    sample = drawn(0, 10, Sampling(10)).without(np.isin(np.arange(10), [3, 4]))
    assert sample.kept_columns["number"].tolist() == [0, 1, 2, 5, 6, 7, 8, 9]


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
