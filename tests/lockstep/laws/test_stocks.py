"""What is there goes up by no more than what has come, by the rows of the day themselves."""

from itertools import pairwise

import pandas as pd
import pytest

from lockstep.laws import stocks
from tests.lockstep.laws.garages import CARS, cars_of, columns_of, rows_of, training


@pytest.fixture(scope="module")
def law() -> stocks.Stock:
    (found,) = stocks.discover(training())
    return found


def test_the_number_of_what_is_there_is_found_and_where(law):
    assert law.says == "inside goes up by no more than one for each row of the same garage."
    assert law.is_strict


def test_a_day_that_goes_on_as_before_breaks_nothing(law):
    assert law.find(rows_of(cars_of())) is None


def test_what_is_counted_of_both_places_is_an_error(law):
    cars = cars_of()
    counts = {one: cars["inside"].where(cars["garage"] == one).ffill() for one in ("east", "west")}
    cars["inside"] = sum(one.fillna(0).astype(int) for one in counts.values())
    broken = law.find(rows_of(cars))
    assert broken is not None
    assert broken.strict
    assert broken.columns[0] == "inside"


def test_rows_that_are_lost_are_told_by_what_is_there(law):
    broken = law.find(rows_of(cars_of().drop(index=range(20, 60, 4))))
    assert broken is not None
    assert broken.strict


def test_one_row_that_is_not_there_is_unusual_only(law):
    cars = cars_of()
    steps = cars.groupby("garage")["inside"].diff()
    east = cars.index[cars["garage"] == "east"]
    came = next(here for here, after in pairwise(east[1:]) if steps[[here, after]].eq(1).all())
    broken = law.find(rows_of(cars.drop(index=came)))
    assert broken is not None
    assert not broken.strict
    assert law.find(rows_of(cars.drop(index=came), aside=1)) is None


@pytest.mark.parametrize("number", [0, 25])
def test_one_number_that_is_wrong_is_unusual_only(law, number):
    cars = cars_of()
    row = cars.index[cars["garage"] == "east"][40]
    broken = law.find(rows_of(cars.assign(inside=cars["inside"].where(cars.index != row, number))))
    assert broken is not None
    assert not broken.strict


def test_rows_that_are_lost_together_are_an_error(law):
    cars = cars_of()
    steps = cars[cars["garage"] == "east"]["inside"].diff()
    filling = steps.rolling(6).sum().idxmax()
    lost = steps.index[steps.index.get_loc(filling) - 5 : steps.index.get_loc(filling)]
    broken = law.find(rows_of(cars.drop(index=lost)))
    assert broken is not None
    assert broken.strict
    assert len(broken.rows) == 1


def test_what_is_left_goes_down_by_no_more_than_one_for_each_row():
    (law,) = stocks.discover(training(inside=30 - CARS["inside"].to_numpy()))
    assert law.says == "inside goes down by no more than one for each row of the same garage."
    cars = cars_of()
    left = 30 - cars["inside"]
    assert law.find(rows_of(cars.assign(inside=left))) is None
    assert law.find(rows_of(cars.assign(inside=2 * left))) is not None


def test_what_is_counted_with_all_rows_of_a_moment_is_held_to_these():
    def at_moments(cars: pd.DataFrame) -> pd.DataFrame:
        at = cars["at"].dt.floor("5min")
        inside = cars["inside"].groupby([cars["garage"], at]).transform("max") + 1
        return cars.assign(at=at, inside=inside)

    columns = columns_of(at_moments(CARS))
    (law,) = stocks.discover(training(inside=columns["inside"], at=columns["at"]))
    assert law.counts_itself
    cars = at_moments(cars_of())
    assert law.find(rows_of(cars)) is None
    assert law.find(rows_of(cars.assign(inside=2 * cars["inside"]))) is not None
