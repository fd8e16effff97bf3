"""Look-ups and windows against a plain loop, and against what nobody knew yet."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep import Asked, EventTime, Key, Record, Texts, Times, lookup
from lockstep.checks.lookup_checks import check_hits, check_lookup_reference, check_no_future
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import WITHDRAWN
from lockstep.parity.lookup_reference import compare_with_reference
from lockstep.parity.profiles import Profile
from lockstep.tables.reductions import Reduction
from lockstep.tables.rows import TableRows
from lockstep.tables.search import Timeline
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
from tests.fixtures.plain_lookups import answers
from tests.lockstep.tables.drawn import (
    Gauge,
    a_lookup,
    a_window,
    bits,
    questions,
    rows_of,
    tables,
    taken,
)

HOW = get_args(Reduction)
SPANS = st.integers(1, 5).map(lambda hours: timedelta(hours=hours))


@given(tables(GAUGE), questions(), st.none() | SPANS)
def test_a_loop_finds_look_ups(drawn: Any, asked: Columns, within: timedelta | None) -> None:
    read = a_lookup(within).reader(rows_of(GAUGE, drawn))
    assert bits(read(asked)) == bits(answers(read.node, read.rows, *read.node.asked(asked)))


@given(tables(PASSAGE), questions(), SPANS, st.sampled_from(["level", "is_sound"]))
def test_a_loop_finds_rows_of_windows(drawn: Any, asked: Columns, over: timedelta, of: str) -> None:
    read = a_window(over, of, HOW).reader(rows_of(PASSAGE, drawn))
    assert bits(read(asked)) == bits(answers(read.node, read.rows, *read.node.asked(asked)))


@given(tables(GAUGE), questions(), st.none() | SPANS, st.randoms())
def test_a_loop_finds_what_withdrawals_leave(
    drawn: Any, asked: Columns, within: timedelta | None, random: Any
) -> None:
    columns, known = drawn
    withdrawn = np.array([random.random() < 0.3 for _ in columns["at"]], dtype=bool)
    read = a_lookup(within).reader(TableRows.of(GAUGE, {**columns, WITHDRAWN: withdrawn}, known))
    expected = answers(read.node, read.rows, *read.node.asked(asked))
    assert bits(read(asked)) == bits(expected)
    for row in range(len(asked["at"])):
        one = slice(row, row + 1)
        assert bits(read(taken(asked, one))) == bits(taken(expected, one))


ROWS = [("north", hour, float(hour)) for hour in range(12)]
TABLES = {"gauge": table(GAUGE, ROWS), "passage": table(PASSAGE, ROWS)}
ASKED = readings(("north", 5), ("north", 8.5), ("south", 8.5), (None, 3), ("north", 50))


def test_rows_in_another_order_than_theirs_are_found_out() -> None:
    pipeline = pipeline_of(gauge_of(), passed_of())
    whole = table(GAUGE, ROWS)
    turned = {name: array[::-1] for name, array in whole.columns.items()}
    wrong = TableRows(
        GAUGE,
        turned,
        (whole.valid[::-1].copy(), whole.known[::-1].copy()),
        "v",
        whole.index,
        np.zeros(len(whole), dtype=np.int64),
        np.zeros(len(whole), dtype=bool),
    )
    for rows, passes in ((whole, True), (wrong, False)):
        bound = pipeline.with_tables(TABLES | {"gauge": rows})
        result = check_lookup_reference(bound, computed(bound, ASKED))
        assert result.passed is passes
        assert result.column == (None if passes else "gauge_level")


def test_a_row_alone_that_is_read_otherwise_is_found_out(monkeypatch: Any) -> None:
    bound = pipeline_of(gauge_of()).with_tables(TABLES)
    together = computed(bound, ASKED)
    monkeypatch.setattr(Timeline, "latest_of", lambda self, group, as_of, within: -1)
    report = compare_with_reference(bound, together)
    assert report.settings == ("one at a time",)


def test_a_row_that_is_recorded_as_known_before_its_table_says_so_is_found_out() -> None:
    bound = pipeline_of(gauge_of()).with_tables(
        {"gauge": table(GAUGE, ROWS, known=[hour for _, hour, _ in ROWS])}
    )
    assert not check_lookup_reference(bound, computed(bound, ASKED)).passed


def test_a_row_that_is_valid_and_known_from_the_time_asked_for_is_found() -> None:
    at_once = replace(GAUGE, known_after=None)
    rows = table(at_once, ROWS[:6], known=[hour for _, hour, _ in ROWS[:6]])
    read = gauge_of().reader(rows)
    asked = read.node.asked(readings(("north", 5)))
    assert answers(read.node, rows, *asked)["gauge_level"].tolist() == [5.0]


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


def test_a_budget_of_a_column_does_not_hide_another_row() -> None:
    """A look-up has no budget: its column is compared bit for bit."""
    bound = pipeline_of(gauge_of()).with_tables(TABLES)
    rows = computed(bound, ASKED)
    rows["gauge_level"] = np.nextafter(rows["gauge_level"], np.inf)
    assert not check_lookup_reference(bound, rows).passed


# What nobody knew yet


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
