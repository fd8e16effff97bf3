"""Dates are held to each other and to the event time, whichever way they are written."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book, discover
from lockstep.laws.glance import MOST_ROWS, glance
from lockstep.laws.lapses import Lapse, Moment, with_lapses
from lockstep.laws.law import Broken
from lockstep.laws.rows import Rows

DAYS, ROWS = 40, 120
SCHEMA = Schema(
    "Stay",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("begins", "str", optional=True),
        Field("ends", "str", optional=True),
        Field("left", "datetime"),  # some hours after `at`
        Field("born", "str"),
        Field("told", "str"),  # the time of `at`
    ),
)


def stays(day: int = 0, days: int = 1, layout: str = "%Y-%m-%d") -> Columns:
    """Stays that are asked for on some days, of one to five nights."""
    random = np.random.default_rng((7, day))
    rows = days * ROWS
    at = np.datetime64("2021-02-01", "m") + day * 1440 + np.arange(rows) * (1440 // ROWS)
    begins = at.astype("datetime64[D]") + random.geometric(0.05, rows)
    ends = begins + random.choice([1, 1, 1, 2, 3, 5], rows)
    born = np.datetime64("1980-01-01") + random.normal(0, 3000, rows).astype(int)
    is_missing = random.random(rows) < 0.03
    return {
        "id": np.array([f"S{day}-{row}" for row in range(rows)], dtype=object),
        "at": at.astype("datetime64[us]"),
        "begins": np.where(is_missing, None, texts(begins, layout)),
        "ends": np.where(is_missing, None, texts(ends, layout)),
        "left": at.astype("datetime64[us]") + random.integers(60, 600, rows) * 60_000_000,
        "told": texts(at, "%I:%M %p"),
        "born": np.where(np.arange(rows) % 50 == 9, "0000-00-00", texts(born, layout)),
    }


def texts(days: Array, layout: str = "%Y-%m-%d") -> Array:
    return pd.DatetimeIndex(days).strftime(layout).to_numpy(dtype=object)


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(stays(days=DAYS), SCHEMA)


def found(book: Book, **changes: Array) -> list[Broken]:
    return book.find(book.rows({**stays(DAYS), **changes}, SCHEMA, "2021-03-13"))


def test_what_goes_on_with_time_is_told_from_the_event_and_what_stays_from_1970(book):
    assert {one.name for one in book.lapses} == {
        "days from at until begins",
        "days from at until ends",
        "days from begins until ends",
        "hours from at until left",
        "days from 1970-01-01 until born",
        "clock time of told",
    }


@pytest.mark.parametrize("later", [0, 30, 150])
def test_later_dates_are_nothing_new(book, later):
    day = stays(DAYS + later)
    assert book.find(book.rows(day, SCHEMA, str(day["at"][0].astype("datetime64[D]")))) == []


DAY = stays(DAYS)
SOME = np.arange(ROWS) % 12 == 5
FAULTS: dict[str, tuple[Callable[[], Columns], set[str]]] = {
    "swapped": (
        lambda: {
            "begins": np.where(SOME, DAY["ends"], DAY["begins"]),
            "ends": np.where(SOME, DAY["begins"], DAY["ends"]),
        },
        {"begins", "ends"},
    ),
    "the last night": (
        lambda: {"ends": shifted(DAY["ends"], -1)},
        {"begins", "ends"},
    ),
    "another layout": (
        lambda: {"begins": np.where(SOME, stays(DAYS, layout="%d.%m.%Y")["begins"], DAY["begins"])},
        {"begins"},
    ),
    "a day that there is not": (
        lambda: {"ends": np.where(SOME, "2021-02-30", DAY["ends"])},
        {"ends"},
    ),
    "left before": (
        lambda: {"left": np.where(SOME, DAY["left"] - np.timedelta64(1, "D"), DAY["left"])},
        {"left"},
    ),
    "later by an hour": (
        lambda: {"told": texts(DAY["at"] + np.timedelta64(1, "h"), "%I:%M %p")},
        {"at", "told"},
    ),
    "one default": (lambda: {"begins": np.where(SOME, "2021-04-01", DAY["begins"])}, {"begins"}),
}


def shifted(array: Array, days: int) -> Array:
    later = pd.DatetimeIndex(array) + pd.Timedelta(days=days)
    return np.where(pd.isna(array), None, later.strftime("%Y-%m-%d"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_date_is_an_error_of_its_field(book, fault):
    change, fields = FAULTS[fault]
    first = found(book, **change())[0]
    assert (first.columns[0] in fields, first.strict) == (True, True), first.message


def test_a_message_says_what_is_held_to_what(book):
    said = [one.message for one in found(book, **FAULTS["swapped"][0]())]
    assert said[0].startswith("days from at until begins is below days from at until ends by 1")


def test_a_time_without_a_day_is_held_to_the_clock(book):
    said = [one.message for one in found(book, **FAULTS["later by an hour"][0]())]
    assert any("clock time of told is the clock time of at" in one for one in said)


def test_a_book_of_an_older_version_has_no_lapses(book):
    stored = book.to_json().replace(b'"lapses"', b'"other"')
    assert Book.from_json(stored).lapses == ()


def test_lapses_are_in_the_sample_of_rows_of_which_another_was_taken_before():
    rows = Rows(stays(days=MOST_ROWS // ROWS + 1), SCHEMA)
    assert "hours from at until left" not in glance(rows).rows.columns
    lapse = Lapse(Moment("left"), Moment("at"))
    assert lapse.name in glance(with_lapses(rows, (lapse,))).rows.columns
