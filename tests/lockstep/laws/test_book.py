"""A book of laws is stored whole, and names the column at fault first."""

import numpy as np
import pytest
from msgspec.structs import replace

from lockstep.laws.bands import Banded
from lockstep.laws.book import Book, discover
from tests.lockstep.laws import tables
from tests.lockstep.laws.test_dependencies import SCHEMA, readings


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(readings(), SCHEMA)


def test_a_book_is_read_as_it_was_written(book) -> None:
    assert Book.from_json(book.to_json()) == book
    assert book.laws


def test_wider_margins_are_counted_as_more() -> None:
    book = discover(tables.reports(days=tables.DAYS), tables.SCHEMA)
    law = next(law for law in book.laws if isinstance(law, Banded))
    name, band = next(iter(law.bands.items()))
    wide = replace(law, bands={**law.bands, name: replace(band, unusual=1e9)})
    widened = replace(book, laws=(wide, *(one for one in book.laws if one is not law)))

    before, after = (sum(one.width for one in some.bands) for some in (book, widened))

    assert after > before + 1000
    assert len(book.bands) == len(widened.bands)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"{}",
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b'"Dependency"', b'"Unheard"', 1),
    ],
)
def test_a_damaged_book_is_refused(book, damage) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Book.from_json(damage(book.to_json()))


def test_a_field_that_no_law_is_about_says_why(book) -> None:
    assert book.unjudged == {}
    few = discover(readings(days=3), SCHEMA)
    assert few.laws == ()
    assert few.unjudged["noise"] == "there are 3 training days, and it takes 20"


def test_a_column_all_of_whose_laws_are_broken_is_suspected_first(book) -> None:
    columns = readings(7, days=1)
    columns["place"] = np.roll(columns["place"], 1)
    found = book.find(book.rows(columns, SCHEMA))
    assert len(found) > 1
    assert {one.columns[0] for one in found if one.strict} == {"place"}


def test_a_column_that_others_clear_is_suspected_last(book) -> None:
    columns = readings(7, days=1)
    columns["level"] = np.roll(columns["level"], 1)
    found, *_ = [one for one in book.find(book.rows(columns, SCHEMA)) if one.strict]
    assert found.columns[0] == "level"
    assert found.columns[-1] == "place"


def test_a_column_that_belongs_to_another_as_ever_is_not_suspected_first() -> None:
    book = discover(tables.reports(days=tables.DAYS), tables.SCHEMA)
    day = tables.reports(tables.DAYS)
    moved = {name: np.roll(day[name], 7) for name in ("heat", "chill", "flow", "load")}

    found = book.find(book.rows({**day, **moved}, tables.SCHEMA))

    assert found
    assert not {one.columns[0] for one in found if one.strict} & {"at", "starts"}
