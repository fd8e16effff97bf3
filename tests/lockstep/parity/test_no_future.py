"""Look-ups and windows against what nobody knew yet, and how often they find a row."""

from typing import Any

import numpy as np
import pytest

from lockstep import Asked, EventTime, Key, Record, Texts, Times, lookup
from lockstep.checks.lookup_checks import check_hits, check_no_future
from lockstep.parity.profiles import Profile
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
from tests.lockstep.tables.drawn import Gauge

ROWS = [("north", hour, float(hour)) for hour in range(12)]
TABLES = {"gauge": table(GAUGE, ROWS), "passage": table(PASSAGE, ROWS)}
ASKED = readings(("north", 5), ("north", 8.5), ("south", 8.5), (None, 3), ("north", 50))


def test_look_ups_that_find_nothing_more_often_than_in_training_are_told() -> None:
    bound = pipeline_of(gauge_of(), passed_of()).with_tables(TABLES)
    kinds = {name: bound.graph.kind(name) for name in bound.graph.served if name != "reading"}
    found = computed(bound, readings(*[("north", 2 + hour / 10) for hour in range(40)]))
    training = Profile.of(found, kinds)
    assert check_hits(bound, found, training).passed

    lost = computed(bound, readings(*[("north", 14 + hour / 10) for hour in range(40)]))
    result = check_hits(bound, lost, training)

    assert (result.passed, result.severity) == (False, "WARN")
    assert result.numbers == {"gauge: share without a row": 0.225}
    assert "finds nothing for 22.5 % of 40 rows (0.0 % in training)" in result.summary


QUESTIONS = readings(("south", 4), ("north", 4.5), ("north", 8), (None, 4))


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("hours", [0, -2])
def test_what_was_known_may_be_read(hours: float, sampled: bool) -> None:
    bound = pipeline_of(gauge_of(hours), passed_of(hours)).with_tables(TABLES)
    result = check_no_future(bound, computed(bound, QUESTIONS), sampled=sampled)
    assert result.passed
    assert result.numbers["rows"] == 4


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("node", [gauge_of(1), passed_of(1)])
def test_a_question_of_an_hour_later_is_told_with_the_row(node: Any, sampled: bool) -> None:
    bound = pipeline_of(node).with_tables(TABLES)
    result = check_no_future(bound, computed(bound, QUESTIONS), sampled=sampled)

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


@pytest.mark.parametrize("sampled", [False, True])
def test_a_later_question_that_no_new_row_answers_changes_nothing(sampled: bool) -> None:
    bound = pipeline_of(gauge_of(1)).with_tables({"gauge": table(GAUGE, ROWS[:2])})
    late = readings(("north", 4), ("north", 5))
    assert check_no_future(bound, computed(bound, late), sampled=sampled).passed


def test_a_search_that_finds_unknown_rows_is_told() -> None:
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
