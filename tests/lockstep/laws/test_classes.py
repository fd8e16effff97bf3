"""What shares a value does so on all days, though the value is another one in another season."""

import pandas as pd
import pytest

from lockstep.laws import classes
from lockstep.laws.rows import Rows, TrainingRows
from tests.lockstep.laws.garages import (
    CARS,
    SCHEMA,
    cars_of,
    columns_of,
    priced,
    rows_of,
    training,
)

SATURDAY = 89
"""A day."""


@pytest.fixture(scope="module")
def law() -> classes.Classed:
    (found,) = classes.discover(training())
    return found


def test_hours_that_share_a_price_are_found_by_kind_of_day(law):
    assert law.columns == ("price", "at")
    assert {kind.days: len(set(kind.classes)) for kind in law.kinds} == {
        (0, 1, 2, 3, 4): 3,
        (5, 6): 1,
    }
    assert law.is_strict


def test_days_that_go_on_as_before_break_nothing(law):
    assert law.find(rows_of(cars_of())) is None
    assert law.find(rows_of(cars_of(SATURDAY), SATURDAY)) is None


def test_prices_that_no_day_had_keep_the_classes(law):
    cars = cars_of()
    cars["price"] = 2 * cars["price"] + 0.01
    assert law.find(rows_of(cars)) is None


def test_prices_by_another_clock_are_an_error(law):
    cars = cars_of()
    cars["price"] = priced(cars["at"] + pd.Timedelta(hours=8))
    broken = law.find(rows_of(cars))
    assert broken is not None
    assert broken.strict
    assert broken.columns[0] == "price"


def test_hours_with_another_price_than_their_class_are_what_can_be_accepted(law):
    cars = cars_of()
    cars.loc[cars["at"].dt.hour == 12, "price"] = 0.07
    broken = law.find(rows_of(cars))
    assert broken is not None
    assert broken.cases == {"12": 1.0}


def test_classes_that_share_a_price_are_an_error(law):
    cars = cars_of()
    cars["price"] = cars["price"].where(cars["price"] != 0.3, 0.15)
    broken = law.find(rows_of(cars))
    assert broken is not None
    assert broken.strict


def test_a_working_day_with_the_prices_of_a_weekend_is_unusual_only(law):
    broken = law.find(rows_of(cars_of().assign(price=0.15)))
    assert broken is not None
    assert not broken.strict


def test_a_holiday_is_unusual_only_where_training_had_few_weekends():
    eight_weeks = CARS[CARS["day"] < 56]
    (law,) = classes.discover(TrainingRows.of(Rows(columns_of(eight_weeks), SCHEMA)))
    holiday = law.find(rows_of(cars_of().assign(price=0.15)))
    assert holiday is not None
    assert not holiday.strict
    cars = cars_of()
    otherwise = law.find(rows_of(cars.assign(price=priced(cars["at"] + pd.Timedelta(hours=8)))))
    assert otherwise is not None
    assert otherwise.strict


def test_hours_that_share_a_value_on_some_days_only_are_of_no_classes():
    prices = CARS["at"].dt.hour % (3 + CARS["day"] % 2)
    assert classes.discover(training(price=prices.to_numpy(float))) == []
