"""Validation: what a suite finds in a batch."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.rules.rules import SuiteError
from lockstep.suites import validation
from lockstep.suites.results import Finding, SuiteResult
from lockstep.suites.validation import validate


def expect(
    name: str,
    *,
    severity: str = "critical",
    notes: str | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity, "notes": notes}


def found_in(columns: Columns, *expectations: dict[str, Any], sample: int = 5) -> SuiteResult:
    return validate(
        columns, {"name": "input", "expectations": expectations}, key="flight_id", sample=sample
    )


def finding_on(columns: Columns, expectation: dict[str, Any], sample: int = 5) -> Finding:
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

    assert (finding.checked, finding.missing_count) == (5, 1)
    assert (finding.unexpected_count, finding.unexpected_percent) == (2, 40.0)
    assert finding.failing_keys == ("EV-1", "EV-4")
    assert finding.failing_values == ({"temp": 39.0}, {"temp": 18.0})


def test_failing_rows_are_named_where_rows_without_a_value_are_left_out(flights: Columns) -> None:
    pair = expect(
        "column_pair_values_a_to_be_greater_than_b",
        column_A="temp",
        column_B="dewp",
        ignore_row_if="either_value_is_missing",
    )

    finding = finding_on(flights, pair)

    assert finding.failing_keys == ("EV-2", "EV-4")
    assert finding.failing_values[1] == {"temp": 18.0, "dewp": 20.0}


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
    assert finding.summary == "temp: cannot be checked: the data has no column 'temp'"


def test_what_cannot_be_evaluated_fails_with_one_line_of_why(flights: Columns) -> None:
    finding = finding_on(
        flights, expect("column_mean_to_be_between", column="carrier", min_value=0)
    )

    assert not finding.success
    assert finding.error == "Could not convert 'UA' to numeric"


def test_an_empty_batch_fails_though_its_rows_meet_everything(flights: Columns) -> None:
    empty = {name: array[:0] for name, array in flights.items()}
    possible = expect("column_values_to_be_between", column="temp", max_value=130)

    rows, temp = found_in(empty, possible).findings

    assert (rows.success, temp.success) == (False, True)
    assert (rows.severity, rows.summary) == ("critical", "row count is 0, below 1")


def test_an_expected_number_of_rows_is_not_said_twice(flights: Columns) -> None:
    result = found_in(flights, expect("table_row_count_to_be_between", min_value=5))

    assert [finding.kwargs for finding in result.findings] == [{"min_value": 5}]


def test_a_suite_that_allows_no_rows_still_fails_on_none(flights: Columns) -> None:
    empty = {name: array[:0] for name, array in flights.items()}

    assert not found_in(empty, expect("table_row_count_to_be_between", max_value=10)).ok


@pytest.mark.parametrize("name", ["flight_id", "carrier", "temp", "hour", "scheduled_at"])
def test_every_kind_of_column_can_be_the_key(flights: Columns, name: str) -> None:
    absent = expect("column_values_to_be_null", column="hour")

    result = validate(flights, {"name": "input", "expectations": [absent]}, key=name)

    json.dumps(result.to_json(), allow_nan=False)
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

    written = json.dumps(result.to_json(), allow_nan=False)

    assert not result.ok
    assert len(written) < 10_000


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

    assert (finding.success, finding.checked, finding.missing_count) == (True, 0, 6)


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


def test_great_expectations_is_not_asked_what_tests_find_met(
    flights: Columns, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = [
        expect("column_values_to_be_between", column="temp", min_value=-60, max_value=300),
        expect("column_mean_to_be_between", column="temp", min_value=10, max_value=300),
    ]
    suite = {"name": "input", "expectations": met}
    asked = validate(flights, suite, key="flight_id")
    monkeypatch.setattr(validation, "_batch", lambda columns: pytest.fail("it is asked"))

    found = validate(flights, suite, key="flight_id", by_tests=True)

    assert found.ok
    assert [one.summary for one in found.findings] == [one.summary for one in asked.findings]
