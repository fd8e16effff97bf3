"""Numbers that follow each other reach back to the last row of a thing, however many days ago."""

import pytest
from msgspec.structs import replace

from lockstep.laws import spans
from lockstep.laws.book import Book
from lockstep.laws.earlier import Case, Earlier
from lockstep.laws.law import Broken
from tests.lockstep.laws.garages import DAYS, TODAY, cars_of, name_of, rows_of, training


@pytest.fixture(scope="module")
def book() -> Book:
    laws = tuple(spans.discover(training()))
    return Book(timezone="UTC", days=DAYS, laws=laws, unjudged={})


@pytest.fixture(scope="module")
def earlier(book) -> tuple[Earlier, ...]:
    days = range(TODAY - 28, TODAY)
    return tuple(book.remembered(rows_of(cars_of(day), day), name_of(day)) for day in days)


@pytest.fixture
def find(book, earlier):
    def found(cars, before: tuple[Earlier, ...] = earlier, aside: int = 0) -> Broken | None:
        (law,) = book.laws
        return law.find(rows_of(cars, earlier=before, aside=aside))

    return found


def test_numbers_that_follow_each_other_are_found_with_their_units(book):
    assert [law.says for law in book.laws] == [
        "free_minutes (minutes) and hours_before (hours) reach back to the last row of the same "
        "space."
    ]
    assert book.laws[0].is_strict


def test_a_day_that_goes_on_as_before_breaks_nothing(find):
    assert find(cars_of()) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda cars: cars.assign(hours_before=60 * cars["hours_before"]),
        lambda cars: cars.assign(free_minutes=cars["free_minutes"] % 120),
        lambda cars: cars.assign(hours_before=cars["hours_before"].sort_values().to_numpy()),
        lambda cars: cars.assign(space=cars["space"].shift(-1, fill_value="E01")),
    ],
    ids=["in minutes", "begins anew", "sorted", "of the next row"],
)
def test_what_reaches_to_another_moment_is_an_error(find, change):
    broken = find(change(cars_of()))
    assert broken is not None
    assert broken.strict


def test_the_last_row_of_a_day_before_is_known_from_that_day(find, earlier):
    cars = cars_of().drop_duplicates("space")
    cars["free_minutes"] += 60
    assert find(cars) is not None
    assert find(cars, ()) is None


def test_beyond_a_day_of_which_nothing_is_known_no_row_is_the_last_one(find, earlier):
    cars = cars_of().drop_duplicates("space")
    cars["free_minutes"] += 60
    assert find(cars, earlier[:-1]) is None


def test_rows_that_were_set_aside_may_be_the_last_ones(find):
    cars = cars_of()
    cars.loc[[30, 40], "free_minutes"] -= 5
    assert find(cars) is not None
    assert find(cars, aside=2) is None


def test_what_reaches_to_a_day_that_was_accepted_without_its_rows_is_unusual_only(
    book, find, earlier
):
    cars = cars_of(TODAY - 1)
    most = book.remembered(rows_of(cars[cars.index % 3 > 0], TODAY - 1), name_of(TODAY - 1))
    most = replace(most, cases={})
    assert find(cars_of(), (*earlier[:-1], most)).strict
    accepted = replace(most, cases={"rows of a garage": {"east": Case(1.0, strict=True)}})
    hardly_any = book.remembered(rows_of(cars.iloc[:1], TODAY - 1), name_of(TODAY - 1))
    for before in (accepted, hardly_any):
        told = find(cars_of(), (*earlier[:-1], before))
        assert told is not None
        assert not told.strict
