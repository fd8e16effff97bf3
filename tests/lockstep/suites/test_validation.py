"""Validation: what a suite finds in a batch, and how that reads to someone new to the suite."""

from __future__ import annotations

import gc
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.errors import SuiteError
from lockstep.suites.suite_results import ExpectationResult, SuiteResult
from lockstep.suites.validation import validate


def expect(
    name: str,
    *,
    severity: str = "critical",
    meta: dict[str, Any] | None = None,
    notes: str | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    told = {"severity": severity, "meta": meta, "notes": notes}
    return {"type": f"expect_{name}", "kwargs": kwargs, **told}


between = partial(expect, "column_values_to_be_between")
not_null = partial(expect, "column_values_to_not_be_null")
mean = partial(expect, "column_mean_to_be_between")
maximum = partial(expect, "column_max_to_be_between")
of_batch = partial(expect, "table_row_count_to_be_between")
carriers = partial(expect, column="carrier", value_set=["UA", "DL"])
WARMER = expect(
    "column_pair_values_a_to_be_greater_than_b",
    column_A="temp",
    column_B="dewp",
    ignore_row_if="either_value_is_missing",
)
UNIQUE = expect("column_values_to_be_unique", column="hour")
OF_UA = {"row_condition": 'carrier=="UA"', "condition_parser": "pandas"}


def found_in(columns: Columns, *expectations: dict[str, Any]) -> SuiteResult:
    return validate(columns, {"name": "input", "expectations": expectations}, key="flight_id")


def finding_on(columns: Columns, expectation: dict[str, Any]) -> ExpectationResult:
    _, finding = found_in(columns, expectation).findings
    return finding


def test_every_expectation_has_its_own_finding_in_the_order_of_the_suite(flights: Columns) -> None:
    """Great Expectations itself regroups its results by column."""
    result = found_in(
        flights,
        between(column="temp", max_value=130),
        not_null(column="carrier"),
        between(column="temp", max_value=500),
        not_null(column="carrier", mostly=0.5),
        of_batch(min_value=1, max_value=6),
        not_null(column="carrier"),
    )
    assert [(finding.columns, finding.success) for finding in result.findings] == [
        (("temp",), False),
        (("carrier",), False),
        (("temp",), True),
        (("carrier",), True),
        ((), True),
        (("carrier",), False),
    ]


LACKS = "1 more without a value; e.g. EV-5"


@pytest.mark.parametrize(
    ("expectation", "summary"),
    [
        (
            between(column="temp", min_value=-60, max_value=130),
            "temp values must be greater than or equal to -60 and less than or equal to 130; "
            f"1 of 5 rows (20.0 %) fails; {LACKS} (212)",
        ),
        (between(column="hour", min_value=0, max_value=23), "hour: met; none of 6 rows fails"),
        (
            not_null(column="temp", mostly=0.95),
            "temp values must not be null, at least 95 % of the time; 1 of 6 rows (16.7 %) fails; "
            "e.g. EV-3",
        ),
        (not_null(column="temp", mostly=0.5), "temp: met; 1 of 6 rows (16.7 %) fails"),
        (
            carriers("column_values_to_be_in_set"),
            "carrier values must belong to this set: UA, DL; 1 of 5 rows (20.0 %) fails; "
            f"{LACKS} ('XX')",
        ),
        (
            expect("column_values_to_not_be_in_set", column="carrier", value_set=["XX"]),
            "carrier values must not belong to this set: XX; 1 of 5 rows (20.0 %) fails; "
            f"{LACKS} ('XX')",
        ),
        (
            WARMER,
            "Values in temp must always be greater than those in dewp; 2 of 4 rows (50.0 %) fail; "
            "2 more without a value; e.g. EV-2 (41.5, 41.5), EV-4 (18, 20)",
        ),
        (UNIQUE, "hour values must be unique; 2 of 6 rows (33.3 %) fail; e.g. EV-2 (6), EV-3 (6)"),
        (
            between(column="hour", min_value=7, **OF_UA),
            "If PassThrough('carrier==\"UA\"'), then hour values must be greater than or equal to "
            "7; 1 of 2 rows (50.0 %) fails; e.g. EV-1 (5)",
        ),
        (
            mean(column="hour", min_value=10),
            "hour mean must be greater than or equal to 10; observed 9.166667",
        ),
        (maximum(column="hour", max_value=23), "hour: met; observed 23"),
        (
            carriers("column_distinct_values_to_be_in_set"),
            "carrier distinct values must belong to this set: UA, DL; observed unexpected: XX",
        ),
        (
            expect("table_column_count_to_equal", value=5),
            "Must have exactly 5 columns; observed 6",
        ),
        (
            mean(column="carrier", min_value=0),
            "carrier: cannot be checked: Could not convert 'UA' to numeric",
        ),
        (
            not_null(column="gone"),
            'gone: cannot be checked: Error: The column "gone" in BatchData does not exist.',
        ),
    ],
)
def test_a_finding_in_one_line(flights: Columns, expectation: dict[str, Any], summary: str) -> None:
    finding = finding_on(flights, expectation)
    assert finding.summary == summary
    assert finding.success is (": met" in summary)


def test_a_share_that_is_not_nothing_never_reads_as_nothing() -> None:
    columns = {"flight_id": np.arange(5000), "temp": np.array([200.0] + [50.0] * 4999)}
    summary = finding_on(columns, between(column="temp", max_value=130)).summary
    assert "; 1 of 5,000 rows (less than 0.1 %) fails; e.g. 0 (200)" in summary


def test_failures_come_worst_first_and_can_be_picked_by_severity(flights: Columns) -> None:
    severities = {"temp": "info", "carrier": "critical", "dewp": "warning", "hour": "critical"}
    result = found_in(
        flights, *(not_null(column=name, severity=given) for name, given in severities.items())
    )
    assert not result.ok
    assert [finding.column for finding in result.failed()] == ["carrier", "dewp", "temp"]
    assert [finding.column for finding in result.failed("warning")] == ["dewp"]
    assert [one.severity for one in result.findings[1:]] == [*severities.values()]
    assert result.summary == (
        "2 of 5 expectations are met by 6 rows; critical: carrier values must never be null; "
        "1 of 6 rows (16.7 %) fails; e.g. EV-3; and 2 more"
    )


def test_a_result_is_ok_only_if_everything_is_met(flights: Columns) -> None:
    met = not_null(column="hour")
    assert found_in(flights, met).ok
    assert found_in(flights, met).summary == "2 of 2 expectations are met by 6 rows"
    one_unmet = found_in(flights, met, not_null(column="temp", severity="info"))
    assert not one_unmet.ok
    assert one_unmet.summary.startswith("2 of 3 expectations are met by 6 rows; info: temp ")
    assert " more" not in one_unmet.summary


def test_the_table_has_failures_on_top_and_the_notes_of_the_author(flights: Columns) -> None:
    noted = not_null(column="temp", notes="The airport's thermometer.")
    table = found_in(flights, not_null(column="hour"), noted).records()
    assert [row["result"] for row in table] == ["critical", "met", "met"]
    assert table[0] == {
        "result": "critical",
        "column": "temp",
        "finding": "temp values must never be null; 1 of 6 rows (16.7 %) fails; e.g. EV-3",
        "failing rows": 1,
        "failing %": 16.67,
        "severity": "critical",
        "sets rows aside": "yes",
        "expectation": "expect_column_values_to_not_be_null",
        "notes": "The airport's thermometer.",
    }


def test_a_finding_counts_and_names_the_rows_that_fail(flights: Columns) -> None:
    finding = finding_on(flights, between(column="temp", min_value=40))
    assert (finding.checked, finding.unexpected_count) == (5, 2)
    assert finding.failing_keys == ("EV-1", "EV-4")
    assert [row["temp"] for row in finding.failing_rows] == [39.0, 18.0]


def test_failing_rows_are_named_where_rows_without_a_value_are_left_out(flights: Columns) -> None:
    finding = finding_on(flights, WARMER)
    assert finding.failing_keys == ("EV-2", "EV-4")
    assert finding.failing_rows[1] == {"temp": 18.0, "dewp": 20.0, "flight_id": "EV-4"}


def test_no_more_than_five_rows_are_named() -> None:
    columns = {"flight_id": np.arange(1000), "temp": np.full(1000, 200.0)}
    finding = finding_on(columns, between(column="temp", max_value=130))
    assert (finding.failing_keys, finding.unexpected_count) == ((0, 1, 2, 3, 4), 1000)


@pytest.mark.parametrize(
    ("expectation", "observed"),
    [
        (maximum(column="temp", max_value=130), 212.0),
        (carriers("column_distinct_values_to_be_in_set"), {"unexpected": ["XX"]}),
    ],
    ids=["a number", "members that were not expected"],
)
def test_an_expectation_about_the_batch_says_what_it_observed(
    flights: Columns, expectation: dict[str, Any], observed: Any
) -> None:
    finding = finding_on(flights, expectation)
    assert (finding.success, finding.observed, finding.checked) == (False, observed, None)


@pytest.mark.parametrize(
    ("expectation", "row_level"),
    [
        (not_null(column="temp"), True),
        (not_null(column="temp", severity="warning"), False),
        (not_null(column="temp", mostly=0.5), False),
        (mean(column="temp", min_value=0), False),
        (UNIQUE, False),
    ],
)
def test_a_finding_says_whether_its_expectation_is_a_row_rule(
    flights: Columns, expectation: dict[str, Any], row_level: bool
) -> None:
    assert finding_on(flights, expectation).row_level is row_level


def test_an_expectation_for_databases_cannot_be_checked_and_the_others_can(
    flights: Columns,
) -> None:
    query = {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE hour > 5"},
    }
    result = found_in(flights, query, not_null(column="hour"))
    assert [finding.success for finding in result.findings] == [True, False, True]
    assert result.failed()[0].summary.startswith("cannot be checked: ")


def test_an_empty_batch_fails_though_its_rows_meet_everything(flights: Columns) -> None:
    empty = {name: array[:0] for name, array in flights.items()}
    rows, temp = found_in(empty, between(column="temp", max_value=130)).findings
    assert (rows.success, rows.severity, temp.success) == (False, "critical", True)
    assert rows.summary == "Must have greater than or equal to 1 rows; observed 0"
    assert not found_in(empty, of_batch(max_value=10)).ok


def test_an_expected_number_of_rows_is_not_said_twice(flights: Columns) -> None:
    result = found_in(flights, of_batch(min_value=5))
    assert [finding.summary for finding in result.findings] == ["met; observed 6"]


@pytest.mark.parametrize("name", ["flight_id", "carrier", "temp", "hour", "scheduled_at"])
def test_every_kind_of_column_can_be_the_key(flights: Columns, name: str) -> None:
    absent = expect("column_values_to_be_null", column="hour")
    result = validate(flights, {"name": "input", "expectations": [absent]}, key=name)
    json.dumps(result.validation, allow_nan=False)
    assert len(result.findings[-1].failing_keys) == 5


def test_an_absent_key_is_an_error_that_names_it(flights: Columns) -> None:
    with pytest.raises(SuiteError, match=r"no key column 'id'.*It has: flight_id, carrier"):
        validate(flights, {"name": "input", "expectations": []}, key="id")


def test_a_result_is_plain_json_of_a_bounded_size() -> None:
    columns = {
        "flight_id": np.array([f"EV-{number}" * 1000 for number in range(500)], dtype=object),
        "temp": np.resize([np.inf, np.nan, -np.inf, 0.5], 500),
    }
    result = found_in(
        columns,
        between(column="temp", max_value=0),
        maximum(column="temp", max_value=0),
        expect("column_distinct_values_to_be_in_set", column="flight_id", value_set=["EV-1"]),
        expect("column_values_to_be_unique", column="temp"),
    )
    assert not result.ok
    assert len(json.dumps(result.validation, allow_nan=False)) < 10_000


def test_what_great_expectations_tells_is_kept_with_every_expectation_and_rows_by_their_keys(
    flights: Columns,
) -> None:
    warm, known = (
        between(column="temp", min_value=40),
        not_null(column="hour", meta={"owner": "ops"}),
    )
    told = found_in(flights, warm, known).validation
    counts = told["statistics"]
    assert (counts["evaluated_expectations"], counts["unsuccessful_expectations"]) == (3, 1)
    _, cold, hours = told["results"]
    assert cold["result"]["partial_unexpected_index_list"] == [
        {"temp": 39.0, "flight_id": "EV-1"},
        {"temp": 18.0, "flight_id": "EV-4"},
    ]
    assert cold["expectation_config"]["kwargs"]["min_value"] == 40
    assert hours["expectation_config"]["meta"] == {"owner": "ops"}


def test_no_rows_are_kept_once_they_are_validated(flights: Columns) -> None:
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine

    def engines() -> int:
        gc.collect()
        return sum(isinstance(one, PandasExecutionEngine) for one in gc.get_objects())

    before = engines()
    found_in(flights, between(column="temp", min_value=41), mean(column="carrier", min_value=0))
    assert engines() == before


def test_a_suite_is_not_asked_of_columns_of_other_types_by_what_is_known_of_the_first() -> None:
    """Which metrics this expectation needs, Great Expectations decides by the column's type."""
    whole = expect("column_values_to_be_of_type", column="size", type_="int64")
    columns = [
        {"flight_id": np.arange(2), "size": np.array(sizes, dtype=kind)}
        for sizes, kind in (([1, 2], np.int64), (["1", "2"], object), ([1, 2], np.int64))
    ]
    assert [finding_on(each, whole).success for each in columns] == [True, False, True]


def test_a_parameter_of_a_suite_is_worked_out_anew_for_each_batch(
    flights: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.core import suite_parameters

    most = iter((100, 300))
    monkeypatch.setattr(suite_parameters, "parse_suite_parameter", lambda *_, **__: next(most))
    usual = maximum(column="temp", max_value={"$PARAMETER": "now()"})
    assert [finding_on(flights, usual).success for _ in range(2)] == [False, True]


def test_read_only_columns_are_validated_and_left_as_they_are(flights: Columns) -> None:
    before = {name: array.copy() for name, array in flights.items()}
    for array in flights.values():
        array.flags.writeable = False
    found_in(flights, expect("column_values_to_match_regex", column="carrier", regex="^[A-Z]{2}$"))
    for name, array in flights.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_column_without_any_value_is_validated_like_one_with_some(flights: Columns) -> None:
    flights["carrier"] = np.full(6, None, dtype=object)
    begins = expect("column_values_to_match_regex", column="carrier", regex="^U")
    finding = finding_on(flights, begins)
    assert (finding.success, finding.checked) == (True, 0)
    assert finding.summary.endswith("no row to look at; 6 more without a value")


def test_threads_get_their_own_results() -> None:
    def right(number: int) -> bool:
        rows, hot = 20 + number, number % 7
        temp = np.where(np.arange(rows) < hot, 200.0, 50.0)
        (count, found) = found_in(
            {"flight_id": np.arange(rows), "temp": temp}, between(column="temp", max_value=130)
        ).findings
        told = (count.observed, found.checked, found.unexpected_count, found.failing_keys)
        return told == (rows, rows, hot, tuple(range(min(hot, 5))))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, range(60)))
