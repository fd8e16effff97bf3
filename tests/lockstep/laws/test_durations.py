"""A number that is the time between two moments of its row is held to them."""

from collections.abc import Callable

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import durations, lapses
from lockstep.laws.durations import Duration
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Hire",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("until", "datetime", optional=True),
        Field("back", "str"),  # by the clock of the place
        Field("minutes", "int", optional=True),  # whole ones that have passed
        Field("hours", "float", optional=True),  # exactly
        Field("by_clock", "float"),  # hours until `back`
        Field("bikes", "int"),
    ),
)
DAYS, ROWS = 30, 60
ZONE = "Europe/Berlin"
Change = Callable[[Columns], Columns]


def hires(day: int = DAYS, days: int = 1) -> Columns:
    """Hires of some days, of which one in five says nothing of its end."""
    random = np.random.default_rng((3, day))
    rows = days * ROWS
    start = np.datetime64("2021-01-03T23:00:07", "us") + np.timedelta64(day, "D")
    at = start + np.arange(rows) * np.timedelta64(86_400 // ROWS, "s")
    seconds = random.integers(300, 36_000, rows)
    until = at + seconds.astype("timedelta64[s]")
    is_told = random.random(rows) < 0.8
    clock = random.integers(300, 36_000, rows)
    back = (at + (3_600 + clock).astype("timedelta64[s]")).astype("datetime64[s]")
    return {
        "id": np.array([f"{day}-{row}" for row in range(rows)], dtype=object),
        "at": at,
        "until": np.where(is_told, until, np.datetime64("NaT")),
        "back": np.array([str(one) for one in back], dtype=object),
        "minutes": np.where(is_told, seconds // 60, np.nan),
        "hours": np.where(is_told, seconds / 3_600, np.nan),
        "by_clock": clock / 3_600,
        "bikes": random.integers(5, 600, rows),
    }


def rows_of(columns: Columns) -> Rows:
    rows = Rows(columns, SCHEMA, ZONE, "2021-02-03")
    return lapses.with_lapses(rows, lapses.found(TRAINING))


TRAINING = TrainingRows.of(Rows(hires(0, DAYS), SCHEMA, ZONE))


@pytest.fixture(scope="module")
def laws() -> dict[str, Duration]:
    read = lapses.by_reading(TRAINING, lapses.found(TRAINING))["durations"]
    return {law.columns[0]: law for law in durations.discover(read)}


def test_a_number_is_a_lapse_in_some_unit(laws) -> None:
    told = {name: (law.columns[1], law.factor, law.more) for name, law in laws.items()}
    lapse = "hours from at until until"
    assert told == {"minutes": (lapse, 60.0, 0.0), "hours": (lapse, 1.0, 0.0)}


def test_clocks_that_may_be_set_between_moments_tell_no_duration(laws) -> None:
    assert "by_clock" not in laws


@pytest.mark.parametrize("day", range(DAYS, DAYS + 5))
def test_another_day_is_not_told(laws, day) -> None:
    assert [law.find(rows_of(hires(day))) for law in laws.values()] == [None, None]


def at_an_hour(columns: Columns) -> Columns:
    hour = columns["at"].astype("datetime64[D]") + np.timedelta64(14, "h")
    late = (columns["until"] > hour) & (columns["at"] < hour)
    spans = (hour - columns["at"]) / np.timedelta64(1, "m")
    return columns | {
        "until": np.where(late, hour, columns["until"]),
        "hours": np.where(late, spans.round() / 60, columns["hours"]),
    }


FAULTS: dict[str, tuple[str, Change]] = {
    "capped": ("hours", at_an_hour),
    "by another clock": (
        "minutes",
        lambda one: one | {"until": one["until"] + np.timedelta64(1, "h")},
    ),
    "in another unit": ("minutes", lambda one: one | {"minutes": one["minutes"] * 60}),
    "of another row": (
        "hours",
        lambda one: one | {name: np.roll(one[name], 1) for name in ("until", "hours", "minutes")},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_moment_or_a_number_that_is_another_one_is_an_error(laws, fault) -> None:
    name, change = FAULTS[fault]
    assert laws[name].find(rows_of(change(hires()))).strict


def with_one_off(day: Columns) -> Columns:
    row = int(np.flatnonzero(~np.isnan(day["hours"]))[0])
    return day | {"hours": day["hours"] + (np.arange(len(day["hours"])) == row)}


def test_a_single_row_of_few_is_an_error_and_one_of_many_warns(laws) -> None:
    assert laws["hours"].find(rows_of(with_one_off(hires()))).strict
    assert not laws["hours"].find(rows_of(with_one_off(hires(days=4)))).strict


def test_a_message_says_what_the_number_is_to_be(laws) -> None:
    columns = hires()
    columns["minutes"] = columns["minutes"] + 30
    message = laws["minutes"].find(rows_of(columns)).message
    assert "is not 60 times the hours from at until until, such as" in message


def test_what_is_longer_than_ever_by_both_may_be_cut_where_it_is_told(laws) -> None:
    columns = hires()
    columns["until"] = columns["at"] + np.timedelta64(100, "h")
    columns["hours"] = np.full(ROWS, 99.0)
    assert laws["hours"].find(rows_of(columns)) is None
