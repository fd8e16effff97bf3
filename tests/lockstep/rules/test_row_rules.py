"""Row rules: what is compiled, what is refused, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lockstep.columns.decode import Reason
from lockstep.columns.kinds import Columns, Kind
from lockstep.errors import SuiteError
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


def why_skipped(expectation: dict[str, Any]) -> str:
    assert compile_rules({"name": "input", "expectations": [expectation]}).rules == ()
    with pytest.raises(NoRowTestError) as raised:
        compile_rule(expectation)
    return str(raised.value)


PRESENT = ("values_to_not_be_null", {"column": "temp"})
POSSIBLE = ("values_to_be_between", {"column": "temp", "min_value": -60.0, "max_value": 130.0})
KNOWN = ("values_to_be_in_set", {"column": "carrier", "value_set": ["UA", "DL"]})
ABOVE_DEW_POINT = (
    "pair_values_a_to_be_greater_than_b",
    {"column_A": "temp", "column_B": "dewp", "or_equal": True},
)


def test_a_row_that_breaks_any_rule_is_refused(flights: Columns) -> None:
    rules = rules_of(PRESENT, POSSIBLE, KNOWN)

    assert rules.apply(flights).mask.tolist() == [False, False, True, False, True, False]


def test_a_refused_row_has_all_its_reasons_in_the_order_of_the_suite(flights: Columns) -> None:
    refusals = rules_of(KNOWN, POSSIBLE).apply(flights)

    assert refusals.reasons(4) == (
        Reason(
            "carrier",
            "expect_column_values_to_be_in_set",
            "'XX' is not one of UA, DL",
            "is not one of UA, DL",
        ),
        Reason(
            "temp",
            "expect_column_values_to_be_between",
            "212 is not between -60 and 130",
            "is not between -60 and 130",
        ),
    )


def test_an_accepted_row_has_no_reasons(flights: Columns) -> None:
    assert rules_of(PRESENT, POSSIBLE, KNOWN).apply(flights).reasons(0) == ()


def test_a_column_that_is_compared_with_itself_gives_its_reason(flights: Columns) -> None:
    above_itself = {"column_A": "temp", "column_B": "temp"}
    rules = rules_of(("pair_values_a_to_be_greater_than_b", above_itself))

    assert [reason.column for reason in rules.reasons(flights, 0)] == ["temp"]


@pytest.mark.parametrize(
    ("expectation", "row", "message"),
    [
        (PRESENT, 2, "is missing"),
        (("values_to_be_null", {"column": "temp"}), 0, "39 is not missing"),
        (("values_to_be_between", {"column": "temp", "min_value": 40.0}), 3, "18 is below 40"),
        (
            ("values_to_be_between", {"column": "hour", "max_value": 23.0, "strict_max": True}),
            5,
            "23 is at least 23",
        ),
        (
            (
                "values_to_be_between",
                {"column": "scheduled_at", "max_value": "2013-01-01T09:30:00+00:00"},
            ),
            5,
            "2013-01-01T10:00Z is above 2013-01-01T09:30Z",
        ),
        (
            ("values_to_not_be_in_set", {"column": "carrier", "value_set": ["XX"]}),
            4,
            "'XX' is one of XX",
        ),
        (
            ("values_to_match_regex", {"column": "flight_id", "regex": "^UA"}),
            0,
            "'EV-1' does not match ^UA",
        ),
        (
            ("value_lengths_to_equal", {"column": "carrier", "value": 3.0}),
            0,
            "'UA' is not 3 characters long",
        ),
        (ABOVE_DEW_POINT, 3, "18 is not at least dewp (20)"),
        (ABOVE_DEW_POINT, 5, "55 is not at least dewp (missing)"),
        (
            ("pair_values_to_be_equal", {"column_A": "temp", "column_B": "dewp"}),
            0,
            "39 is not equal to dewp (28)",
        ),
    ],
)
def test_a_reason_says_what_the_value_is_and_what_it_ought_to_be(
    flights: Columns, expectation: tuple[str, dict[str, Any]], row: int, message: str
) -> None:
    (reason,) = rules_of(expectation).apply(flights).reasons(row)

    assert reason.message == message


def test_a_long_value_is_cut_in_a_reason() -> None:
    columns = {"text": np.array(["x" * 10_000], dtype=object)}
    rules = rules_of(("value_lengths_to_be_between", {"column": "text", "max_value": 5}))

    (reason,) = rules.apply(columns).reasons(0)

    assert len(reason.message) < 120


def test_a_missing_value_is_refused_only_where_it_must_not_be_missing(flights: Columns) -> None:
    assert not rules_of(POSSIBLE, KNOWN).apply(flights).mask[2]


@pytest.mark.parametrize("size", [2, 40])
def test_integers_that_floats_cannot_tell_apart_are_no_members_of_a_set(size: int) -> None:
    columns = {"seats": np.array([2**53, 2**53 + 1, 1])}
    rules = rules_of(("values_to_be_in_set", {"column": "seats", "value_set": list(range(size))}))

    assert rules.apply(columns).mask.tolist() == [True, True, False]


def test_no_rules_accept_every_row(flights: Columns) -> None:
    assert rules_of().apply(flights).mask.tolist() == [False] * 6


def test_no_rows_are_neither_refused_nor_accepted(flights: Columns) -> None:
    nothing = {name: array[:0] for name, array in flights.items()}

    assert rules_of(PRESENT, POSSIBLE, KNOWN, ABOVE_DEW_POINT).apply(nothing).mask.shape == (0,)


def test_rules_name_the_columns_that_they_need() -> None:
    assert rules_of(KNOWN, ABOVE_DEW_POINT, PRESENT).columns == ("carrier", "temp", "dewp")


def test_an_expectation_without_severity_is_critical() -> None:
    """As it is to Great Expectations."""
    name, kwargs = PRESENT
    unsaid = {"type": f"expect_column_{name}", "kwargs": kwargs}

    assert len(compile_rules({"name": "input", "expectations": [unsaid]}).rules) == 1


@pytest.mark.parametrize(
    ("name", "kwargs", "why"),
    [
        ("values_to_not_be_null", {"mostly": 0.9}, "lets some rows fail (mostly 0.9)"),
        ("values_to_not_be_null", {"row_condition": {"type": "pass_through"}}, "row condition"),
        ("values_to_be_between", {"min_value": {"$PARAMETER": "least"}}, "has a parameter"),
        ("values_to_be_between", {"min_value": 5.0, "max_value": 3.0}, "minimum is above"),
        (
            "values_to_be_between",
            {"min_value": 5.0, "max_value": "2013-01-01T00:00:00+00:00"},
            "both times or both numbers",
        ),
        ("values_to_match_regex", {"regex": "("}, "'(' is no regular expression in Python"),
        ("values_to_match_regex", {"regex": "[[:alpha:]]"}, "no character classes"),
        ("values_to_be_in_set", {"value_set": [2**53 + 1]}, "floats are not exact"),
        ("mean_to_be_between", {"min_value": 0.0}, "no row rule for its type"),
        ("values_to_be_unique", {}, "no row rule for its type"),
    ],
)
def test_what_cannot_be_a_row_rule_is_skipped_with_the_reason(
    name: str, kwargs: dict[str, Any], why: str
) -> None:
    kwargs = {"column": "temp", **kwargs}

    assert why in why_skipped({"type": f"expect_column_{name}", "kwargs": kwargs})


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_what_is_not_critical_refuses_no_row(severity: str) -> None:
    name, kwargs = PRESENT
    lenient = {"type": f"expect_column_{name}", "kwargs": kwargs, "severity": severity}

    assert severity in why_skipped(lenient)


def test_an_absent_column_is_an_error_that_names_it_and_the_rule(flights: Columns) -> None:
    del flights["temp"]

    with pytest.raises(SuiteError, match=r"between is about column 'temp'.*They have: flight_id"):
        rules_of(POSSIBLE).apply(flights)


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (
            ("values_to_be_between", {"column": "carrier", "min_value": 1.0}),
            "'carrier': its bounds are numbers, and the column holds texts",
        ),
        (
            ("values_to_be_between", {"column": "scheduled_at", "min_value": 1.0}),
            "'scheduled_at': its bounds are numbers, and the column holds times",
        ),
        (
            (
                "values_to_be_between",
                {"column": "hour", "min_value": "2013-01-01T00:00:00+00:00"},
            ),
            "'hour': its bounds are times, and the column holds ints",
        ),
        (
            ("values_to_be_in_set", {"column": "scheduled_at", "value_set": []}),
            "the column holds times; give bounds instead",
        ),
        (
            ("values_to_match_regex", {"column": "scheduled_at", "regex": "a"}),
            "it looks at texts, and the column holds times",
        ),
        (
            ("pair_values_to_be_equal", {"column_A": "temp", "column_B": "carrier"}),
            "'temp' and 'carrier': it compares floats with texts",
        ),
    ],
)
def test_a_rule_that_its_column_cannot_answer_is_an_error(
    flights: Columns, expectation: tuple[str, dict[str, Any]], message: str
) -> None:
    with pytest.raises(SuiteError, match=message):
        rules_of(expectation).apply(flights)


def test_rules_can_be_checked_before_there_is_a_record() -> None:
    rules = rules_of(POSSIBLE)

    rules.check({"temp": Kind.FLOAT})
    with pytest.raises(SuiteError, match="holds texts"):
        rules.check({"temp": Kind.TEXT})


def test_an_array_that_is_not_canonical_is_an_error(flights: Columns) -> None:
    flights["temp"] = flights["temp"].astype(np.float32)

    with pytest.raises(
        SuiteError, match=r"'temp' is an array of float32: decode the records first"
    ):
        rules_of(POSSIBLE).apply(flights)
