"""New things of many rows come now and then, and are no fault."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book, discover
from lockstep.laws.newcomers import Newcomers

SCHEMA = Schema(
    "Payment",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("merchant", "str"),
        Field("city", "str"),
        Field("amount", "float"),
    ),
)
DAYS, ROWS = 60, 300


def payments(day: int = DAYS, days: int = 1) -> Columns:
    """Payments of some days, each of which has a merchant that no day before had."""
    parts = [_day(one) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    random = np.random.default_rng((5, day))
    popular = 1 / np.arange(1, 41 + day)  # the first one has a fifth of the rows
    merchant = random.choice(len(popular), ROWS, p=popular / popular.sum())
    at = np.sort(random.integers(0, 1440, ROWS)) * np.timedelta64(1, "m")
    return {
        "id": np.array([f"{day}-{row}" for row in range(ROWS)], dtype=object),
        "at": np.datetime64("2021-01-04", "us") + np.timedelta64(day, "D") + at,
        "merchant": np.array([f"M{one:03}" for one in merchant], dtype=object),
        "city": np.array(["Bonn", "Ulm", "Kiel"], dtype=object)[merchant % 3],
        "amount": random.lognormal(3, 0.4, ROWS).round(2) + 5.0 * (merchant % 3),
    }


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(payments(0, DAYS), SCHEMA)


def errors(book: Book, change: Callable[[Columns], None]) -> list[bool]:
    """Whether each finding of a day that is changed is an error."""
    columns = payments()
    change(columns)
    return [one.strict for one in book.find(book.rows(columns, SCHEMA, "2021-03-05"))]


def of_one(name: str, column: str = "merchant", every: int = 7) -> Callable[[Columns], None]:
    """Some rows are of one merchant of Ulm, or of one city."""

    def change(columns: Columns) -> None:
        columns[column][::every] = name
        if column == "merchant":
            columns["city"][::every] = "Ulm"

    return change


def test_the_first_day_of_a_large_merchant_warns(book):
    found = errors(book, of_one("M900"))
    assert found
    assert not any(found)


def test_a_merchant_that_training_knew_and_that_grows_by_as_much_is_an_error(book):
    assert any(errors(book, of_one("M076")))


def test_a_code_that_looks_like_no_merchant_is_an_error(book):
    assert any(errors(book, of_one("n/a")))


def test_a_name_in_a_column_that_never_had_a_new_one_is_an_error(book):
    assert any(errors(book, of_one("Hof", "city")))


def test_what_has_nothing_to_do_with_the_new_thing_is_an_error_all_the_same(book):
    def and_lost(columns: Columns) -> None:
        of_one("M900")(columns)
        columns["amount"][1::7] = 0.0

    assert any(errors(book, and_lost))


@pytest.mark.parametrize(
    ("come", "share", "may_be"),
    [(1.0, 0.1, True), (1.0, 0.25, True), (1.0, 0.5, False), (1e-5, 0.1, False)],
)
def test_how_often_a_thing_so_large_is_new_follows_from_how_many_are(come, share, may_be):
    sizes = tuple(float(one) for one in 0.2 / np.arange(1, 100) ** 0.05)
    assert Newcomers(come=come, things=99, shares=sizes).may_be(share) == may_be
