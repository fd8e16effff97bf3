"""Answered look-ups, made again: code and store by the same version, data by today's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from lockstep.checks.lookup_checks import check_lookup_hindsight, check_lookup_replay
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import NotStoredError
from lockstep.parity.lookup_hindsight import ServedLookups, look_up_again
from lockstep.store.results import CheckResult
from lockstep.tables.layered import LayeredRows
from lockstep.tables.readers import readers_of
from lockstep.tables.rows import TableRows
from tests.fixtures.looked_up import (
    GAUGE,
    PASSAGE,
    gauge_of,
    passed_of,
    pipeline_of,
    readings,
    table,
)
from tests.lockstep.tables.drawn import bits

THEN = [("north", 0, 0.5), ("north", 2, 2.5), ("north", 5, 5.5), ("south", 1, 9.5)]
ASKED = readings(("north", 4), ("south", 4), ("west", 4), ("north", 30))
PIPELINE = pipeline_of(gauge_of(), passed_of())
VERSIONS = {"gauge": "v", "passage": "v"}


def tables(rows: list[Any], known: Any = (), version: str = "v") -> dict[str, TableRows]:
    return {
        "gauge": table(GAUGE, rows, known, version),
        "passage": table(PASSAGE, rows, known, version),
    }


def served(rows: Columns = ASKED, then: list[Any] = THEN, known: Any = ()) -> ServedLookups:
    """What a server read for readings."""
    read = readers_of(PIPELINE.with_tables(tables(then, known))).values()
    told = [each.node.reader(each.rows, tells_origins=True)(rows) for each in read]
    return ServedLookups(
        keys=rows["reading"],
        fields=rows,
        origins={
            name: columns[name]
            for each, columns in zip(read, told, strict=True)
            for name in each.node.origins
        },
        versions=[VERSIONS],
        answered_with=np.zeros(len(rows["reading"]), dtype=np.int64),
    )


def replayed(given: ServedLookups, pipeline: Pipeline = PIPELINE, at: Any = None) -> CheckResult:
    """The result of making the look-ups again by the tables as they were."""
    return check_lookup_replay(look_up_again(pipeline, given, at or rows_at), pipeline, given)


def layered(rows: list[Any], known: Any = ()) -> dict[str, LayeredRows]:
    return {name: LayeredRows(table) for name, table in tables(rows, known).items()}


def rows_at(versions: Mapping[str, str]) -> dict[str, LayeredRows]:
    assert versions == VERSIONS
    return layered(THEN)


def hindsight(rows: list[Any], known: Any = ()) -> CheckResult:
    return check_lookup_hindsight(PIPELINE, served(), rows_at, tables(rows, known, "w"))


def causes(result: CheckResult) -> list[tuple[Any, ...]]:
    return [(row["record"], row["read by"], row["cause"]) for row in result.table]


def test_the_same_tables_give_what_was_served() -> None:
    result = replayed(served())
    assert result.passed
    assert (result.numbers["rows"], result.numbers["columns"]) == (4, 11)
    assert hindsight(THEN).passed
    again = look_up_again(PIPELINE, served(), rows_at).columns
    bound = PIPELINE.with_tables(tables(THEN))
    assert bits(again) == bits({name: bound.evaluate(ASKED)[name] for name in again})


def test_a_look_up_that_no_answer_needed_is_not_judged() -> None:
    given = served()
    origins = {name: array for name, array in given.origins.items() if name != "passed.rows"}
    result = replayed(replace(given, origins=origins))
    assert result.passed
    assert {*result.unjudged.values()} == {"no answer needed it"}
    assert "passed_count" in result.unjudged


def test_a_rule_that_has_changed_is_told_by_the_replay() -> None:
    other = pipeline_of(gauge_of(within=timedelta(hours=2)), passed_of())
    result = replayed(served(), other)
    assert (result.is_error, result.column, result.keys) == (True, "gauge_level", ("r1",))
    assert "reads other rows for 1 of 4 rows than the server did" in result.summary
    assert result.where.startswith("fixtures/looked_up.py:")


@pytest.mark.parametrize("fact", ["gauge.digest", "gauge.known", "passed.rows"])
def test_other_rows_than_the_tables_hold_are_told_by_the_replay_alone(fact: str) -> None:
    given = served()
    told = given.origins[fact].copy()
    told[1] += 1
    wrong = replace(given, origins={**given.origins, fact: told})
    assert replayed(wrong).is_error
    result = check_lookup_hindsight(PIPELINE, wrong, rows_at, tables(THEN))
    assert [row["cause"] for row in result.table] == (["gone"] if fact == "gauge.digest" else [])


def test_rows_are_replayed_by_the_version_that_answered_each() -> None:
    asked = readings(("north", 4), ("north", 4))
    new, old = served(asked), served(asked, THEN[:1])
    mixed = replace(
        new,
        origins={
            name: np.append(array[:1], old.origins[name][1:]) for name, array in new.origins.items()
        },
        versions=[{**VERSIONS, "gauge": "older"}, VERSIONS],
        answered_with=np.array([1, 0]),
    )

    def at(versions: Mapping[str, str]) -> dict[str, LayeredRows]:
        return layered(THEN if versions == VERSIONS else THEN[:1])

    assert replayed(mixed, at=at).passed
    assert not replayed(replace(mixed, answered_with=np.array([0, 1])), at=at).passed


def test_a_late_row_is_told() -> None:
    result = hindsight([*THEN, ("south", 2, 7.5)])
    assert (result.passed, result.severity) == (False, "WARN")
    assert causes(result) == [("r1", "gauge", "late"), ("r1", "passed", "late")]
    counts = {"late": 2, "restated": 0, "backdated": 0, "withdrawn": 0, "gone": 0}
    assert result.numbers == {"rows": 4, **counts}
    assert result.summary == (
        "1 of 4 rows would be looked up otherwise by what is known today, for rows of tables that "
        "were 2 late (gauge south 1 1970-01-01T02:00:00Z, passage south 1 1970-01-01T02:00:00Z)."
    )


@pytest.mark.parametrize(
    ("rows", "known", "record", "cause"),
    [
        pytest.param([*THEN, ("west", 2, 7.5)], (), "r2", "late", id="the first row of a key"),
        pytest.param([*THEN, ("north", 2.5, 7.5)], (), "r0", "backdated", id="behind others"),
        # Of a window, both rows count: two events may share a key and time.
        pytest.param(
            [*THEN, ("south", 1, 1.5)], [1, 3, 6, 2, 2.5], "r1", "restated", id="in another's place"
        ),
        pytest.param(THEN[:3], (), "r1", "gone", id="there no longer"),
        pytest.param([*THEN, ("south", 3.5, 7.5)], (), "", "", id="not known by then"),
    ],
)
def test_a_row_that_would_be_read_today_is_told_with_its_cause(
    rows: list[Any], known: Any, record: str, cause: str
) -> None:
    result = hindsight(rows, known)
    by_window = "late" if cause == "restated" else cause
    told = [(record, "gauge", cause), (record, "passed", by_window)] if cause else []
    assert (causes(result), result.passed) == (told, not cause)
    assert result.numbers["gone"] == (2 if cause == "gone" else 0)


def test_a_row_that_is_restated_back_to_what_it_was_before_is_restated() -> None:
    """Of one content, a row came again later: it is another one than was there."""
    then = [("north", 0, 0.5), ("south", 1, 9.5), ("south", 1, 1.5)]
    before, now = [1, 2, 2.5], [1, 2, 2.5, 3]
    result = check_lookup_hindsight(
        PIPELINE,
        served(then=then, known=before),
        lambda _: layered(then, before),
        tables([*then, then[1]], now, "w"),
    )
    assert causes(result) == [("r1", "gauge", "restated")]


def test_without_the_version_that_answered_look_ups_are_judged_by_what_was_logged() -> None:
    def nothing(versions: Mapping[str, str]) -> dict[str, LayeredRows]:
        raise NotStoredError("The ledger of gauge has no version v.")

    now = [*THEN[:3], ("north", 2, 7.0)]
    result = check_lookup_hindsight(PIPELINE, served(), nothing, tables(now, (1, 3, 6, 3.5)))
    assert causes(result) == [("r0", "gauge", "restated"), ("r1", "gauge", "gone")]
    lacking = "the ledger no longer has what answered 4 rows"
    assert result.unjudged == dict.fromkeys(PIPELINE.graph.nodes["passed"].gives, lacking)
    with pytest.raises(NotStoredError):
        look_up_again(PIPELINE, served(), nothing)


def test_look_ups_by_fields_that_were_not_logged_are_not_judged() -> None:
    given = replace(served(), redacted={"station": "logged as a hash alone"}, origins={})
    for result in (replayed(given), check_lookup_hindsight(PIPELINE, given, rows_at, tables(THEN))):
        assert not result.judged
        assert result.unjudged["gauge_level"] == "station is logged as a hash alone"
