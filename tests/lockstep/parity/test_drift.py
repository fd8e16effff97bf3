"""Drift of a batch from the training rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Kind
from lockstep.parity.drift import drift
from lockstep.parity.profiles import Profile

RANDOM = np.random.default_rng(7)
TRAINING = {
    "temp": RANDOM.normal(40, 10, 20_000),
    "carrier": np.array(["UA", "B6", "EV", "DL"], dtype=object)[RANDOM.integers(0, 4, 20_000)],
    "is_wet": RANDOM.random(20_000) < 0.2,
    "gust": np.where(RANDOM.random(20_000) < 0.7, np.nan, RANDOM.normal(25, 5, 20_000)),
}
KINDS = {"temp": Kind.FLOAT, "carrier": Kind.TEXT, "is_wet": Kind.BOOL, "gust": Kind.FLOAT}
PROFILE = Profile.of(TRAINING, KINDS)


def batch(**changes):
    return {name: array[:900] for name, array in TRAINING.items()} | changes


def drift_of(column, **changes):
    return next(one for one in drift(PROFILE, batch(**changes)) if one.column == column)


def test_rows_of_the_training_have_not_drifted():
    assert [one.column for one in drift(PROFILE, batch()) if one.drifted] == []


def test_every_profiled_column_of_the_batch_is_measured_in_order():
    found = drift(PROFILE, {"gust": TRAINING["gust"], "temp": TRAINING["temp"], "new": np.ones(9)})
    assert [one.column for one in found] == ["temp", "gust"]


def test_numbers_far_off_have_drifted_by_that_many_interquartile_ranges():
    found = drift_of("temp", temp=RANDOM.normal(85, 8, 900))
    assert found.drifted
    assert found.distance == pytest.approx(45 / (10 * 1.349), rel=0.05)


def test_numbers_a_little_off_have_not_drifted():
    assert not drift_of("temp", temp=RANDOM.normal(48, 8, 900)).drifted


def test_the_index_of_two_halves_that_swap_shares_is_the_textbooks():
    flags = np.arange(20_000) % 10 < 2  # 20 percent
    profile = Profile.of({"flag": flags}, {"flag": Kind.BOOL})
    (found,) = drift(profile, {"flag": ~flags})
    assert found.index == pytest.approx(2 * 0.6 * np.log(4), rel=1e-3)


def test_categories_with_other_shares_have_drifted():
    carriers = np.array(["UA", "B6"], dtype=object)[RANDOM.integers(0, 2, 900)]
    assert "population stability index" in drift_of("carrier", carrier=carriers).reasons[0]


def test_new_categories_are_named():
    carriers = TRAINING["carrier"][:900].copy()
    carriers[:50] = "ZZ"
    found = drift_of("carrier", carrier=carriers)
    assert (found.unseen, found.unseen_values) == (50 / 900, ("ZZ",))
    assert "new since training: ZZ" in found.reasons[0]


def test_new_categories_are_told_before_an_index():
    carriers = TRAINING["carrier"][:900].copy()
    carriers[:300] = "ZZ"
    first, second = drift_of("carrier", carrier=carriers).reasons
    assert "33% in categories new since training: ZZ" in first
    assert "population stability index" in second


def test_a_distance_as_long_as_a_number_can_be_is_told_in_a_few_digits():
    temps = TRAINING["temp"][:900].copy()
    temps[0] = 1e300
    (reason,) = drift_of("temp", temp=temps).reasons
    assert len(reason) < 100


def test_a_flipped_flag_has_drifted():
    assert drift_of("is_wet", is_wet=~TRAINING["is_wet"][:900]).drifted


def test_values_that_are_newly_missing_have_drifted():
    temps = TRAINING["temp"][:900].copy()
    temps[:100] = np.nan
    assert drift_of("temp", temp=temps).reasons == ("11% missing, in training 0%",)


def test_values_often_missing_may_be_missing_in_a_whole_batch():
    gusts = np.full(900, np.nan)
    assert not drift_of("gust", gust=gusts).drifted


def test_a_small_batch_does_not_drift_by_chance():
    rows = {name: array[:8] for name, array in TRAINING.items()}
    assert [one.column for one in drift(PROFILE, rows) if one.drifted] == []


def test_an_empty_batch_has_nothing_to_compare():
    assert drift(PROFILE, {name: array[:0] for name, array in TRAINING.items()}) == ()


# Every limit can be reached


@given(share=st.floats(0, 1), rows=st.integers(100, 2000))
def test_whatever_share_is_missing_in_training_some_other_share_has_drifted(share, rows):
    training = np.where(np.arange(rows) < round(share * rows), np.nan, np.arange(rows) * 1.0)
    profile = Profile.of({"gust": training}, {"gust": Kind.FLOAT})
    batches = [np.full(rows, np.nan), np.arange(rows) * 1.0]
    reasons = [why for batch in batches for why in drift(profile, {"gust": batch})[0].reasons]
    assert any("missing, in training" in why for why in reasons)


@given(counts=st.lists(st.integers(1, 1000), min_size=2, max_size=50))
def test_whatever_categories_there_are_in_training_some_shares_have_drifted(counts):
    names = np.array([f"c{number}" for number in range(len(counts))], dtype=object)
    profile = Profile.of({"carrier": np.repeat(names, counts)}, {"carrier": Kind.TEXT})
    rarest = np.full(5_000, names[np.argmin(counts)], dtype=object)
    (found,) = drift(profile, {"carrier": rarest})
    assert found.drifted


@given(scale=st.floats(1e-3, 1e3), place=st.floats(-1e3, 1e3))
def test_wherever_numbers_lie_in_training_others_have_drifted(scale, place):
    training = RANDOM.normal(place, scale, 500)
    profile = Profile.of({"temp": training}, {"temp": Kind.FLOAT})
    (found,) = drift(profile, {"temp": training + 10 * scale})
    assert found.drifted


# What cannot be judged


def test_a_batch_too_small_for_its_categories_is_not_judged():
    assert drift_of("carrier", carrier=TRAINING["carrier"][:1]).unjudged == (
        "1 values are too few for 4 categories"
    )


def test_numbers_that_are_mostly_one_and_the_same_are_not_judged():
    profile = Profile.of({"temp": np.r_[np.zeros(90), np.ones(10)]}, {"temp": Kind.FLOAT})
    (found,) = drift(profile, {"temp": np.zeros(50)})
    assert found.unjudged == "half of its values in training are one and the same"


def test_a_column_without_values_in_the_batch_is_not_judged():
    assert drift_of("gust", gust=np.full(900, np.nan)).unjudged == "it has no values"
