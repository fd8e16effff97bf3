"""Columns that say what day it is are held against the calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from lockstep.columns.schema import Field, Schema
from lockstep.laws.calendars import Counted, Named, discover
from lockstep.laws.rows import Rows, TrainingRows

Says = Callable[[date], object]
BEGIN, DAYS, ROWS = date(2021, 9, 1), 90, 5


def rows(says: Says, first: date = BEGIN, days: int = 1, kind: str = "int") -> Rows:
    """Rows of some days in Berlin, that say what day it is."""
    dates = [first + timedelta(number) for number in range(days) for _ in range(ROWS)]
    times = np.array(dates, dtype="datetime64[us]") + np.timedelta64(23, "h")
    schema = Schema(
        "Dated",
        (
            Field("id", "str", role="key"),
            Field("at", "datetime", role="event_time"),
            Field("told", kind, optional=kind == "float"),
        ),
    )
    told = [says(one) for one in dates]
    columns = {
        "id": np.array([f"r{number}" for number in range(len(dates))], dtype=object),
        "at": times - np.timedelta64(2, "h"),
        "told": np.array(told, dtype=object if kind == "str" else kind),
    }
    return Rows(columns, schema, "Europe/Berlin")


def found(says: Says, kind: str = "int") -> list[Counted | Named]:
    return discover(TrainingRows.of(rows(says, days=DAYS, kind=kind)))


def since(first: date, period: int) -> Says:
    return lambda one: 7 + (one - first).days // period


SAYS: dict[str, tuple[str, Says]] = {
    "one more each 14 days": ("int", since(date(2021, 8, 30), 14)),
    "one more each 1 day": ("int", since(date(2021, 8, 30), 1)),
    "the month of the year": ("int", lambda one: one.month),
    "the week of the year (ISO 8601)": ("float", lambda one: one.isocalendar().week),
    "the day of the month, less 1": ("int", lambda one: one.day - 1),
    "the day of the week from Sunday": ("int", lambda one: one.isoweekday() % 7),
    "the date": ("int", lambda one: int(f"{one:%Y%m%d}")),
    "the name of the day of the week": ("str", lambda one: "mtwTfsS"[one.weekday()]),
    "the name of the month of the year": ("str", lambda one: f"{one:%b}"),
}


LATER = date(2021, 12, 6)


@pytest.mark.parametrize("what", SAYS)
def test_a_column_is_what_it_was_on_all_training_days(what: str) -> None:
    kind, says = SAYS[what]
    (law,) = found(says, kind)
    rules = law.rules if isinstance(law, Counted) else ()

    assert what in {law.what, *(rule.says for rule in rules)}
    assert law.is_strict
    assert law.find(rows(says, BEGIN + timedelta(DAYS), 30, kind)) is None


@pytest.mark.parametrize("what", SAYS)
def test_what_it_is_on_another_day_is_named(what: str) -> None:
    kind, says = SAYS[what]
    (law,) = found(says, kind)
    broken = law.find(rows(lambda one: says(one - timedelta(31)), LATER, 1, kind))

    assert broken is not None
    assert broken.columns[0] == "told"
    assert broken.rows.tolist() == [0, 1, 2, 3, 4]
    assert broken.strict


def test_what_it_should_be_is_told() -> None:
    (law,) = found(lambda one: one.isocalendar().week)
    broken = law.find(rows(lambda one: one.isocalendar().week - 1, LATER))

    assert broken is not None
    assert broken.message == (
        "told is not the week of the year (ISO 8601) in 5 rows of 5, such as 48 on 2021-12-06 "
        "instead of 49"
    )


@pytest.mark.parametrize("week", [53, 1, 0, 52])
def test_at_the_end_of_the_year_weeks_may_begin_anew_in_any_way(week: int) -> None:
    (law,) = found(lambda one: one.isocalendar().week)
    batch = rows(lambda one: week, date(2022, 1, 1))

    assert law.find(batch) is None
    assert law.looks_at(batch) == 0


@pytest.mark.parametrize(
    "says",
    [
        lambda one: one.weekday() < 5,  # two values alone: of whatever else
        lambda one: one.month + (one.day == 17),  # but for some days
        lambda one: one.day // 10,
        lambda one: (one.toordinal() * 7919) % 13,
    ],
)
def test_what_follows_no_calendar_is_left_alone(says: Says) -> None:
    assert found(says) == []


def test_a_day_of_two_values_tells_no_calendar() -> None:
    batch = rows(lambda one: one.month, days=DAYS)
    batch.columns["told"][7] += 1

    assert discover(TrainingRows.of(batch)) == []


@pytest.mark.parametrize("begins", [1, 6])
def test_days_may_begin_some_hours_after_midnight(begins) -> None:
    def hours(first: date, days: int, off: int = 0) -> Rows:
        times = np.datetime64(first, "us") + np.arange(24 * days) * np.timedelta64(1, "h")
        dated = (times - np.timedelta64(begins, "h")).astype("datetime64[D]").astype(int)
        columns = {
            "id": np.array([str(one) for one in times], dtype=object),
            "at": times,
            "told": (dated + 3) % 7 + off,  # 1970 began on a Thursday
        }
        return Rows(columns, rows(lambda _: 0).schema, "UTC")

    (law,) = discover(TrainingRows.of(hours(BEGIN, DAYS)))
    assert law.says == (
        f"told is the day of the week from Monday, of days that begin at {begins:02}:00"
    )
    assert law.find(hours(BEGIN + timedelta(DAYS), 3)) is None
    broken = law.find(hours(BEGIN + timedelta(DAYS), 1, off=1))
    assert len(broken.rows) == 24
    assert broken.strict


@pytest.mark.parametrize("last", [170, 320, 480])
def test_a_bar_may_close_later_than_it_ever_did(last) -> None:
    def evenings(first: date, days: int, last: int) -> Rows:
        nights = np.repeat(np.arange(days), 2)  # a row at 18:00, and the last one after midnight
        minutes = np.tile([18 * 60, 24 * 60 + last], days)
        day = np.datetime64(first, "D") + nights
        columns = {
            "id": np.array([str(one) for one in range(2 * days)], dtype=object),
            "at": day.astype("datetime64[us]") + minutes.astype("timedelta64[m]"),
            "told": (day.astype(int) + 3) % 7,
        }
        return Rows(columns, rows(lambda _: 0).schema, "UTC")

    (law,) = discover(TrainingRows.of(evenings(BEGIN, DAYS, 110)))
    assert law.begins == 10
    assert law.find(evenings(BEGIN + timedelta(DAYS), 1, last)) is None


def test_a_number_of_two_values_a_day_that_no_hour_parts_is_no_calendar() -> None:
    dates = [BEGIN + timedelta(number) for number in range(DAYS) for _ in range(24)]
    times = np.array(dates, dtype="datetime64[us]")
    hour = np.tile(np.arange(24), DAYS)
    columns = {
        "id": np.array([str(one) for one in range(len(dates))], dtype=object),
        "at": times + hour.astype("timedelta64[h]"),
        "told": np.array([one.weekday() for one in dates]) + (hour % 2),
    }
    schema = rows(lambda _: 0).schema
    assert discover(TrainingRows.of(Rows(columns, schema, "UTC"))) == []
