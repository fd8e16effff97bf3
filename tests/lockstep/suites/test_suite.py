"""Suites and their plain form."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.errors import SuiteError
from lockstep.rules.row_rules import compile_rules
from lockstep.suites.suites import Suites, from_json, suite_json
from lockstep.suites.validation import validate

if TYPE_CHECKING:
    import great_expectations as gx


def suite(*expectations: Any) -> gx.ExpectationSuite:
    import great_expectations as gx

    return gx.ExpectationSuite(name="input", expectations=list(expectations))


def expect(type_: str, **kwargs: Any) -> Any:
    """An expectation of Great Expectations, by the name of its class after `Expect`."""
    import great_expectations.expectations as gxe

    return getattr(gxe, f"Expect{type_}")(**kwargs)


def test_a_suite_survives_the_way_through_json() -> None:
    written = suite_json(
        suite(
            expect(
                "ColumnValuesToBeBetween",
                column="temp",
                min_value=-60,
                max_value=130,
                severity="critical",
                notes="Fahrenheit",
            ),
            expect("ColumnValuesToBeInSet", column="carrier", value_set=["UA", None, 3, 0.5, True]),
            expect("ColumnValuesToNotBeNull", column="temp", mostly=0.9, severity="warning"),
            expect("ColumnMeanToBeBetween", column="temp", min_value=0, severity="info"),
            expect(
                "ColumnValuesToBeBetween",
                column="scheduled_at",
                min_value=datetime(2013, 1, 1, tzinfo=UTC),
            ),
        )
    )
    assert suite_json(from_json(json.loads(json.dumps(written)))) == written


def test_a_stored_suite_gives_the_result_of_the_suite_itself(flights: Columns) -> None:
    itself = suite(
        expect("ColumnValuesToBeBetween", column="temp", min_value=-60, max_value=130),
        expect("ColumnMeanToBeBetween", column="temp", min_value=0, severity="info"),
    )
    stored, given = (
        validate(flights, one, key="flight_id") for one in (suite_json(itself), itself)
    )
    assert stored.findings == given.findings


@pytest.mark.parametrize(
    ("bound", "stored"),
    [
        (date(2013, 1, 1), "2013-01-01T00:00:00+00:00"),
        (datetime(2013, 1, 1, 12), "2013-01-01T12:00:00+00:00"),  # noqa: DTZ001
        ("2013-01-01", "2013-01-01T00:00:00+00:00"),
        (datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=-5))), "2013-01-01T00:00:00-05:00"),
    ],
)
def test_a_time_without_a_zone_is_utc(bound: Any, stored: str) -> None:
    written = suite_json(suite(expect("ColumnValuesToBeBetween", column="at", min_value=bound)))

    assert written["expectations"][0]["kwargs"]["min_value"] == stored


def test_a_time_without_a_zone_is_validated_and_compiled_alike(flights: Columns) -> None:
    written = suite_json(
        suite(expect("ColumnValuesToBeBetween", column="scheduled_at", max_value=date(2013, 1, 1)))
    )

    finding = validate(flights, written, key="flight_id").findings[-1]

    assert finding.unexpected_count == compile_rules(written).apply(flights).mask.sum() == 6


def test_an_infinite_bound_cannot_be_stored() -> None:
    unbounded = suite(expect("ColumnValuesToBeBetween", column="temp", max_value=float("inf")))

    with pytest.raises(SuiteError, match=r"suite 'input' cannot be stored: .*leave out a bound"):
        suite_json(unbounded)


@pytest.mark.parametrize(
    ("expectation", "named"),
    [
        ({"type": "expect_column_to_be_nice", "kwargs": {"column": "temp"}}, "to_be_nice"),
        (
            {"type": "expect_column_to_exist", "kwargs": {"column": "temp"}, "severity": "dire"},
            "expect_column_to_exist",
        ),
        ({"type": "expect_column_to_exist", "kwargs": {"colum": "temp"}}, "colum"),
    ],
)
def test_an_expectation_that_cannot_be_made_is_one_line_of_error_and_not_dropped(
    expectation: dict[str, Any], named: str
) -> None:
    with pytest.raises(SuiteError, match=f"suite 'input' cannot be read: .*{named}") as caught:
        from_json({"name": "input", "expectations": [expectation]})
    assert "\n" not in str(caught.value)


def test_suites_are_made_when_they_are_asked_for() -> None:
    def unwanted() -> gx.ExpectationSuite:
        raise AssertionError

    suites = Suites(input=suite, features=unwanted, outputs=unwanted)

    assert suites.input().name == "input"


def test_importing_expectations_and_compiling_rules_needs_no_great_expectations() -> None:
    program = (
        "import sys\nimport lockstep.suites.suites\n"
        "from lockstep.rules.row_rules import compile_rules\n"
        "compile_rules({'name': 'input', 'expectations': [{'type':"
        " 'expect_column_values_to_not_be_null', 'kwargs': {'column': 'temp'}}]})\n"
        "sys.exit('great_expectations' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# What cannot be made


def misspelt() -> gx.ExpectationSuite:
    import great_expectations.expectations as gxe

    return suite(gxe.ExpectColumnValuesToBeBetwen(column="price", min_value=0))


def odd_severity() -> gx.ExpectationSuite:
    import great_expectations.expectations as gxe

    return suite(gxe.ExpectColumnValuesToNotBeNull(column="price", severity="grave"))


def odd_argument() -> gx.ExpectationSuite:
    import great_expectations.expectations as gxe

    return suite(gxe.ExpectColumnValuesToNotBeNull(colum="price"))


def no_suite() -> list[object]:
    return []


@pytest.mark.parametrize(
    ("make", "offset", "said"),
    [
        (misspelt, 3, "there is no ExpectColumnValuesToBeBetwen. Did you mean Expect"),
        (odd_severity, 3, "severity: "),
        (odd_argument, 3, "column: "),
        (no_suite, 0, "the input suite is list; return an ExpectationSuite("),
    ],
)
def test_a_suite_that_cannot_be_made_is_one_line_with_file_and_line(
    make: Any, offset: int, said: str
) -> None:
    with pytest.raises(SuiteError) as refused:
        Suites(input=make).to_json("input")
    line = make.__code__.co_firstlineno + offset
    assert str(refused.value).startswith(f"{__file__}:{line}: {said}")
    assert "\n" not in str(refused.value)


def test_a_suite_that_is_left_out_expects_nothing() -> None:
    assert [Suites().to_json(role)["expectations"] for role in ("features", "outputs")] == [[], []]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("^[A-Z]{3}$", r"^[A-Z]{3}\Z"),
        ("^a$|^b$", r"^a\Z|^b\Z"),
        (r"\$ [$] [^]$] \\$", r"\$ [$] [^]$] \\\Z"),
        ("(?m)^a$", "(?m)^a$"),
        ("^[a-z]", "^[a-z]"),
    ],
)
def test_the_end_in_a_regular_expression_is_the_very_end(written: str, stored: str) -> None:
    one = expect("ColumnValuesToMatchRegex", column="dest", regex=written)
    several = expect("ColumnValuesToNotMatchRegexList", column="dest", regex_list=[written])
    kwargs = [each["kwargs"] for each in suite_json(suite(one, several))["expectations"]]
    assert (kwargs[0]["regex"], kwargs[1]["regex_list"]) == (stored, [stored])


def test_a_line_break_at_the_end_is_refused_by_great_expectations_and_row_rules_alike() -> None:
    texts = np.array(["ATL", "ATL\n"], dtype=object)
    stored = suite_json(
        suite(expect("ColumnValuesToMatchRegex", column="dest", regex="^[A-Z]{3}$"))
    )
    found = validate({"dest": texts}, stored, key="dest").failed()
    assert [finding.unexpected_count for finding in found] == [1]
    assert compile_rules(stored).apply({"dest": texts}).mask.tolist() == [False, True]
