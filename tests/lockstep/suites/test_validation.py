"""Validation: what a suite finds in a batch."""

from __future__ import annotations

import gc
import json
from concurrent.futures import ThreadPoolExecutor
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
    **kwargs: Any,
) -> dict[str, Any]:
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity, "meta": meta}


def found_in(columns: Columns, *expectations: dict[str, Any], sample: int = 5) -> SuiteResult:
    return validate(
        columns, {"name": "input", "expectations": expectations}, key="flight_id", sample=sample
    )


def finding_on(columns: Columns, expectation: dict[str, Any], sample: int = 5) -> ExpectationResult:
    _, finding = found_in(columns, expectation, sample=sample).findings
    return finding


def test_every_expectation_has_its_own_finding_in_the_order_of_the_suite(flights: Columns) -> None:
    """Great Expectations itself regroups its results by column."""
    result = found_in(
        flights,
        expect("column_values_to_be_between", column="temp", max_value=130),
        expect("column_values_to_not_be_null", column="carrier"),
        expect("column_values_to_be_between", column="temp", max_value=500),
        expect("column_values_to_not_be_null", column="carrier", mostly=0.5),
        expect("table_row_count_to_be_between", min_value=1, max_value=6),
        expect("column_values_to_not_be_null", column="carrier"),
    )

    assert [(finding.columns, finding.success) for finding in result.findings] == [
        (("temp",), False),
        (("carrier",), False),
        (("temp",), True),
        (("carrier",), True),
        ((), True),
        (("carrier",), False),
    ]


def test_a_finding_counts_and_names_the_rows_that_fail(flights: Columns) -> None:
    finding = finding_on(
        flights, expect("column_values_to_be_between", column="temp", min_value=40)
    )

    assert (finding.checked, finding.unexpected_count) == (5, 2)
    assert finding.failing_keys == ("EV-1", "EV-4")
    assert [row["temp"] for row in finding.failing_rows] == [39.0, 18.0]
    assert "2 of 5 rows (40.0 %) fail; 1 more without a value" in finding.summary


def test_failing_rows_are_named_where_rows_without_a_value_are_left_out(flights: Columns) -> None:
    pair = expect(
        "column_pair_values_a_to_be_greater_than_b",
        column_A="temp",
        column_B="dewp",
        ignore_row_if="either_value_is_missing",
    )

    finding = finding_on(flights, pair)

    assert finding.failing_keys == ("EV-2", "EV-4")
    assert finding.failing_rows[1] == {"temp": 18.0, "dewp": 20.0, "flight_id": "EV-4"}


def test_failing_rows_are_named_for_what_is_no_row_rule(flights: Columns) -> None:
    finding = finding_on(flights, expect("column_values_to_be_unique", column="hour"))

    assert finding.failing_keys == ("EV-2", "EV-3")
    assert not finding.row_level


def test_no_more_rows_are_named_than_asked_for() -> None:
    columns = {"flight_id": np.arange(1000), "temp": np.full(1000, 200.0)}
    hot = expect("column_values_to_be_between", column="temp", max_value=130)

    finding = finding_on(columns, hot, sample=2)

    assert (finding.failing_keys, finding.unexpected_count) == ((0, 1), 1000)


def test_an_expectation_about_the_batch_says_what_it_observed(flights: Columns) -> None:
    finding = finding_on(flights, expect("column_max_to_be_between", column="temp", max_value=130))

    assert (finding.success, finding.observed, finding.checked) == (False, 212.0, None)


def test_an_expectation_about_a_set_says_which_members_it_did_not_expect(flights: Columns) -> None:
    known = expect("column_distinct_values_to_be_in_set", column="carrier", value_set=["UA", "DL"])

    assert finding_on(flights, known).observed == {"unexpected": ["XX"]}


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_severity_is_carried(flights: Columns, severity: Any) -> None:
    finding = finding_on(
        flights, expect("column_values_to_not_be_null", column="temp", severity=severity)
    )

    assert finding.severity == severity


@pytest.mark.parametrize(
    ("expectation", "row_level"),
    [
        (expect("column_values_to_not_be_null", column="temp"), True),
        (expect("column_values_to_not_be_null", column="temp", severity="warning"), False),
        (expect("column_values_to_not_be_null", column="temp", mostly=0.5), False),
        (expect("column_mean_to_be_between", column="temp", min_value=0), False),
    ],
)
def test_a_finding_says_whether_its_expectation_is_a_row_rule(
    flights: Columns, expectation: dict[str, Any], row_level: bool
) -> None:
    assert finding_on(flights, expectation).row_level is row_level


def test_an_absent_column_is_a_finding_that_names_it(flights: Columns) -> None:
    del flights["temp"]

    finding = finding_on(flights, expect("column_values_to_not_be_null", column="temp"))

    assert not finding.success
    assert finding.summary == (
        'temp: cannot be checked: Error: The column "temp" in BatchData does not exist.'
    )


def test_what_cannot_be_evaluated_fails_with_one_line_of_why(flights: Columns) -> None:
    finding = finding_on(
        flights, expect("column_mean_to_be_between", column="carrier", min_value=0)
    )

    assert not finding.success
    assert finding.error == "Could not convert 'UA' to numeric"


def test_an_expectation_for_databases_cannot_be_checked_and_the_others_can(
    flights: Columns,
) -> None:
    query = {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE hour > 5"},
    }

    result = found_in(flights, query, expect("column_values_to_not_be_null", column="hour"))

    assert [finding.success for finding in result.findings] == [True, False, True]
    assert result.failed()[0].summary.startswith("cannot be checked: ")


def test_an_empty_batch_fails_though_its_rows_meet_everything(flights: Columns) -> None:
    empty = {name: array[:0] for name, array in flights.items()}
    possible = expect("column_values_to_be_between", column="temp", max_value=130)

    rows, temp = found_in(empty, possible).findings

    assert (rows.success, temp.success) == (False, True)
    assert (rows.severity, rows.summary) == (
        "critical",
        "Must have greater than or equal to 1 rows; observed 0",
    )


def test_an_expected_number_of_rows_is_not_said_twice(flights: Columns) -> None:
    result = found_in(flights, expect("table_row_count_to_be_between", min_value=5))

    assert [finding.summary for finding in result.findings] == ["met; observed 6"]


def test_a_suite_that_allows_no_rows_still_fails_on_none(flights: Columns) -> None:
    empty = {name: array[:0] for name, array in flights.items()}

    assert not found_in(empty, expect("table_row_count_to_be_between", max_value=10)).ok


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
        expect("column_values_to_be_between", column="temp", max_value=0),
        expect("column_max_to_be_between", column="temp", max_value=0),
        expect("column_distinct_values_to_be_in_set", column="flight_id", value_set=["EV-1"]),
        expect("column_values_to_be_unique", column="temp"),
    )

    written = json.dumps(result.validation, allow_nan=False)

    assert not result.ok
    assert len(written) < 10_000


def test_what_great_expectations_tells_is_kept_with_every_expectation_and_rows_by_their_keys(
    flights: Columns,
) -> None:
    warm = expect("column_values_to_be_between", column="temp", min_value=40)
    known = expect("column_values_to_not_be_null", column="hour", meta={"owner": "ops"})

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
    found_in(
        flights,
        expect("column_values_to_be_between", column="temp", min_value=41),
        expect("column_mean_to_be_between", column="carrier", min_value=0),
    )

    assert engines() == before


def test_a_suite_is_not_asked_of_columns_of_other_types_by_what_is_known_of_the_first() -> None:
    """Which metrics this expectation needs, Great Expectations decides by the column's type."""
    whole = expect("column_values_to_be_of_type", column="size", type_="int64")
    keys = np.arange(2)
    columns = [
        {"flight_id": keys, "size": np.array(sizes, dtype=kind)}
        for sizes, kind in (([1, 2], np.int64), (["1", "2"], object), ([1, 2], np.int64))
    ]

    assert [finding_on(each, whole).success for each in columns] == [True, False, True]


def test_a_parameter_of_a_suite_is_worked_out_anew_for_each_batch(
    flights: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    from great_expectations.core import suite_parameters

    most = iter((100, 300))
    monkeypatch.setattr(suite_parameters, "parse_suite_parameter", lambda *_, **__: next(most))
    usual = expect("column_max_to_be_between", column="temp", max_value={"$PARAMETER": "now()"})

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

    finding = finding_on(
        flights, expect("column_values_to_match_regex", column="carrier", regex="^U")
    )

    assert (finding.success, finding.checked) == (True, 0)
    assert finding.summary.endswith("no row to look at; 6 more without a value")


def test_threads_get_their_own_results() -> None:
    def right(number: int) -> bool:
        rows, hot = 20 + number, number % 7
        columns = {
            "flight_id": np.arange(rows),
            "temp": np.where(np.arange(rows) < hot, 200.0, 50.0),
        }
        (count, temp) = found_in(
            columns, expect("column_values_to_be_between", column="temp", max_value=130)
        ).findings
        found = (count.observed, temp.checked, temp.unexpected_count, temp.failing_keys)
        return found == (rows, rows, hot, tuple(range(min(hot, 5))))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, range(60)))
