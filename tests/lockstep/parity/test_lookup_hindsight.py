"""Answered look-ups, made again: code and store by the same version, data by today's."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from lockstep.checks.check_results import CheckResult
from lockstep.checks.lookup_checks import check_lookup_hindsight, check_lookup_replay
from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import NotStoredError
from lockstep.parity.lookup_hindsight import ServedLookups
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

THEN = [("north", 0, 0.5), ("north", 2, 2.5), ("north", 5, 5.5), ("south", 1, 9.5)]
ASKED = readings(("north", 4), ("south", 4), ("west", 4), ("north", 30))
PIPELINE = pipeline_of(gauge_of(), passed_of())
VERSIONS = {"gauge": "v", "passage": "v"}


def tables(rows: list[Any], known: Any = (), version: str = "v") -> dict[str, TableRows]:
    return {
        "gauge": table(GAUGE, rows, known, version),
        "passage": table(PASSAGE, rows, known, version),
    }


def served(pipeline: Pipeline = PIPELINE, rows: Columns = ASKED) -> ServedLookups:
    """What a server read for readings."""
    bound = pipeline.with_tables(tables(THEN))
    found = bound.readers["gauge"].found(rows)  # type: ignore[attr-defined]
    digests = np.append(bound.readers["gauge"].rows.digests, np.uint64(0))[found]
    return ServedLookups(
        keys=rows["reading"],
        columns=computed(bound, rows),
        digests={"gauge": digests},
        versions=[VERSIONS],
        answered_with=np.zeros(len(found), dtype=np.int64),
    )


def rows_at(versions: Mapping[str, str]) -> dict[str, TableRows]:
    assert versions == VERSIONS
    return tables(THEN)


def hindsight(rows: list[Any], known: Any = ()) -> CheckResult:
    return check_lookup_hindsight(PIPELINE, served(), rows_at, tables(rows, known, "w"))


def causes(result: CheckResult) -> list[tuple[Any, ...]]:
    return [(row["record"], row["read by"], row["cause"]) for row in result.table]


def test_the_same_tables_give_what_was_served() -> None:
    result = check_lookup_replay(PIPELINE, served(), rows_at)
    assert result.passed
    assert (result.numbers["rows"], result.numbers["columns"]) == (4, 11)
    assert hindsight(THEN).passed


def test_a_rule_that_has_changed_is_told_by_the_replay() -> None:
    other = pipeline_of(gauge_of(within=timedelta(hours=2)), passed_of())
    result = check_lookup_replay(other, served(), rows_at)
    assert (result.is_error, result.column, result.keys) == (True, "gauge_level", ("r1",))


def test_another_value_than_the_tables_hold_is_told_by_the_replay_alone() -> None:
    given = served()
    columns = {**given.columns, "gauge_level": given.columns["gauge_level"] + 1}
    wrong = replace(given, columns=columns)
    assert check_lookup_replay(PIPELINE, wrong, rows_at).is_error
    assert check_lookup_hindsight(PIPELINE, wrong, rows_at, tables(THEN)).passed


def test_rows_are_replayed_by_the_version_that_answered_each() -> None:
    one = served()
    rows = readings(("north", 4), ("north", 4))
    bound = PIPELINE.with_tables(tables(THEN[:1]))
    both = {
        name: np.append(one.columns[name][:1], computed(bound, rows)[name][1:])
        for name in one.columns
    }
    mixed = ServedLookups(
        both["reading"],
        both,
        {},
        [VERSIONS, {**VERSIONS, "gauge": "older"}],
        np.array([0, 1]),
    )

    def at(versions: Mapping[str, str]) -> dict[str, TableRows]:
        return tables(THEN if versions == VERSIONS else THEN[:1])

    assert check_lookup_replay(PIPELINE, mixed, at).passed
    turned = replace(mixed, answered_with=np.array([1, 0]))
    assert not check_lookup_replay(PIPELINE, turned, at).passed


def test_a_late_row_is_told() -> None:
    result = hindsight([*THEN, ("south", 2, 7.5)])
    assert (result.passed, result.severity) == (False, "WARN")
    assert causes(result) == [("r1", "gauge", "late"), ("r1", "passed", "late")]
    assert result.numbers == {"rows": 4, "late": 2, "restated": 0, "backdated": 0, "gone": 0}
    assert result.summary == (
        "1 of 4 rows would be looked up otherwise by what is known today, for rows of tables that "
        "were 2 late (gauge south 1 1970-01-01T02:00:00Z, passage south 1 1970-01-01T02:00:00Z)."
    )


def test_the_first_row_of_a_key_is_late() -> None:
    assert causes(hindsight([*THEN, ("west", 2, 7.5)])) == [
        ("r2", "gauge", "late"),
        ("r2", "passed", "late"),
    ]


def test_a_row_behind_others_of_its_key_is_backdated() -> None:
    result = hindsight([*THEN, ("north", 2.5, 7.5)])
    assert causes(result) == [("r0", "gauge", "backdated"), ("r0", "passed", "backdated")]


def test_a_row_in_the_place_of_another_is_restated() -> None:
    """Of a window, both rows count: two events may share a key and time."""
    result = hindsight([*THEN, ("south", 1, 1.5)], [*(1, 3, 6, 2), 2.5])
    assert causes(result) == [("r1", "gauge", "restated"), ("r1", "passed", "late")]


def test_a_row_that_is_there_no_longer_is_gone() -> None:
    result = hindsight(THEN[:3])
    assert causes(result) == [("r1", "gauge", "gone"), ("r1", "passed", "gone")]
    assert result.numbers["gone"] == 2


def test_a_row_that_is_not_known_by_then_changes_nothing() -> None:
    assert hindsight([*THEN, ("south", 3.5, 7.5)]).passed


def test_without_the_version_that_answered_look_ups_are_judged_by_their_digests() -> None:
    def nothing(versions: Mapping[str, str]) -> dict[str, TableRows]:
        raise NotStoredError("The ledger of gauge has no version v.")

    result = check_lookup_hindsight(PIPELINE, served(), nothing, tables(THEN[:3]))
    assert causes(result) == [("r1", "gauge", "gone")]
    assert set(result.unjudged) == set(PIPELINE.graph.nodes["passed"].gives)
    with pytest.raises(NotStoredError):
        check_lookup_replay(PIPELINE, served(), nothing)


def test_look_ups_by_fields_that_were_not_logged_are_not_judged() -> None:
    given = replace(served(), redacted={"station": "logged as a hash alone"})
    for result in (
        check_lookup_replay(PIPELINE, given, rows_at),
        check_lookup_hindsight(PIPELINE, given, rows_at, tables(THEN)),
    ):
        assert not result.judged
        assert result.unjudged["gauge_level"] == "station is logged as a hash alone"
