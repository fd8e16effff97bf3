"""What is told of a thing again goes one way only, as what a car has run."""

from __future__ import annotations

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.counters import OneWay, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Visit",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("plate", "str"),
        Field("driven", "int"),
        Field("fuel", "float"),
    ),
)
START = np.datetime64("2021-03-01", "us")
DAYS, CARS = 40, 200


def visits(first: int, days: int = 1) -> Columns:
    """A quarter of the cars visits a garage each day; each has its age, and drives on."""
    generator = np.random.default_rng(first)
    day = np.repeat(np.arange(first, first + days), CARS // 4)
    car = np.concatenate([generator.permutation(CARS)[: CARS // 4] for _ in range(days)])
    return {
        "id": np.array([f"{one}-{row}" for row, one in enumerate(day)], dtype=object),
        "at": START + day.astype("timedelta64[D]"),
        "plate": np.array([f"B {100 + one}" for one in car], dtype=object),
        "driven": car * 997 % 1009 * 200 + (20 + car % 50) * day,
        "fuel": generator.random(len(day)),
    }


def day_of(number: int, **changes: np.ndarray) -> Rows:
    columns = {**visits(number), **changes}
    return Rows(columns, SCHEMA, day=str(START.astype("datetime64[D]") + number))


@pytest.fixture(scope="module")
def law() -> OneWay:
    (found,) = discover(TrainingRows.of(Rows(visits(0, DAYS), SCHEMA)))
    return found


def test_what_rises_for_each_thing_is_found_and_goes_on(law) -> None:
    assert law.columns == ("driven", "plate")
    assert law.is_rising
    assert [law.find(day_of(number)) for number in (40, 60, 90)] == [None] * 3


def test_what_falls_for_each_thing_as_in_miles_is_an_error(law) -> None:
    driven = visits(45)["driven"]
    broken = law.find(day_of(45, driven=(driven / 1.609).astype(np.int64)))
    assert broken.strict
    assert len(broken.rows) == CARS // 4
    assert "driven is below what it was for the same plate" in broken.message


def test_what_one_thing_has_of_another_is_an_error_and_a_few_misread_numbers_are_none(law) -> None:
    driven = visits(45)["driven"]
    assert law.find(day_of(45, driven=np.roll(driven, 1))).strict
    assert law.find(day_of(45, driven=np.where(np.arange(len(driven)) < 2, 1, driven))) is None


def test_what_begins_anew_is_a_warning_and_in_another_year_nothing(law) -> None:
    driven = visits(45)["driven"] // 100
    assert not law.find(day_of(45, driven=driven)).strict
    assert law.find(day_of(320, driven=driven)) is None
