"""Results: how they read to someone who has never seen the suite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.suites.suite_results import SuiteResult
from lockstep.suites.validation import validate


def expect(
    name: str,
    *,
    severity: str = "critical",
    notes: str | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity, "notes": notes}


def found_in(columns: Columns, *expectations: dict[str, Any]) -> SuiteResult:
    return validate(columns, {"name": "input", "expectations": expectations}, key="flight_id")


@pytest.mark.parametrize(
    ("expectation", "summary"),
    [
        (
            expect("column_values_to_be_between", column="temp", min_value=-60, max_value=130),
            "temp values must be greater than or equal to -60 and less than or equal to 130; "
            "1 of 5 rows (20.0 %) fails; 1 more without a value; e.g. EV-5 (212)",
        ),
        (
            expect("column_values_to_be_between", column="hour", min_value=0, max_value=23),
            "hour: met; none of 6 rows fails",
        ),
        (
            expect("column_values_to_not_be_null", column="temp", mostly=0.95),
            "temp values must not be null, at least 95 % of the time; 1 of 6 rows (16.7 %) fails; "
            "e.g. EV-3",
        ),
        (
            expect("column_values_to_not_be_null", column="temp", mostly=0.5),
            "temp: met; 1 of 6 rows (16.7 %) fails",
        ),
        (
            expect("column_values_to_be_in_set", column="carrier", value_set=["UA", "DL"]),
            "carrier values must belong to this set: UA, DL; 1 of 5 rows (20.0 %) fails; "
            "1 more without a value; e.g. EV-5 ('XX')",
        ),
        (
            expect("column_values_to_not_be_in_set", column="carrier", value_set=["XX"]),
            "carrier values must not belong to this set: XX; 1 of 5 rows (20.0 %) fails; "
            "1 more without a value; e.g. EV-5 ('XX')",
        ),
        (
            expect(
                "column_pair_values_a_to_be_greater_than_b",
                column_A="temp",
                column_B="dewp",
                ignore_row_if="either_value_is_missing",
            ),
            "Values in temp must always be greater than those in dewp; 2 of 4 rows (50.0 %) fail; "
            "2 more without a value; e.g. EV-2 (41.5, 41.5), EV-4 (18, 20)",
        ),
        (
            expect("column_values_to_be_unique", column="hour"),
            "hour values must be unique; 2 of 6 rows (33.3 %) fail; e.g. EV-2 (6), EV-3 (6)",
        ),
        (
            expect(
                "column_values_to_be_between",
                column="hour",
                min_value=7,
                row_condition='carrier=="UA"',
                condition_parser="pandas",
            ),
            "If PassThrough('carrier==\"UA\"'), then hour values must be greater than or equal to "
            "7; 1 of 2 rows (50.0 %) fails; e.g. EV-1 (5)",
        ),
        (
            expect("column_mean_to_be_between", column="hour", min_value=10),
            "hour mean must be greater than or equal to 10; observed 9.166667",
        ),
        (
            expect("column_max_to_be_between", column="hour", max_value=23),
            "hour: met; observed 23",
        ),
        (
            expect("column_distinct_values_to_be_in_set", column="carrier", value_set=["UA", "DL"]),
            "carrier distinct values must belong to this set: UA, DL; observed unexpected: XX",
        ),
        (
            expect("table_column_count_to_equal", value=5),
            "Must have exactly 5 columns; observed 6",
        ),
    ],
)
def test_a_finding_in_one_line(flights: Columns, expectation: dict[str, Any], summary: str) -> None:
    assert found_in(flights, expectation).findings[-1].summary == summary


def test_a_share_that_is_not_nothing_never_reads_as_nothing() -> None:
    columns = {"flight_id": np.arange(5000), "temp": np.array([200.0] + [50.0] * 4999)}
    possible = expect("column_values_to_be_between", column="temp", max_value=130)

    summary = found_in(columns, possible).findings[-1].summary

    assert summary == (
        "temp values must be less than or equal to 130; 1 of 5,000 rows (less than 0.1 %) fails; "
        "e.g. 0 (200)"
    )


def test_a_result_is_ok_only_if_everything_is_met(flights: Columns) -> None:
    met = expect("column_values_to_not_be_null", column="hour")
    unmet = expect("column_values_to_not_be_null", column="temp", severity="info")

    assert found_in(flights, met).ok
    assert not found_in(flights, met, unmet).ok


def test_failures_come_worst_first_and_can_be_picked_by_severity(flights: Columns) -> None:
    result = found_in(
        flights,
        expect("column_values_to_not_be_null", column="temp", severity="info"),
        expect("column_values_to_not_be_null", column="carrier", severity="critical"),
        expect("column_values_to_not_be_null", column="dewp", severity="warning"),
        expect("column_values_to_not_be_null", column="hour", severity="critical"),
    )

    assert [finding.column for finding in result.failed()] == ["carrier", "dewp", "temp"]
    assert [finding.column for finding in result.failed("warning")] == ["dewp"]


def test_the_summary_of_a_result_names_the_worst(flights: Columns) -> None:
    result = found_in(
        flights,
        expect("column_values_to_not_be_null", column="temp", severity="warning"),
        expect("column_values_to_not_be_null", column="carrier", severity="critical"),
    )

    assert result.summary == (
        "1 of 3 expectations is met by 6 rows; critical: carrier values must never be null; "
        "1 of 6 rows (16.7 %) fails; e.g. EV-3; and 1 more"
    )


def test_the_summary_of_a_result_without_failures(flights: Columns) -> None:
    result = found_in(flights, expect("column_values_to_not_be_null", column="hour"))

    assert result.summary == "2 of 2 expectations are met by 6 rows"


def test_the_table_has_failures_on_top_and_the_notes_of_the_author(flights: Columns) -> None:
    result = found_in(
        flights,
        expect("column_values_to_not_be_null", column="hour"),
        expect("column_values_to_not_be_null", column="temp", notes="The airport's thermometer."),
    )

    table = result.records()

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
