"""Drift of a batch from the training rows."""

import numpy as np
import pytest

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
    assert "new since training: ZZ" in found.reasons[-1]


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
