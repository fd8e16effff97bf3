"""What drifted columns do to the outputs, against the mix of the training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep import Bools, Floats, Key, Pipeline, Record, feature, output
from lockstep.columns.kinds import Kind
from lockstep.parity.counterfactuals import MOST_ROWS, Counterfactuals, typical, with_mix
from lockstep.parity.profiles import Profile
from tests.lockstep.columns.conftest import named

RANDOM = np.random.default_rng(3)


def profile(values, kind):
    return Profile.of({"x": values}, {"x": kind}).columns["x"]


def apart_from(before, now):
    """How much of the values is of other categories: the total variation distance."""
    names = {*before.shares, *now.shares}
    return sum(abs(now.shares.get(name, 0) - before.shares.get(name, 0)) for name in names) / 2


def test_numbers_get_the_values_of_the_training_of_the_same_rank():
    before = profile(RANDOM.normal(0, 1, 5000), Kind.FLOAT)
    now = RANDOM.normal(30, 4, 1000)
    mixed = with_mix(now, before)
    after = profile(mixed, Kind.FLOAT).quantiles
    assert np.abs(np.subtract(after, before.quantiles)).max() < 0.2
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
    apart = apart_from(before, profile(now, Kind.TEXT))
    assert np.mean(mixed != now) == pytest.approx(apart)
    assert apart_from(before, profile(mixed, Kind.TEXT)) == pytest.approx(0)


def test_a_category_that_training_did_not_have_becomes_one_that_it_had():
    before = profile(np.array(["a", "b"] * 50, dtype=object), Kind.TEXT)
    mixed = with_mix(np.array(["a", "z", None, "z", "b"], dtype=object), before)
    assert set(mixed.tolist()) == {"a", "b", None}


def test_which_rows_change_their_category_does_not_follow_from_their_order():
    before = profile(np.arange(100) < 50, Kind.BOOL)
    flipped = np.flatnonzero(~with_mix(np.ones(400, dtype=bool), before))
    assert len(flipped) == 200
    assert 70 < np.count_nonzero(flipped < 200) < 130


def test_flags_stay_flags_and_whole_numbers_whole():
    mixed = with_mix(np.zeros(10, dtype=bool), profile(np.arange(10) < 5, Kind.BOOL))
    assert (mixed.dtype, mixed.sum()) == (bool, 5)
    assert with_mix(np.arange(9), profile(np.arange(100), Kind.INT)).dtype == np.int64


def test_what_is_typical_is_the_median_and_the_commonest_category():
    assert set(typical(np.array([1.0, np.nan]), profile(np.arange(101.0), Kind.FLOAT))) == {50.0}
    texts = profile(np.array(["a", "b", "b"], dtype=object), Kind.TEXT)
    assert typical(np.array(["z", None], dtype=object), texts).tolist() == ["b", "b"]
    flags = typical(np.zeros(2, dtype=bool), profile(np.arange(3) > 0, Kind.BOOL))
    assert (flags.dtype, flags.tolist()) == (bool, [True, True])


class Reading(Record):
    name: Key[str]
    place: str
    level: float
    remark: str


EVERY = np.arange(MOST_ROWS)
LEVEL = np.linspace(-1, 0.9, MOST_ROWS)
SIZES: list[int] = []


@feature
def double(level: Floats) -> Floats:
    """Twice the level."""
    if (level > 1e6).any():
        raise ValueError("no sea is that high")
    SIZES.append(len(level))
    return 2 * level


is_high = named("is_high", lambda double: double > 0, output, Bools)
height = named("height", lambda double: double + 0.0, output)


def readings(level, rise):
    """Rows of which each second one, those at sea, is higher than in training."""
    at_sea = np.arange(len(level)) % 2 == 1
    raw = {
        "name": np.array([str(row) for row in range(len(level))], dtype=object),
        "place": np.where(at_sea, "sea", "land").astype(object),
        "level": level + rise * at_sea,
        "remark": np.full(len(level), "none", dtype=object),
    }
    before = Profile.of({"level": level}, {"level": Kind.FLOAT})
    return Counterfactuals(Pipeline(__name__, record=Reading), raw, before)


def effects(impact):
    return {one.output: one for one in impact.effects}


def test_an_output_that_is_another_is_told_with_the_segment_where_most():
    """Of what was computed: the outputs of its rows are held against the training's mix."""
    rows = readings(LEVEL, 0.0)
    computed = rows.pipeline.graph.evaluate(rows.raw, ["is_high"])
    at_sea = np.asarray(rows.raw["place"] == "sea")
    computed["is_high"] = np.asarray(computed["is_high"] | at_sea)
    before = Profile.of({"is_high": LEVEL > 0.8}, {"is_high": Kind.BOOL})
    (found,) = Counterfactuals(rows.pipeline, computed, before).mixed(["is_high"]).effects
    assert found.output == "is_high"
    assert found.worst.startswith("most where place is sea (")


def test_what_flips_or_moves_is_told_by_output_with_the_segment_where_most_does():
    impact = readings(LEVEL, 0.5).typical(["level"], EVERY)
    found = effects(impact)
    assert found["is_high"].differing == pytest.approx(302, abs=4)
    assert found["height"].moved == pytest.approx(0.5, abs=0.02)
    assert found["height"].largest == pytest.approx(2.9, abs=0.02)
    assert all(one.worst.startswith("most where place is sea (") for one in impact.effects)
    assert "is_high flips in " in str(impact)
    assert "most where place is sea (" in str(impact)


def test_rows_in_question_alone_are_looked_at():
    rows = np.flatnonzero(LEVEL > 0.5)
    impact = readings(LEVEL, 0.0).typical(["level"], rows)
    assert impact.rows == len(rows)
    assert effects(impact)["is_high"].differing == len(rows)


def test_what_goes_into_no_output_does_nothing():
    impact = readings(LEVEL[:10], 0.0).typical(["remark"], np.arange(10))
    assert (impact.effects, str(impact)) == ((), "No output comes from remark")


def test_an_effect_that_cannot_be_computed_is_told_as_not_known():
    impact = readings(LEVEL[:10], 1e7).typical(["level"], np.arange(10))
    assert impact.effects == ()
    assert "not known: Feature double" in str(impact)
    assert "no sea is that high" in str(impact)


def test_of_a_large_batch_some_rows_are_computed():
    found = readings(np.arange(3.0 * MOST_ROWS), 1.0)
    SIZES.clear()
    found.mixed(["level"])
    assert SIZES
    assert max(SIZES) <= MOST_ROWS
