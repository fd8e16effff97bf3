"""A column that holds the offset of a clock is known in the season that training did not see."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import book, zones
from lockstep.laws.earlier import Earlier
from lockstep.laws.rows import Rows, TrainingRows

PLACES = {
    "BOS": "America/New_York",
    "LAX": "America/Los_Angeles",
    "LHR": "Europe/London",
    "NRT": "Asia/Tokyo",
}
SUMMER, WINTER = date(2021, 6, 1), date(2021, 12, 6)
ROWS = 40


def hours(time: datetime) -> float:
    return (time.utcoffset() or timedelta()).total_seconds() / 3600


WRITTEN: dict[str, Callable[[datetime], Any]] = {
    "hours": hours,
    "minutes": lambda time: 60 * hours(time),
    "+hh:mm": lambda time: time.isoformat()[-6:],
    "name": lambda time: time.tzname(),
}


def trips(first: date, days: int = 1, form: str = "hours") -> Columns:
    """Trips to places, each with the offset of the clock there."""
    generator = np.random.default_rng(first.toordinal())
    times = [
        datetime(first.year, first.month, first.day, 8, tzinfo=UTC)
        + timedelta(days=number // ROWS, minutes=number % ROWS)
        for number in range(days * ROWS)
    ]
    to = generator.choice([*PLACES], len(times))
    ahead = [
        WRITTEN[form](time.astimezone(ZoneInfo(PLACES[place])))
        for time, place in zip(times, to, strict=True)
    ]
    return {
        "id": np.array([f"{time:%y%m%d%H%M}" for time in times], dtype=object),
        "at": np.array([time.replace(tzinfo=None) for time in times], dtype="datetime64[us]"),
        "to": to.astype(object),
        "ahead": np.array(ahead, dtype=object if isinstance(ahead[0], str) else np.float64),
    }


def seen_before(known: book.Book, first: date, days: int = 1) -> tuple[Earlier, ...]:
    """What is kept of some days of trips."""
    kept = []
    for number in range(days):
        day = first + timedelta(days=number)
        rows = known.rows(trips(day), schema(), day.isoformat())
        kept.append(known.remembered(rows, day.isoformat()))
    return tuple(kept)


def schema(form: str = "hours") -> Schema:
    declared = "float" if form in ("hours", "minutes") else "str"
    return Schema(
        "Trip",
        (
            Field("id", "str", role="key"),
            Field("at", "datetime", role="event_time"),
            Field("to", "str"),
            Field("ahead", declared, optional=True),
        ),
    )


@pytest.mark.parametrize("form", WRITTEN)
def test_after_a_change_of_clocks_the_new_offset_is_right_and_others_are_wrong(form):
    known = book.discover(trips(SUMMER, 30, form), schema(form))
    day = trips(WINTER, form=form)
    assert known.find(known.rows(day, schema(form), WINTER.isoformat())) == []
    in_london = np.flatnonzero(day["to"] == "LHR")
    day["ahead"][in_london] = day["ahead"][day["to"] == "NRT"][0]
    found = known.find(known.rows(day, schema(form), WINTER.isoformat()))
    assert [(one.columns, one.strict) for one in found] == [(("ahead", "to"), True)]
    assert found[0].rows.tolist() == in_london.tolist()


def test_an_offset_of_the_other_season_is_wrong_in_the_season_of_training():
    known = book.discover(trips(SUMMER, 30), schema())
    day = trips(date(2021, 7, 10))
    day["ahead"] -= day["to"] != "NRT"
    found = known.find(known.rows(day, schema(), "2021-07-10"))
    assert found[0].columns == ("ahead", "to")
    assert "such as" in found[0].message
    assert "by the clock of" in found[0].message


def test_a_missing_offset_is_none_of_a_clock():
    known = book.discover(trips(SUMMER, 30), schema())
    day = trips(WINTER)
    day["ahead"][3] = np.nan
    found = known.find(known.rows(day, schema(), WINTER.isoformat()))
    assert [one.rows.tolist() for one in found if isinstance(one.law, zones.Offset)] == [[3]]


@pytest.mark.parametrize("place", ["America/Phoenix", "America/Chihuahua"])
def test_published_days_tell_zones_apart_that_training_did_not(monkeypatch, place):
    monkeypatch.setitem(PLACES, "LAX", place)
    known = book.discover(trips(date(2021, 2, 1), 50), schema())  # Mexico's clocks change in April
    for day in (date(2021, 4, 4), date(2021, 4, 20)):
        assert known.find(known.rows(trips(day), schema(), day.isoformat())) == []
    day = date(2021, 5, 1)
    wrong = trips(day)
    wrong["ahead"][wrong["to"] == "LAX"] += 1 if place == "America/Phoenix" else -1
    for earlier, found in ((), []), (seen_before(known, date(2021, 4, 20)), [True]):
        rows = known.rows(wrong, schema(), day.isoformat(), earlier)
        assert [one.strict for one in known.find(rows)] == found
        rows = known.rows(trips(day), schema(), day.isoformat(), earlier)
        assert known.find(rows) == []


def test_a_table_of_one_place_has_one_clock():
    columns = trips(SUMMER, 30)
    columns["ahead"][:] = -4.0
    (law,), unseen = zones.discover(TrainingRows.of(Rows(columns, schema())))
    assert law.says == "ahead is how far a clock is ahead of UTC"
    assert unseen == {"ahead"}


def test_what_training_saw_in_both_seasons_is_held_to_other_laws_as_well():
    laws, unseen = zones.discover(TrainingRows.of(Rows(trips(date(2021, 3, 1), 60), schema())))
    assert [law.columns for law in laws] == [("ahead", "to")]
    assert not unseen


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda ahead: (ahead > 0).astype(np.float64), id="a flag"),
        pytest.param(lambda ahead: ahead + np.arange(len(ahead)) // ROWS, id="a count"),
        pytest.param(lambda ahead: ahead + 0.1, id="no offset of any clock"),
    ],
)
def test_other_numbers_are_no_offsets(change):
    columns = trips(SUMMER, 30)
    columns["ahead"] = change(columns["ahead"])
    assert zones.discover(TrainingRows.of(Rows(columns, schema())))[0] == []


@pytest.mark.parametrize(("zone", "kept"), [("UTC", False), ("Europe/Berlin", True)])
def test_whole_numbers_are_offsets_only_if_the_clock_of_the_table_has_one(zone, kept):
    columns = trips(SUMMER, 30)
    kinds = {"BOS": 1.0, "LAX": 2.0, "LHR": 3.0, "NRT": 4.0}
    columns["ahead"] = np.array([kinds[place] for place in columns["to"]])
    laws, unseen = zones.discover(TrainingRows.of(Rows(columns, schema(), zone)))
    assert (bool(laws), bool(unseen)) == (kept, kept)


@pytest.mark.parametrize(
    ("zone", "first", "days", "minutes"),
    [
        pytest.param("America/New_York", SUMMER, 30, 60, id="one season"),
        pytest.param("America/New_York", date(2021, 3, 1), 40, 0, id="both"),
        pytest.param("America/New_York", date(2021, 2, 14), 30, 60, id="a day of the other"),
        pytest.param("Asia/Tokyo", SUMMER, 30, 0, id="a clock that is not set"),
    ],
)
def test_clocks_move_against_each_other_in_a_season_that_training_did_not_see(
    zone, first, days, minutes
):
    rows = Rows(trips(first, days), schema(), zone)
    assert zones.minutes_to_come(TrainingRows.of(rows)) == minutes
