"""Drift of a batch from the training rows, by limits that are calibrated on its days."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Kind
from lockstep.parity.drift import drift, histograms
from lockstep.parity.limits import Limits, parts_of
from lockstep.parity.profiles import Profile

DAYS, ROWS = 60, 400
KINDS = {
    "temp": Kind.FLOAT,  # moves from day to day
    "minute": Kind.FLOAT,  # the same timetable every day
    "carrier": Kind.TEXT,
    "is_wet": Kind.BOOL,
    "gust": Kind.FLOAT,  # missing for whole days
    "precip": Kind.FLOAT,  # mostly 0
    "empty": Kind.FLOAT,
}
CARRIERS = np.array(["UA", "B6", "EV", "DL"], dtype=object)


def day(seed, rows=ROWS):
    random = np.random.default_rng(seed)
    return {
        "temp": random.normal(40 + random.normal(0, 5), 8, rows),
        "minute": random.normal(600, 100, rows),
        "carrier": CARRIERS[random.choice(4, rows, p=(0.4, 0.3, 0.2, 0.1))],
        "is_wet": random.random(rows) < 0.2,
        "gust": np.where(random.random() < 0.3, random.normal(25, 5, rows), np.nan),
        "precip": np.where(random.random(rows) < 0.1, random.random(rows), 0.0),
        "empty": np.full(rows, np.nan),
    }


def stacked(days):
    return {name: np.concatenate([one[name] for one in days]) for name in KINDS}


TRAINING = stacked([day(seed) for seed in range(DAYS)])
PARTS = np.repeat(np.arange(DAYS), ROWS)
PROFILE = Profile.of(TRAINING, KINDS)
LIMITS = Limits.of(PROFILE, TRAINING, KINDS, PARTS)


def measured(seed=1000, rows=ROWS, **changes):
    now = Profile.of({**day(seed, rows), **changes}, KINDS)
    return {one.column: one for one in drift(PROFILE, LIMITS, now)}


def far(**changes):
    return [name for name, one in measured(**changes).items() if one.is_far]


def test_of_clean_days_about_as_many_are_far_as_the_stated_rate_says():
    alarms = sum(bool(far(seed=seed)) for seed in range(2000, 2200))
    assert alarms <= 200 * LIMITS.rate + 4  # two standard deviations above


@pytest.mark.parametrize("rows", [16, 40, 100])
def test_smaller_batches_raise_no_more_alarms(rows):
    alarms = sum(bool(far(seed=seed, rows=rows)) for seed in range(3000, 3100))
    assert alarms <= 100 * LIMITS.rate + 3


@pytest.mark.parametrize("rows", [4000, 40_000])
def test_larger_batches_raise_no_more_alarms(rows):
    assert [far(seed=seed, rows=rows) for seed in range(4000, 4010)] == [[]] * 10


def test_every_profiled_column_of_the_batch_is_measured_in_order():
    kinds = {"gust": Kind.FLOAT, "temp": Kind.FLOAT, "new": Kind.FLOAT}
    now = Profile.of({**day(1), "new": np.ones(ROWS)}, kinds)
    assert [one.column for one in drift(PROFILE, LIMITS, now)] == ["temp", "gust"]


def test_a_column_whose_days_are_alike_may_move_less_than_one_whose_days_are_not():
    moved = {name: day(1000)[name] + 0.5 * TRAINING[name].std() for name in ("temp", "minute")}
    assert far(**moved) == ["minute"]


def test_numbers_far_off_are_told_with_both_medians():
    message = measured(minute=day(1)["minute"] + 300)["minute"].message
    assert "median 90" in message
    assert "in training 599." in message


def test_categories_with_other_shares_are_far():
    (name,) = far(carrier=CARRIERS[np.random.default_rng(5).integers(0, 4, ROWS)])
    assert (name, measured()["carrier"].is_far) == ("carrier", False)


def test_a_category_that_is_gone_is_far():
    carriers = day(1000)["carrier"]
    assert far(carrier=np.where(carriers == "EV", "UA", carriers)) == ["carrier"]


def test_new_categories_are_far_and_named():
    carriers = day(1000)["carrier"].copy()
    carriers[:20] = "ZZ"
    found = measured(carrier=carriers)["carrier"]
    assert (found.is_far, found.farthest) == (True, "new")
    assert "ZZ" in found.message


def test_a_flipped_flag_is_far():
    assert far(is_wet=~day(1000)["is_wet"]) == ["is_wet"]


def test_values_that_are_newly_missing_are_far():
    temps = day(1000)["temp"].copy()
    temps[:20] = np.nan
    assert (far(temp=temps), measured(temp=temps)["temp"].farthest) == (["temp"], "missing")


def test_values_often_missing_may_be_missing_in_a_whole_batch():
    assert not measured(gust=np.full(ROWS, np.nan))["gust"].is_far


def test_values_of_a_column_that_had_none_are_far():
    assert far(empty=np.ones(ROWS)) == ["empty"]


def test_a_column_that_is_mostly_one_value_is_judged_too():
    random = np.random.default_rng(3)
    assert far(precip=np.where(random.random(ROWS) < 0.6, random.random(ROWS), 0.0)) == ["precip"]


def test_a_number_as_large_as_can_be_is_told_in_a_few_digits():
    temps = day(1000)["temp"].copy()
    temps[0] = 1e300
    assert len(measured(temp=temps)["temp"].message) < 120


@pytest.mark.parametrize(
    ("numbers", "is_judged"),
    [
        (lambda row, random: 5.1e9 + 7 * row + random.integers(0, 50, len(row)), False),
        (lambda row, random: 5.1e9 + 7 * random.permutation(row), True),  # new, and in no order
        (lambda row, random: row // (3 * ROWS), False),  # rises, and tells no rows apart
        (lambda row, random: row // (DAYS * ROWS // 3), True),  # a new release
        (lambda row, random: row / ROWS + random.normal(0, 20, len(row)), True),  # a season
    ],
)
def test_numbers_that_rise_with_time_are_judged_for_missing_ones_alone(numbers, is_judged):
    kinds = {"number": Kind.FLOAT}
    values = numbers(np.arange((DAYS + 1) * ROWS), np.random.default_rng(0)).astype(float)
    training, now = ({"number": one} for one in np.split(values, [DAYS * ROWS]))
    profile = Profile.of(training, kinds)
    limits = Limits.of(profile, training, kinds, PARTS)
    (found,) = drift(profile, limits, Profile.of(now, kinds))
    (gone,) = drift(profile, limits, Profile.of({"number": now["number"] * np.nan}, kinds))

    assert ("level" in found.limits) is is_judged
    assert ("values go on with time" in str(found.unjudged)) is not is_judged
    assert gone.is_far


def test_an_empty_batch_has_nothing_to_compare():
    now = Profile.of({name: array[:0] for name, array in TRAINING.items()}, KINDS)
    assert drift(PROFILE, LIMITS, now) == ()


def test_rows_too_few_to_tell_are_not_judged_and_not_far():
    found = measured(rows=2)
    assert [one.is_far for one in found.values()] == [False] * len(KINDS)
    assert found["carrier"].unjudged == "2 rows are too few"


def test_without_limits_nothing_is_judged():
    now = Profile.of(day(1), KINDS)
    found = drift(PROFILE, Limits.of(PROFILE, TRAINING, KINDS, PARTS // 10), now)
    assert [one.limits for one in found] == [{}] * len(KINDS)
    assert "training has 6 days" in found[0].unjudged


# Every limit can be reached


@given(scale=st.floats(1e-3, 1e3), place=st.floats(-1e3, 1e3))
def test_wherever_numbers_lie_in_training_others_are_far(scale, place):
    values = {"temp": np.random.default_rng(7).normal(place, scale, 1000)}
    kinds = {"temp": Kind.FLOAT}
    profile = Profile.of(values, kinds)
    limits = Limits.of(profile, values, kinds, np.arange(1000) // 40)
    moved = Profile.of({"temp": values["temp"][:40] + 10 * scale}, kinds)
    (found,) = drift(profile, limits, moved)
    assert found.is_far


@given(counts=st.lists(st.integers(1, 1000), min_size=2, max_size=50))
def test_whatever_categories_there_are_in_training_those_of_another_table_are_far(counts):
    names = np.array([f"c{number}" for number in range(len(counts))], dtype=object)
    values = np.random.default_rng(0).permutation(np.repeat(names, counts))
    values = {"carrier": np.resize(values, max(len(values), 800))}
    kinds = {"carrier": Kind.TEXT}
    profile = Profile.of(values, kinds)
    limits = Limits.of(profile, values, kinds, np.arange(len(values["carrier"])) // 40)
    (found,) = drift(profile, limits, Profile.of({"carrier": np.full(40, "z", object)}, kinds))
    assert found.is_far


# Histograms


def test_histograms_of_training_and_of_the_batch_share_their_parts():
    before, now = histograms(
        PROFILE.columns["minute"],
        Profile.of({"minute": day(1)["minute"] + 300}, {"minute": Kind.FLOAT}).columns["minute"],
    )
    assert before.index("█") < now.index("█")


def test_a_histogram_of_categories_shows_one_that_is_gone():
    carriers = np.full(10, "UA", dtype=object)
    now = Profile.of({"carrier": carriers}, {"carrier": Kind.TEXT}).columns["carrier"]
    assert histograms(PROFILE.columns["carrier"], now) == ("█▇▅▃▁", "█▁▁▁▁")


def test_histograms_of_what_cannot_be_compared_are_empty():
    texts = Profile.of({"minute": np.full(9, "x", dtype=object)}, {"minute": Kind.TEXT})
    minute = PROFILE.columns["minute"]
    assert histograms(minute, minute, texts.columns["minute"]) == ("", "", "")


# Tables without days


def bottles(rows, seed, factor=1.0):
    random = np.random.default_rng(seed)
    return {
        "proline": factor * random.lognormal(6.5, 0.4, rows),
        "balance": factor * random.normal(0, 10, rows),
    }


BOTTLES = {"proline": Kind.FLOAT, "balance": Kind.FLOAT}


def far_bottles(rows, seed=1, factor=1.0, trained=178):
    columns = bottles(trained, 0)
    profile = Profile.of(columns, BOTTLES)
    parts, has_days = parts_of(None, trained, "UTC")
    limits = Limits.of(profile, columns, BOTTLES, parts, has_days=has_days)
    found = drift(profile, limits, Profile.of(bottles(rows, seed, factor), BOTTLES))
    return {one.column: one for one in found if one.is_far}


@pytest.mark.parametrize("factor", [0.001, 1000])
def test_numbers_of_a_small_table_are_far_in_a_smaller_unit_as_in_a_larger_one(factor):
    assert set(far_bottles(60, factor=factor)) == {"proline", "balance"}


def test_numbers_of_a_small_table_that_lie_beyond_training_are_told_with_both_ranges():
    message = far_bottles(60, factor=-1)["proline"].message
    assert message.startswith("values beyond all of training: -")
    assert ", in training " in message


def test_a_table_of_fewer_rows_than_blocks_of_several_take_is_judged_by_what_lies_beyond_it():
    assert far_bottles(20, factor=0.001, trained=30)["proline"].farthest == "outside"


def test_clean_batches_of_a_small_table_are_far_about_as_often_as_the_stated_rate_says():
    alarms = sum(bool(far_bottles(rows, seed)) for rows in (5, 20, 60) for seed in range(1, 101))
    assert alarms <= 300 * LIMITS.rate + 4  # two standard deviations above
