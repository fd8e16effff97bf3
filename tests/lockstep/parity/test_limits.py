"""Limits: what they are calibrated on, and that they are read as they were written."""

import json

import numpy as np
import pytest

from lockstep.columns.kinds import Kind
from lockstep.parity.limits import ENOUGH_DAYS, Limits, parts_of
from lockstep.parity.profiles import Profile

KINDS = {"level": Kind.FLOAT, "site": Kind.TEXT}


def rows(days=30, each=100, seed=0):
    random = np.random.default_rng(seed)
    count = days * each
    return {
        "level": random.normal(0, 1, count),
        "site": np.array(["a", "b"], dtype=object)[random.integers(0, 2, count)],
    }


def limits_of(columns, parts):
    return Limits.of(Profile.of(columns, KINDS), columns, KINDS, parts)


LIMITS = limits_of(rows(), np.repeat(np.arange(30), 100))


def test_they_are_read_as_they_were_written():
    assert Limits.from_json(json.loads(json.dumps(LIMITS.to_json()))) == LIMITS


@pytest.mark.parametrize("measure", ["level", "shape"])
def test_a_smaller_batch_may_differ_more(measure):
    limits = [LIMITS.at("level", measure, count).limit for count in (4, 16, 50, 100)]
    assert limits == sorted(limits, reverse=True)
    assert len(set(limits)) == len(limits)


def test_a_larger_batch_may_differ_as_days_do():
    assert LIMITS.at("level", "level", 10_000) == LIMITS.at("level", "level", 100)


def test_no_training_day_is_over_its_limit():
    columns = rows()
    columns["level"][:100] += 30  # the first day
    limits = limits_of(columns, np.repeat(np.arange(30), 100))
    limit = limits.at("level", "level", 100)
    spread = limits.spreads["level"]["level"][0]
    assert limit.limit >= spread.most


def test_a_category_of_one_training_day_counts_as_new_on_that_day():
    columns = rows()
    columns["site"][:40] = "c"
    spread = limits_of(columns, np.repeat(np.arange(30), 100)).spreads["site"]["new"][0]
    assert spread.most == pytest.approx(0.4)


def test_what_no_training_day_had_missing_may_be_missing_in_a_few_rows_only():
    assert 1 / 100 < LIMITS.at("level", "missing", 100).limit < 10 / 100


def test_too_few_days_give_no_limits():
    assert limits_of(rows(), np.repeat(np.arange(3), 1000)).count == 0


# Days and blocks


def times(days, each=10, start="2020-01-01"):
    found = np.datetime64(start) + np.repeat(np.arange(days), each)
    return found.astype("datetime64[us]")


def test_rows_are_parted_by_the_day_of_the_time_zone():
    at = times(ENOUGH_DAYS) + np.timedelta64(22, "h")  # the next day in Tokyo
    parts, has_days = parts_of(at, len(at), "Asia/Tokyo")
    assert has_days
    np.testing.assert_array_equal(parts, np.repeat(np.arange(ENOUGH_DAYS), 10))


def test_a_row_without_a_time_is_of_no_day():
    at = times(ENOUGH_DAYS)
    at[3] = np.datetime64("NaT")
    assert parts_of(at, len(at), "UTC")[0][3] == -1


def test_too_few_days_are_parted_into_blocks_in_order_of_time():
    at = times(4, each=100)[::-1]
    parts, has_days = parts_of(at, len(at), "UTC")
    assert not has_days
    assert len(np.unique(parts)) == ENOUGH_DAYS
    assert parts[-100:].max() < parts[:100].min()  # the days came the newest first


def test_rows_without_times_are_parted_into_blocks_as_they_came():
    parts, has_days = parts_of(None, 50_000, "UTC")
    assert (has_days, np.bincount(parts).tolist()) == (False, [1000] * 50)


def test_rows_left_over_from_blocks_are_of_none():
    parts, _ = parts_of(None, 59, "UTC")
    assert (parts == -1).sum() == 1
