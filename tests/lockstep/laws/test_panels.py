"""A table with a row a day for each of some places, and columns that say which day it is."""

from __future__ import annotations

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import moments
from lockstep.laws.book import Book, discover
from lockstep.laws.forms import Digits
from lockstep.laws.law import Broken
from lockstep.laws.mass import Mass
from lockstep.laws.moments import OnSteps
from lockstep.laws.panels import WholeGrid
from lockstep.laws.rows import Rows, TrainingRows

PLACES, DAYS, HOUR = 40, 120, 9
START = np.datetime64("2021-10-01T00", "us")
SCHEMA = Schema(
    "Sales",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("place", "int"),
        Field("year", "int"),
        Field("rate", "float"),  # the same all day, and another one on the next
        Field("sold", "int"),
    ),
)


def sales(first: int, days: int = 1) -> Columns:
    """What each place sold on some days, at nine."""
    day, place = np.divmod(np.arange(first * PLACES, (first + days) * PLACES), PLACES)
    at = START + day.astype("timedelta64[D]") + np.timedelta64(HOUR, "h")
    chance = np.random.default_rng(first).lognormal(0, 0.2, len(day))
    return {
        "id": np.array([f"{a}/{b}" for a, b in zip(day, place, strict=True)], dtype=object),
        "at": at,
        "place": 100 + place,
        "year": at.astype("datetime64[Y]").astype(int) + 1970,
        "rate": np.random.default_rng(1).integers(100, 9999, 400)[day] / 100,
        "sold": (np.exp(place / 8 + 3) * chance).astype(int),
    }


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(sales(0, DAYS), SCHEMA)


def told(book: Book, **changes: np.ndarray) -> list[Broken]:
    day = str((START + np.timedelta64(DAYS + 3, "D")).astype("datetime64[D]"))
    rows = book.rows({**sales(DAYS + 3), **changes}, SCHEMA, day)
    return book.find(rows)


def test_a_day_as_ever_breaks_nothing(book) -> None:
    assert told(book) == []


def test_what_is_the_same_all_day_is_not_counted_by_value(book) -> None:
    assert [law for law in book.laws if isinstance(law, Digits) and law.columns == ("rate",)] == []
    (mass,) = [law for law in book.laws if isinstance(law, Mass) and law.columns == ("rate",)]
    assert set(mass.bands) == {"missing", "commonest"}


def test_numbers_of_other_places_lie_outside_of_their_ranges(book) -> None:
    found = told(book, sold=np.roll(sales(DAYS + 3)["sold"], 5))
    assert found[0].strict
    assert "sold" in found[0].columns


def test_two_years_are_enough_to_tell_that_a_number_is_the_year(book) -> None:
    found = told(book, year=sales(DAYS + 3)["year"] + 1)
    assert found[0].columns[0] == "year"
    assert found[0].strict


def test_times_between_the_steps_of_all_training_rows_are_an_error(book) -> None:
    found = told(book, at=sales(DAYS + 3)["at"] + np.timedelta64(1, "h"))
    (steps,) = [one for one in found if isinstance(one.law, OnSteps)]
    assert "such as 10:00:00 UTC: at is at 09:00 each day" in steps.message
    assert steps.strict


def test_a_summer_that_training_did_not_see_goes_by_either_clock() -> None:
    columns = sales(30, DAYS)  # from November to February
    (law,) = [
        one for one in discover(columns, SCHEMA, "Europe/Berlin").laws if isinstance(one, OnSteps)
    ]
    summer = Rows(sales(270), SCHEMA, "Europe/Berlin")
    assert law.find(summer) is None
    by_berlin = {**summer.columns, "at": summer.columns["at"] - np.timedelta64(1, "h")}
    assert law.find(Rows(by_berlin, SCHEMA, "Europe/Berlin")) is None
    by_moscow = {**summer.columns, "at": summer.columns["at"] - np.timedelta64(3, "h")}
    assert law.find(Rows(by_moscow, SCHEMA, "Europe/Berlin")).strict


def test_minutes_are_steps_where_no_others_are() -> None:
    columns = sales(0, DAYS)
    columns["at"] += (np.arange(len(columns["at"])) * 7 % 61).astype("timedelta64[m]")
    (law,) = [one for one in discover(columns, SCHEMA).laws if isinstance(one, OnSteps)]
    assert law.step == 1


def test_dates_that_are_told_as_midnight_of_another_zone_are_an_error() -> None:
    schema = Schema("Sales", (*SCHEMA, Field("due", "datetime"), Field("opens", "datetime")))
    columns = sales(0, DAYS)
    midnight = columns["at"].astype("datetime64[D]").astype("datetime64[us]")
    columns |= {"due": midnight, "opens": midnight + np.timedelta64(8, "h")}
    columns["opens"][::2] += np.timedelta64(2, "h")  # another shop may open at nine
    laws = moments.discover(TrainingRows.of(Rows(columns, schema)))
    assert [law.columns for law in laws] == [("at",), ("due",)]

    columns["due"] = midnight - np.timedelta64(2, "h")
    broken = laws[1].find(Rows(columns, schema))
    assert "such as 22:00:00 UTC: due is at 00:00 each day" in broken.message
    assert broken.strict


def test_a_place_of_one_row_a_day_that_is_lost_is_an_error(book) -> None:
    columns = sales(DAYS + 3)
    day = str(columns["at"][0].astype("datetime64[D]"))
    kept = {name: one[np.arange(PLACES) != 7] for name, one in columns.items()}
    rows = book.rows(kept, SCHEMA, day)
    (found,) = [one for one in book.find(rows) if isinstance(one.law, WholeGrid)]
    assert "place 107 has no row at all" in found.message
    assert found.strict
