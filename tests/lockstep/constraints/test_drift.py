"""Drift of a batch from training: columns that are far, and columns that are as on its days."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.constraints.constraint_set import ConstraintSet, discover
from lockstep.constraints.drift import Drift, drift
from lockstep.stats.limits import ENOUGH_DAYS

DAYS, ROWS = 60, 400
SCHEMA = Schema(
    "Reading",
    (
        Field("name", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("temp", "float"),  # moves from day to day
        Field("minute", "float"),  # the same timetable every day
        Field("carrier", "str", optional=True),
        Field("is_wet", "bool"),
        Field("gust", "float", optional=True),  # missing for whole days
        Field("precip", "float"),  # mostly 0
        Field("empty", "float", optional=True),
        Field("number", "float"),  # goes on with time
    ),
)
VALUES = tuple(one.name for one in SCHEMA if one.role == "value")
CARRIERS = np.array(["UA", "B6", "EV", "DL"], dtype=object)


def day(number: int, rows: int = ROWS, seed: int = 0) -> Columns:
    random = np.random.default_rng(1000 * seed + number)
    start = np.datetime64("2020-01-01", "us") + np.timedelta64(number, "D")
    return {
        "name": np.array([f"R{number}-{row}" for row in range(rows)], dtype=object),
        "at": start + np.sort(random.integers(0, 86_400, rows)) * np.timedelta64(1, "s"),
        "temp": random.normal(40 + random.normal(0, 5), 8, rows).round(1),
        "minute": random.normal(600, 100, rows).round(),
        "carrier": CARRIERS[random.choice(4, rows, p=(0.4, 0.3, 0.2, 0.1))],
        "is_wet": random.random(rows) < 0.2,
        "gust": np.where(random.random() < 0.3, random.normal(25, 5, rows).round(1), np.nan),
        "precip": np.where(random.random(rows) < 0.1, random.random(rows), 0.0).round(2),
        "empty": np.full(rows, np.nan),
        "number": 7.0 * (number * ROWS + np.arange(rows)) + random.integers(0, 50, rows),
    }


def stacked(days: int) -> Columns:
    each = [day(number) for number in range(days)]
    return {name: np.concatenate([one[name] for one in each]) for name in SCHEMA.names}


LEARNT = discover(stacked(DAYS), SCHEMA, population=True)


def measured(
    day_of: int = DAYS, rows: int = ROWS, learnt: ConstraintSet = LEARNT, **changes: np.ndarray
) -> dict[str, Drift]:
    now = {**day(day_of, rows), **changes}
    return {one.column: one for one in drift(learnt, now)}


def far(day_of: int = DAYS, rows: int = ROWS, **changes: np.ndarray) -> list[str]:
    return [name for name, one in measured(day_of, rows, **changes).items() if one.is_far]


@pytest.mark.parametrize("rows", [2, 20, ROWS, 4 * ROWS])
def test_on_clean_days_hardly_any_column_is_far_however_many_rows_they_have(rows: int) -> None:
    alarms = sum(bool(far(number, rows)) for number in range(DAYS, DAYS + 60))
    assert alarms <= 2


def test_every_field_is_measured_in_order() -> None:
    assert tuple(measured()) == VALUES


def test_a_column_whose_days_are_alike_may_move_less_than_one_whose_days_are_not() -> None:
    clean = day(DAYS)
    moved = {"temp": clean["temp"] + 5.0, "minute": clean["minute"] + 60.0}
    assert far(**moved) == ["minute"]


def test_numbers_that_lie_elsewhere_are_told_with_their_figure_of_training() -> None:
    found = measured(minute=day(DAYS)["minute"] + 150)["minute"]
    assert found.is_far
    assert "on training days" in found.message
    assert len(found.message) < 120


def first_rows(values: np.ndarray, given: object) -> np.ndarray:
    """The values, with another one in twenty rows."""
    return np.concatenate([np.full(20, given, dtype=values.dtype), values[20:]])


FAR: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "other shares of categories": (
        "carrier",
        lambda _: CARRIERS[np.random.default_rng(5).integers(0, 4, ROWS)],
    ),
    "a category that is gone": ("carrier", lambda own: np.where(own == "EV", "UA", own)),
    "a new category": ("carrier", lambda own: first_rows(own, "ZZ")),
    "a flipped flag": ("is_wet", lambda own: ~own),
    "values that are newly missing": ("temp", lambda own: first_rows(own, np.nan)),
    "values of a column that had none": ("empty", np.ones_like),
    "no value of a column that goes on with time": ("number", lambda own: own * np.nan),
}


@pytest.mark.parametrize("what", FAR)
def test_a_column_is_far_by(what: str) -> None:
    column, change = FAR[what]
    assert far(**{column: change(day(DAYS)[column])}) == [column]


def test_new_categories_are_told_with_their_share() -> None:
    message = measured(carrier=first_rows(day(DAYS)["carrier"], "ZZ"))["carrier"].message
    assert message.startswith("rows that hold a value that training never had: 5.0%")


def test_values_often_missing_may_be_missing_in_a_whole_batch() -> None:
    found = measured(gust=np.full(ROWS, np.nan))["gust"]
    assert (found.is_far, found.unjudged) == (False, "it has no values")


def test_numbers_that_go_on_with_time_are_not_far_for_that() -> None:
    assert not measured(3 * DAYS)["number"].is_far


def test_a_batch_without_rows_has_nothing_to_compare() -> None:
    assert measured(rows=0) == {}


def test_days_of_a_file_are_one_batch() -> None:
    """What one of ten days has is less of the file than of the day."""
    days = [day(number) for number in range(DAYS, DAYS + 10)]
    days[0]["temp"] = np.full(ROWS, np.nan)
    rows = {name: np.concatenate([one[name] for one in days]) for name in SCHEMA.names}
    found = {one.column: one for one in drift(LEARNT, rows)}
    assert found["temp"].now == "10.0%"


def test_fields_that_are_not_given_are_told_as_missing() -> None:
    given = {name: values for name, values in day(DAYS).items() if name not in ("gust", "at")}
    found = {one.column: one for one in drift(LEARNT, given)}
    assert found["gust"].unjudged == "it has no values"
    assert not found["minute"].is_far


def test_too_few_training_days_judge_nothing_and_say_so() -> None:
    learnt = discover(stacked(ENOUGH_DAYS - 1), SCHEMA, population=True)
    found = measured(learnt=learnt)
    assert not any(one.is_far or one.is_measured for one in found.values())
    assert found["temp"].unjudged == "training has 19 days of rows, and it takes 20"


def test_rows_without_times_are_measured_by_blocks_of_them() -> None:
    fields = tuple(one for one in SCHEMA if one.role != "event_time" and one.name != "number")
    learnt = discover(stacked(DAYS), Schema("Reading", fields), population=True)
    assert not any(one.is_far for one in measured(learnt=learnt).values())
    assert measured(learnt=learnt, minute=day(DAYS)["minute"] / 1000)["minute"].is_far
