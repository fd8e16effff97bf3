"""What is there is no less than what is known to be, by how long it stayed and what came after."""

import pytest

from lockstep.laws import presence, spans
from lockstep.laws.book import Book
from tests.lockstep.laws.garages import (
    CARS,
    DAYS,
    TODAY,
    cars_of,
    name_of,
    rows_of,
    training,
)


@pytest.fixture(scope="module")
def law() -> presence.Present:
    (found,) = presence.discover(training())
    return found


def test_which_number_is_the_stay_and_which_came_after_it_is_found(law):
    assert law.after == ("free_minutes", "minutes")
    assert law.stay == ("hours_before", "hours")
    assert law.columns[0] == "inside"
    assert law.is_strict


def test_a_day_that_goes_on_as_before_breaks_nothing(law):
    assert law.find(rows_of(cars_of())) is None


def test_what_is_counted_from_midnight_on_is_an_error(law):
    cars = cars_of()
    overnight = cars.groupby("garage")["inside"].transform("first")
    cars["inside"] = (cars["inside"] - overnight).clip(lower=0)
    broken = law.find(rows_of(cars))
    assert broken is not None
    assert broken.strict
    assert broken.columns[0] == "inside"


def test_one_stay_that_was_corrected_is_unusual_only(law):
    cars = cars_of()
    told = [
        law.find(rows_of(cars.assign(hours_before=cars["hours_before"].where(~one, 30.0))))
        for one in (cars.index == row for row in cars.index[cars["hours_before"].notna()])
    ]
    found = [broken for broken in told if broken is not None]
    assert found
    assert not any(broken.strict for broken in found)


def test_one_number_that_is_wrong_is_unusual_only(law):
    cars = cars_of()
    row = cars["inside"].idxmax()
    broken = law.find(rows_of(cars.assign(inside=cars["inside"].where(cars.index != row, 0))))
    assert broken is not None
    assert not broken.strict
    assert broken.rows.tolist() == [row]


def test_stays_that_rows_before_tell_are_sure(law):
    book = Book(timezone="UTC", days=DAYS, laws=tuple(spans.discover(training())), unjudged={})
    before = tuple(
        book.remembered(rows_of(cars_of(day), day), name_of(day))
        for day in range(TODAY - 28, TODAY)
    )
    cars = cars_of()
    known, stays = law.compared(rows_of(cars, earlier=before), is_sure=True)
    cars.loc[known[:2], "inside"] = stays[:2] - 1  # in the morning, of cars that came yesterday
    assert not law.find(rows_of(cars)).strict
    assert law.find(rows_of(cars, earlier=before)).strict


def test_stays_of_which_nothing_is_told_are_not_looked_at(law):
    assert law.looks_at(rows_of(cars_of().assign(hours_before=float("nan")))) == 0


def test_without_a_number_of_what_is_there_nothing_is_found():
    assert presence.discover(training(inside=CARS["guess"].to_numpy())) == []
