"""Row rules: what is compiled, what is refused, and why."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import take_rows
from lockstep.errors import SuiteError
from lockstep.refusals import Reason
from lockstep.rules.row_rules import RowRules, compile_rule, compile_rules
from lockstep.rules.rowtests import NoRowTestError


def rules_of(*expectations: tuple[str, dict[str, Any]]) -> RowRules:
    return compile_rules(
        {
            "name": "input",
            "expectations": [
                {"type": f"expect_column_{name}", "kwargs": kwargs, "severity": "critical"}
                for name, kwargs in expectations
            ],
        }
    )


def of(column: str, name: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
    return name, {"column": column, **kwargs}


def between(column: str, **bounds: Any) -> tuple[str, dict[str, Any]]:
    return of(column, "values_to_be_between", **bounds)


def pair(name: str, first: str, second: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
    return f"pair_values_{name}", {"column_A": first, "column_B": second, **kwargs}


PRESENT = of("temp", "values_to_not_be_null")
POSSIBLE = between("temp", min_value=-60.0, max_value=130.0)
KNOWN = of("carrier", "values_to_be_in_set", value_set=["UA", "DL"])
ABOVE_DEW_POINT = pair("a_to_be_greater_than_b", "temp", "dewp", or_equal=True)


def test_a_row_that_breaks_any_rule_is_refused_with_all_its_reasons_in_the_order_of_the_suite(
    flights: Columns,
) -> None:
    rules = rules_of(KNOWN, POSSIBLE, PRESENT)
    refusals = rules.apply(flights)
    assert rules.columns == ("carrier", "temp")
    assert refusals.mask.tolist() == [False, False, True, False, True, False]
    assert refusals.reasons(0) == ()
    carrier = ("carrier", "expect_column_values_to_be_in_set")
    temp = ("temp", "expect_column_values_to_be_between")
    assert refusals.reasons(4) == (
        Reason(*carrier, "'XX' is not one of UA, DL", "is not one of UA, DL"),
        Reason(*temp, "212 is not between -60 and 130", "is not between -60 and 130"),
    )


def test_a_column_that_is_compared_with_itself_gives_its_reason(flights: Columns) -> None:
    rules = rules_of(pair("a_to_be_greater_than_b", "temp", "temp"))
    assert [reason.column for reason in rules.reasons(flights, 0)] == ["temp"]


HALF_PAST_NINE = "2013-01-01T09:30:00+00:00"
UNTIL_HALF_PAST = between("scheduled_at", max_value=HALF_PAST_NINE)


@pytest.mark.parametrize(
    ("expectation", "row", "message"),
    [
        (PRESENT, 2, "is missing"),
        (of("temp", "values_to_be_null"), 0, "39 is not missing"),
        (between("temp", min_value=40.0), 3, "18 is below 40"),
        (between("hour", max_value=23.0, strict_max=True), 5, "23 is at least 23"),
        (UNTIL_HALF_PAST, 5, "2013-01-01T10:00Z is above 2013-01-01T09:30Z"),
        (of("carrier", "values_to_not_be_in_set", value_set=["XX"]), 4, "'XX' is one of XX"),
        (of("flight_id", "values_to_match_regex", regex="^UA"), 0, "'EV-1' does not match ^UA"),
        (of("carrier", "value_lengths_to_equal", value=3.0), 0, "'UA' is not 3 characters long"),
        (ABOVE_DEW_POINT, 3, "18 is not at least dewp (20)"),
        (ABOVE_DEW_POINT, 5, "55 is not at least dewp (missing)"),
        (pair("to_be_equal", "temp", "dewp"), 0, "39 is not equal to dewp (28)"),
    ],
)
def test_a_reason_says_what_the_value_is_and_what_it_ought_to_be(
    flights: Columns, expectation: tuple[str, dict[str, Any]], row: int, message: str
) -> None:
    (reason,) = rules_of(expectation).apply(flights).reasons(row)
    assert reason.message == message


def test_a_long_value_is_cut_in_a_reason() -> None:
    columns = {"text": np.array(["x" * 10_000], dtype=object)}
    rules = rules_of(of("text", "value_lengths_to_be_between", max_value=5))
    (reason,) = rules.apply(columns).reasons(0)
    assert len(reason.message) < 120


def test_a_missing_value_is_refused_only_where_it_must_not_be_missing(flights: Columns) -> None:
    assert not rules_of(POSSIBLE, KNOWN).apply(flights).mask[2]


@pytest.mark.parametrize("size", [2, 40])
def test_integers_that_floats_cannot_tell_apart_are_no_members_of_a_set(size: int) -> None:
    columns = {"seats": np.array([2**53, 2**53 + 1, 1])}
    rules = rules_of(of("seats", "values_to_be_in_set", value_set=list(range(size))))
    assert rules.apply(columns).mask.tolist() == [True, True, False]


def test_no_rules_accept_every_row_and_no_rows_have_no_refusals(flights: Columns) -> None:
    assert rules_of().apply(flights).mask.tolist() == [False] * 6
    nothing = take_rows(flights, slice(0))
    assert rules_of(PRESENT, POSSIBLE, KNOWN, ABOVE_DEW_POINT).apply(nothing).mask.shape == (0,)


def test_an_expectation_without_severity_is_critical() -> None:
    """As it is to Great Expectations."""
    name, kwargs = PRESENT
    unsaid = {"type": f"expect_column_{name}", "kwargs": kwargs}
    assert len(compile_rules({"name": "input", "expectations": [unsaid]}).rules) == 1


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("values_to_not_be_null", {"mostly": 0.9}, "lets some rows fail (mostly 0.9)"),
        ("values_to_not_be_null", {"row_condition": {"type": "pass_through"}}, "row condition"),
        ("values_to_be_between", {"min_value": {"$PARAMETER": "least"}}, "has a parameter"),
        ("values_to_be_between", {"min_value": 5.0, "max_value": 3.0}, "minimum is above"),
        ("values_to_be_between", {"min_value": 5.0, "max_value": HALF_PAST_NINE}, "both times or"),
        ("values_to_match_regex", {"regex": "("}, "'(' is no regular expression in Python"),
        ("values_to_match_regex", {"regex": "[[:alpha:]]"}, "no character classes"),
        ("values_to_be_in_set", {"value_set": [2**53 + 1]}, "floats are not exact"),
        ("mean_to_be_between", {"min_value": 0.0}, "no row rule for its type"),
        ("values_to_be_unique", {}, "no row rule for its type"),
        ("values_to_not_be_null", {"severity": "warning"}, "warning"),
        ("values_to_not_be_null", {"severity": "info"}, "info"),
    ],
)
def test_what_cannot_be_a_row_rule_is_skipped_with_the_reason(
    name: str, options: dict[str, Any], why: str
) -> None:
    kwargs = {"column": "temp", **options}
    severity = kwargs.pop("severity", "critical")
    expectation = {"type": f"expect_column_{name}", "kwargs": kwargs, "severity": severity}
    assert compile_rules({"name": "input", "expectations": [expectation]}).rules == ()
    with pytest.raises(NoRowTestError, match=re.escape(why)):
        compile_rule(expectation)


def test_an_absent_column_is_an_error_that_names_it_and_the_rule(flights: Columns) -> None:
    del flights["temp"]
    with pytest.raises(SuiteError, match=r"between is about column 'temp'.*They have: flight_id"):
        rules_of(POSSIBLE).apply(flights)


BOUNDS = "the column holds times; give bounds instead"
TEXTS = "it looks at texts, and the column holds times"


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (between("carrier", min_value=1.0), "'carrier': its bounds are numbers, .* holds texts"),
        (between("scheduled_at", min_value=1.0), "'scheduled_at': .* numbers, .* holds times"),
        (between("hour", min_value=HALF_PAST_NINE), "'hour': its bounds are times, .* holds ints"),
        (of("scheduled_at", "values_to_be_in_set", value_set=[]), BOUNDS),
        (of("scheduled_at", "values_to_match_regex", regex="a"), TEXTS),
        (pair("to_be_equal", "temp", "carrier"), "'temp' and 'carrier': .* floats with texts"),
    ],
)
def test_a_rule_that_its_column_cannot_answer_is_an_error(
    flights: Columns, expectation: tuple[str, dict[str, Any]], message: str
) -> None:
    with pytest.raises(SuiteError, match=message):
        rules_of(expectation).apply(flights)


def test_rules_can_be_checked_before_there_is_a_record() -> None:
    rules_of(POSSIBLE).check({"temp": Kind.FLOAT})
    with pytest.raises(SuiteError, match="holds texts"):
        rules_of(POSSIBLE).check({"temp": Kind.TEXT})


def test_an_array_that_is_not_canonical_is_an_error(flights: Columns) -> None:
    flights["temp"] = flights["temp"].astype(np.float32)
    with pytest.raises(SuiteError, match="'temp' is an array of float32: decode the records first"):
        rules_of(POSSIBLE).apply(flights)
