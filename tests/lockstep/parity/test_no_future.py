"""Look-ups and windows that read what nobody knew yet are found out, with the row."""

from typing import Any

import numpy as np
import pytest

from lockstep import Asked, EventTime, Key, Record, Texts, Times, lookup
from lockstep.checks.lookup_checks import check_no_future
from tests.fixtures.looked_up import (
    GAUGE,
    PASSAGE,
    computed,
    gauge_of,
    passed_of,
    pipeline_of,
    readings,
    table,
)
from tests.lockstep.columns.asof.drawn import Gauge

ROWS = [("north", hour, float(hour)) for hour in range(12)]
TABLES = {"gauge": table(GAUGE, ROWS), "passage": table(PASSAGE, ROWS)}
ASKED = readings(("south", 4), ("north", 4.5), ("north", 8), (None, 4))


@pytest.mark.parametrize("by_removal", [False, True])
@pytest.mark.parametrize("hours", [0, -2])
def test_what_was_known_may_be_read(hours: float, by_removal: bool) -> None:
    bound = pipeline_of(gauge_of(hours), passed_of(hours)).with_tables(TABLES)
    result = check_no_future(bound, computed(bound, ASKED), by_removal=by_removal)
    assert result.passed
    assert result.numbers["rows"] == 4


@pytest.mark.parametrize("by_removal", [False, True])
@pytest.mark.parametrize("node", [gauge_of(1), passed_of(1)])
def test_a_question_of_an_hour_later_is_told_with_the_row(node: Any, by_removal: bool) -> None:
    bound = pipeline_of(node).with_tables(TABLES)
    result = check_no_future(bound, computed(bound, ASKED), by_removal=by_removal)

    assert result.is_error
    assert result.column == {"lookup": "gauge_level", "window": "passed_count"}[node.role] or (
        result.column == "passed_sum"  # as many rows of another hour
    )
    assert node.title in result.summary
    assert result.table == [
        {
            "record": "r1",
            "event time": "1970-01-01T04:30:00Z",
            "row of the table": "north 1",
            "valid": "1970-01-01T04:00:00Z",
            "known": "1970-01-01T05:00:00Z",
        }
    ]
    assert "known from 1970-01-01T05:00:00Z, for r1 of 1970-01-01T04:30:00Z" in result.summary


@pytest.mark.parametrize("by_removal", [False, True])
def test_a_later_question_that_no_new_row_answers_changes_nothing(by_removal: bool) -> None:
    bound = pipeline_of(gauge_of(1)).with_tables({"gauge": table(GAUGE, ROWS[:2])})
    late = readings(("north", 4), ("north", 5))
    assert check_no_future(bound, computed(bound, late), by_removal=by_removal).passed


def test_a_search_that_finds_unknown_rows_is_told(monkeypatch: Any) -> None:
    bound = pipeline_of(gauge_of()).with_tables(TABLES)
    asked = readings(("north", 4.5))
    seen = {**computed(bound, asked), "gauge_level": np.array([4.0])}
    result = check_no_future(bound, seen)
    assert result.is_error
    assert result.column == "gauge_level"


class Timeless(Record):
    reading: Key[str]
    station: str | None
    asked_at: EventTime | None


@lookup(Gauge)
def gauge(station: Texts, asked_at: Times) -> Asked:
    return Asked(station, np.ones(len(asked_at), dtype=np.int64), as_of=asked_at)


def test_records_without_an_event_time_are_not_judged() -> None:
    bound = pipeline_of(gauge, record=Timeless).with_tables(TABLES)
    rows = {**readings(("north", 4)), "asked_at": np.array(["NaT"], dtype="datetime64[us]")}
    del rows["at"]
    assert not check_no_future(bound, computed(bound, rows)).judged
