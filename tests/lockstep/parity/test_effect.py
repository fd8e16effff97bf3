"""What drifted columns do to the outputs, against the mix of the training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep import Bools, Floats, Key, Pipeline, Record, feature, output
from lockstep.columns.kinds import Kind
from lockstep.parity.distances import distances
from lockstep.parity.effect import MOST_ROWS, Effect, effects, with_mix
from lockstep.parity.profiles import Profile

RANDOM = np.random.default_rng(3)


def profile(values, kind):
    return Profile.of({"x": values}, {"x": kind}).columns["x"]


def test_numbers_get_the_values_of_the_training_of_the_same_rank():
    before = profile(RANDOM.normal(0, 1, 5000), Kind.FLOAT)
    now = RANDOM.normal(30, 4, 1000)
    mixed = with_mix(now, before)
    assert distances(before, profile(mixed, Kind.FLOAT))["shape"] < 0.03
    assert (np.diff(mixed[np.argsort(now)]) >= 0).all()


def test_what_is_missing_stays_missing():
    before = profile(np.arange(100.0), Kind.FLOAT)
    now = np.array([np.nan, 500.0, np.nan, 900.0])
    np.testing.assert_array_equal(np.isnan(with_mix(now, before)), np.isnan(now))


@given(counts=st.lists(st.integers(1, 50), min_size=2, max_size=6))
def test_categories_get_the_shares_of_the_training_by_as_few_changes_as_that_takes(counts):
    names = np.array([f"c{number}" for number in range(len(counts))], dtype=object)
    values = np.repeat(names, counts)
    before, now = profile(values, Kind.TEXT), np.repeat(names, counts[::-1])
    mixed = with_mix(now, before)
    apart = distances(before, profile(now, Kind.TEXT))["categories"]
    assert np.mean(mixed != now) == pytest.approx(apart)
    assert distances(before, profile(mixed, Kind.TEXT))["categories"] == pytest.approx(0)


def test_a_category_that_training_did_not_have_becomes_one_that_it_had():
    before = profile(np.array(["a", "b"] * 50, dtype=object), Kind.TEXT)
    mixed = with_mix(np.array(["a", "z", None, "z", "b"], dtype=object), before)
    assert set(mixed.tolist()) == {"a", "b", None}


def test_flags_stay_flags():
    mixed = with_mix(np.zeros(10, dtype=bool), profile(np.arange(10) < 5, Kind.BOOL))
    assert (mixed.dtype, mixed.sum()) == (bool, 5)


def test_whole_numbers_stay_whole():
    assert with_mix(np.arange(9), profile(np.arange(100), Kind.INT)).dtype == np.int64


class Reading(Record):
    name: Key[str]
    level: float


SIZES: list[int] = []


@feature
def double(level: Floats) -> Floats:
    """Twice the level."""
    SIZES.append(len(level))
    return 2 * level


@output
def is_high(double: Floats) -> Bools:
    """Whether that is above 0."""
    return double > 0


@output
def height(double: Floats) -> Floats:
    """The double."""
    return double + 0.0


def test_decisions_that_flip_and_how_far_numbers_move_are_told_by_output():
    pipeline = Pipeline(__name__, record=Reading)
    level = np.linspace(-1, 1, 1000)
    before = Profile.of({"level": level}, {"level": Kind.FLOAT})
    names = np.array([str(row) for row in range(1000)], dtype=object)
    found = effects(pipeline, {"name": names, "level": level + 0.5}, before, ["level"])
    by_output = {one.output: one for one in found}
    assert by_output["is_high"].flipped == pytest.approx(0.25, abs=0.01)
    assert by_output["height"].moved == pytest.approx(1.0, abs=0.02)
    assert str(Effect("is_high", 0.25, None)) == "25.0% of is_high are other decisions"


def test_of_a_large_batch_some_rows_are_computed():
    pipeline = Pipeline(__name__, record=Reading)
    rows = 3 * MOST_ROWS
    level = np.arange(rows) * 1.0
    before = Profile.of({"level": level}, {"level": Kind.FLOAT})
    SIZES.clear()
    effects(pipeline, {"name": level.astype(object), "level": level}, before, ["level"])
    assert SIZES
    assert max(SIZES) <= MOST_ROWS
