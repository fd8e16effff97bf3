"""Sets of digests add up, count and tell what they hold, though a bounded number is kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.digests import KEPT, Digests, among, digests_of, held_by, mixed

CODES = st.lists(st.integers(1, 2**64 - 1) | st.integers(1, 9), max_size=60)


def codes(values) -> np.ndarray:
    return np.array(list(values), dtype=np.uint64)


def many(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 2**64, count, dtype=np.uint64)


@given(CODES, CODES)
def test_the_set_of_two_parts_is_that_of_the_whole(one, other):
    whole = Digests.of(codes([*one, *other]))
    assert Digests.of(codes(one)) + Digests.of(codes(other)) == whole


@given(CODES, CODES)
def test_values_are_among_others_where_they_are_equal(digests, others):
    assert among(codes(digests), codes(others)).tolist() == [one in others for one in digests]


@given(st.lists(CODES, min_size=1, max_size=4), CODES)
def test_sets_tell_what_any_of_them_holds(held, asked):
    found = held_by([Digests.of(codes(one)) for one in held], codes(asked))
    assert found.tolist() == [float(any(one in few for few in held)) for one in asked]


@given(st.lists(CODES, min_size=1, max_size=3), st.integers(1, 20), CODES)
def test_sets_that_are_not_complete_are_never_wrong(held, most, asked):
    asked = [*asked, *(one for few in held for one in few)]
    found = held_by([Digests.of(codes(one), most) for one in held], codes(asked))
    said = np.isfinite(found)
    truth = np.array([any(one in few for few in held) for one in asked], dtype=bool)
    assert (found[said] == truth[said]).all()


def test_no_sets_tell_nothing():
    assert np.isnan(held_by([], codes([1, 2]))).all()


def test_few_digests_are_counted_exactly():
    assert Digests.of(np.repeat(many(0, 900), 3)).count == 900


@pytest.mark.parametrize("seed", range(3))
def test_many_digests_are_counted_to_two_percent(seed):
    parts = np.split(many(seed, 300_000), 3)
    found = sum(map(Digests.of, parts[1:]), Digests.of(parts[0]))
    assert found.count == pytest.approx(300_000, rel=0.02)


def test_a_bounded_number_is_kept_of_a_sum():
    found = Digests.of(many(1, KEPT)) + Digests.of(many(2, KEPT))
    assert len(found.known) == KEPT
    assert not found.complete


def test_the_sum_of_bounded_sets_is_that_of_the_whole():
    one, other = many(3, KEPT + 500), many(4, KEPT + 900)
    whole = Digests.of(np.concatenate([one, other]))
    assert Digests.of(one) + Digests.of(other) == whole


@pytest.mark.parametrize(
    "values",
    [
        np.array(["a", None, "b", "a"], dtype=object),
        np.array([1.5, np.nan, 2.5, 1.5]),
        np.array(["2024-01-01", "NaT", "2024-01-02", "2024-01-01"], dtype="datetime64[us]"),
    ],
    ids=["texts", "numbers", "times"],
)
def test_equal_values_have_one_digest_and_missing_ones_have_none(values):
    found = digests_of(values)
    assert found[1] == 0
    assert found[0] == found[3] != 0
    assert found[2] not in found[:2]


@pytest.mark.parametrize(
    "values",
    [np.zeros(1), np.zeros(1, dtype=np.int64), np.zeros(1, bool), np.zeros(1, "datetime64[us]")],
    ids=["float", "int", "bool", "time"],
)
def test_zero_is_no_missing_value(values):
    assert digests_of(values) != 0


def test_the_digest_of_a_value_is_told_by_no_other():
    values = np.array([f"v{number % 7_000}" for number in range(12_000)], dtype=object)
    whole = digests_of(values)
    assert (np.concatenate([digests_of(values[:40]), digests_of(values[40:])]) == whole).all()


def test_rows_are_told_apart_by_the_order_of_their_values():
    one, other = many(5, 50), many(6, 50)
    assert not (mixed([one, other], 50) == mixed([other, one], 50)).any()
