"""Numbers that are what others are some moments later, such as forecasts and readings of before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.shifts import Shifted, discover

HOURS, DAYS = 24, 30
START = np.datetime64("2021-03-01", "us")
SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("house", "str"),
        Field("read", "float", optional=True),
        Field("before", "float", optional=True),  # what was read some hours before
    ),
)


def readings(first: int, days: int = 1, houses: int = 1, hours: int = 2) -> Columns:
    """What was read of some houses, and some hours before.

    Args:
        first: The first day.
        days: How many days.
        houses: How many houses.
        hours: How many hours before.
    """
    day, hour, house = (one.ravel() for one in np.indices((days, HOURS, houses)))
    at = (first + day) * HOURS + hour
    series = np.random.default_rng(0).normal(0, 1, (houses, 400 * HOURS)).round(3)
    return {
        "id": np.array([f"{a}/{b}" for a, b in zip(at, house, strict=True)], dtype=object),
        "at": START + at.astype("timedelta64[h]"),
        "house": np.array([f"H{one}" for one in house], dtype=object),
        "read": series[house, at],
        "before": series[house, at - hours],
    }


def laws(columns: Columns) -> list[Shifted]:
    return discover(TrainingRows.of(Rows(columns, SCHEMA)))


def found_by(law: Shifted, **changes: np.ndarray):
    return law.find(Rows({**readings(DAYS), **changes}, SCHEMA))


@pytest.fixture(scope="module")
def law() -> Shifted:
    (found,) = laws(readings(1, DAYS))
    return found


@settings(max_examples=10)
@given(st.integers(1, 12), st.integers(1, 5))
def test_whatever_the_shift_and_however_many_houses_it_is_found(hours, houses) -> None:
    (found,) = laws(readings(1, DAYS, houses, hours))
    assert found.columns == ("read", "before")
    assert (found.step, found.steps, found.ever) == (60, hours, 0)
    assert found.thing == ("house" if houses > 1 else None)
    assert found.find(Rows(readings(DAYS + 9, 2, houses, hours), SCHEMA)) is None


def test_one_row_that_is_not_what_the_other_is_later_is_an_error_in_both(law) -> None:
    read = readings(DAYS)["read"]
    read[7] += 0.001
    found = found_by(law, read=read)
    assert found.strict
    assert found.rows.tolist() == [7, 9]
    assert "read is what before is 2 hours later. In 1 row of 22 it is not" in found.message


def test_digits_of_single_precision_and_what_is_missing_break_nothing(law) -> None:
    day = readings(DAYS)
    assert found_by(law, read=day["read"].astype(np.float32).astype(np.float64)) is None
    assert found_by(law, before=np.where(day["before"] > 0, np.nan, day["before"])) is None


def test_hours_without_a_row_have_no_pair(law) -> None:
    day = readings(DAYS)
    kept = np.arange(HOURS) % 5 != 0
    rows = Rows({name: one[kept] for name, one in day.items()}, SCHEMA)
    assert law.find(rows) is None
    assert law.find(Rows({name: one[:0] for name, one in day.items()}, SCHEMA)) is None


def test_rows_of_different_days_are_no_pair(law) -> None:
    days = readings(DAYS, 2)
    days["before"][HOURS : HOURS + 2] = 99.0  # of the evening before
    assert law.find(Rows(days, SCHEMA)) is None


def test_where_a_training_day_had_pairs_that_differ_it_takes_many_more() -> None:
    columns = readings(1, DAYS, houses=5)
    columns["read"][200] += 1
    (law,) = laws(columns)
    assert law.ever == 1
    day = readings(DAYS, houses=5)
    for wrong, is_found in ((6, False), (7, True)):
        read = day["read"] + (np.arange(len(day["read"])) < wrong)
        assert (law.find(Rows({**day, "read": read}, SCHEMA)) is not None) == is_found


@pytest.mark.parametrize("what", ["hardly moves", "is the same at once", "is told roughly"])
def test_what_agrees_otherwise_or_not_quite_is_no_shift(what) -> None:
    columns = readings(1, DAYS)
    if what == "hardly moves":
        columns["read"] = np.repeat(columns["read"][::HOURS], HOURS)
        columns["before"] = np.roll(columns["read"], 2)
    elif what == "is the same at once":
        columns["before"] = columns["read"]
    else:
        columns["before"] = columns["before"] + np.random.default_rng(1).normal(
            0, 0.1, DAYS * HOURS
        )
    assert laws(columns) == []


def test_rows_at_any_moment_are_no_series() -> None:
    columns = readings(1, DAYS)
    minutes = np.random.default_rng(0).integers(0, 60, len(columns["at"]))
    assert laws({**columns, "at": columns["at"] + minutes.astype("timedelta64[m]")}) == []
