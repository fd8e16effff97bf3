"""Keys that count on from day to day."""

import numpy as np
import pytest

from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book
from lockstep.laws.numbering import discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Case", (Field("id", "str", role="key"), Field("at", "datetime", role="event_time"))
)
DAYS, A_DAY = 30, 40
FIRST = np.datetime64("2021-01-01", "us")


def numbers(day: int) -> range:
    return range(day * A_DAY + 1, (day + 1) * A_DAY + 1)


def rows_of(keys: list[str], day: int, earlier=()) -> Rows:
    at = FIRST + np.timedelta64(day, "D") + np.arange(len(keys)) * np.timedelta64(1, "m")
    columns = {"id": np.array(keys, dtype=object), "at": at}
    return Rows(columns, SCHEMA, day=name_of(day), earlier=tuple(earlier))


def name_of(day: int) -> str:
    return str((FIRST + np.timedelta64(day, "D")).astype("datetime64[D]"))


def training(key) -> TrainingRows:
    days = [rows_of([key(one) for one in numbers(day)], day) for day in range(DAYS)]
    columns = {name: np.concatenate([one.columns[name] for one in days]) for name in SCHEMA.names}
    return TrainingRows.of(Rows(columns, SCHEMA))


@pytest.fixture(scope="module")
def book() -> Book:
    laws = tuple(discover(training(lambda number: f"C-{number}")))
    return Book(timezone="UTC", days=DAYS, laws=laws, unjudged={})


def test_keys_that_go_on_break_nothing_whatever_their_number_of_digits(book):
    assert not book.find(rows_of([f"C-{one}" for one in numbers(DAYS)], DAYS))


def test_keys_of_any_number_of_digits_are_compared(book):
    assert not book.find(rows_of([f"C-{'9' * 5_000}{one}" for one in range(9)], DAYS))


def test_keys_that_begin_anew_each_day_are_an_error(book):
    (found,) = book.find(rows_of([f"C-{one}" for one in range(1, 41)], DAYS))
    assert found.strict
    assert found.columns == ("id",)
    assert "such as 'C-1', come before 'C-1181'" in found.message


def test_numbers_of_another_year_behind_them_begin_anew_and_warn():
    laws = tuple(discover(training(lambda number: f"{number}/2020")))
    keys = [f"{number}/2021" for number in range(1, 41)]
    (found,) = Book(timezone="UTC", days=DAYS, laws=laws, unjudged={}).find(rows_of(keys, DAYS))
    assert not found.strict


def test_a_few_keys_that_were_given_out_earlier_break_nothing(book):
    keys = [f"C-{one}" for one in numbers(DAYS)]
    assert not book.find(rows_of([*keys, "C-7", "C-1100"], DAYS))


def test_days_after_one_that_was_accepted_go_on_from_there(book):
    anew = rows_of([f"C-{one}" for one in range(1, 41)], DAYS)
    kept = [book.remembered(anew, name_of(DAYS))]
    keys = [f"C-{one}" for one in range(41, 81)]
    assert not book.find(rows_of(keys, DAYS + 1, kept))


def test_a_training_day_that_is_scored_again_is_not_looked_at(book):
    assert not book.find(rows_of([f"C-{one}" for one in numbers(3)], 3))


@pytest.mark.parametrize(
    "key",
    [lambda number: f"{hash((number, 7)) & 0xFFFF:04x}", lambda number: f"{number % 97}-{number}"],
    ids=["of no order", "by another order"],
)
def test_keys_in_no_order_of_days_are_no_law(key):
    assert not discover(training(key))


def test_of_a_few_rows_one_that_was_given_out_earlier_is_chance():
    def key(number: int) -> str:
        return f"C-{1 if number % A_DAY == 7 else number}"

    laws = tuple(discover(training(key)))
    (law,) = laws
    assert 0 < law.usual <= 0.05

    book = Book(timezone="UTC", days=DAYS, laws=laws, unjudged={})
    assert not book.find(rows_of(["C-7"], DAYS))
