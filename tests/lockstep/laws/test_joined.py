"""What was joined to the rows is not what was joined before, as far as training days were."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book, discover
from lockstep.laws.earlier import Earlier
from lockstep.laws.joined import NewJoined
from lockstep.laws.rows import Rows

SCHEMA = Schema(
    "Trip",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("place", "str"),
        Field("warmth", "float", optional=True),
        Field("wind", "float", optional=True),
        Field("sky", "str", optional=True),
    ),
)
HOURS, ROWS = 16, 4
PLACES = ("hill", "shore")
WEATHER = ("warmth", "wind", "sky")


def trips(day: int = 25, days: int = 1) -> Columns:
    """Four trips an hour from each place, with the weather of both joined to them."""
    parts = [_day(one) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    generator = np.random.default_rng(day)
    weathers = HOURS * len(PLACES)
    which = np.repeat(np.arange(weathers), ROWS)
    at = np.datetime64("2020-01-01T06", "us") + np.timedelta64(day, "D")
    minutes = which // len(PLACES) * 60 + generator.integers(0, 60, len(which))
    sky = np.array(["clear", "cloudy", None], dtype=object)[generator.integers(0, 3, weathers)]
    return {
        "id": np.array([f"{day}-{number}" for number in range(len(which))], dtype=object),
        "at": at + minutes.astype("timedelta64[m]"),
        "place": np.array(PLACES, dtype=object)[which % len(PLACES)],
        "warmth": generator.normal(10, 5, weathers).round(3)[which],
        "wind": generator.gamma(4, 2, weathers).round(3)[which],
        "sky": sky[which],
    }


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(trips(0, 25), SCHEMA)


@pytest.fixture(scope="module")
def law(book) -> NewJoined:
    (found,) = (one for one in book.laws if isinstance(one, NewJoined))
    return found


def batch(*earlier: Earlier, **changes: np.ndarray) -> Rows:
    return Rows({**trips(), **changes}, SCHEMA, earlier=earlier)


def weather_of(day: int, where: np.ndarray) -> Columns:
    """Today's weather, in some rows that of another day at the same hour."""
    return {name: np.where(where, trips(day)[name], trips()[name]) for name in WEATHER}


def test_what_several_columns_hold_of_a_place_and_an_hour_is_a_record(law) -> None:
    assert {*law.joined} == {*WEATHER}
    assert law.says == "no two place and hour of at have the same warmth, wind, sky"


def test_new_weather_is_new(book, law) -> None:
    yesterday = book.remembered(Rows(trips(24), SCHEMA), "2020-01-25")
    assert law.find(batch(yesterday)) is None


@pytest.mark.parametrize(("hours", "strict"), [(1, False), (2, True)], ids=["an hour", "two"])
def test_the_weather_of_yesterday_is_named_with_its_rows(book, law, hours, strict) -> None:
    yesterday = book.remembered(Rows(trips(24), SCHEMA), "2020-01-25")
    is_late = np.arange(HOURS * len(PLACES) * ROWS) >= (HOURS - hours) * len(PLACES) * ROWS
    broken = law.find(batch(yesterday, **weather_of(24, is_late)))
    assert (broken.strict, broken.rows.tolist()) == (strict, np.flatnonzero(is_late).tolist())
    assert {*broken.columns[:3]} == {*WEATHER}


def test_weather_that_is_not_renewed_is_named_within_the_day(law) -> None:
    rows = trips()
    held = np.arange(len(rows["id"])) // (ROWS * len(PLACES)) // 4 * 4 * ROWS * len(PLACES)
    first = held + np.where(rows["place"] == PLACES[1], ROWS, 0)
    is_held = rows["place"] == PLACES[0]
    changes = {name: np.where(is_held, rows[name][first], rows[name]) for name in WEATHER}
    broken = law.find(batch(**changes))
    assert broken.strict
    assert "12 of 32 place and hour of at have exactly the" in broken.message


def test_rows_that_lack_most_of_it_are_no_copies(law) -> None:
    rows = trips()
    nothing = {"warmth": np.full(len(rows["id"]), np.nan), "sky": np.full(len(rows["id"]), None)}
    assert law.find(batch(**nothing)) is None


def test_copies_are_found_in_a_batch_of_two_days(law) -> None:
    both = {name: np.concatenate([trips(24)[name], column]) for name, column in trips().items()}
    for name in WEATHER:
        both[name] = np.concatenate([trips(24)[name]] * 2)
    broken = law.find(Rows(both, SCHEMA))
    assert broken.rows.tolist() == list(range(len(both["id"]) // 2, len(both["id"])))
