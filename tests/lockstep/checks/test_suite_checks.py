"""Suites as checks: rows that are set aside are a warning, more of them than may be an error."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from lockstep.checks.suite_checks import Quarantined, check_suite
from lockstep.store.results import CheckResult

BETWEEN = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "share", "min_value": 0, "max_value": 1},
    "severity": "critical",
}
MEAN = {
    "type": "expect_column_mean_to_be_between",
    "kwargs": {"column": "share", "max_value": 0.5},
    "severity": "critical",
}


def held(
    *values: float, expectations: tuple[Any, ...] = (BETWEEN,), before: int = 0
) -> CheckResult:
    """What a suite finds of shares, where some rows were set aside before."""
    columns = {"key": np.arange(len(values)), "share": np.array(values)}
    broken = sum(not 0 <= value <= 1 for value in values)
    quarantined = Quarantined(before + broken, before + len(values), len(values) - broken, 0.1)
    suite = {"name": "features", "expectations": list(expectations)}
    return check_suite(suite, columns, "key", quarantined, lambda told: None)


def test_a_row_that_is_set_aside_is_a_warning_that_names_column_and_key() -> None:
    found = held(*[0.5] * 19, 7.0)
    assert (found.passed, found.is_error, found.column) == (False, False, "share")
    assert "e.g. 19 (7). 1 of 20 rows is quarantined" in found.summary
    assert "may be quarantined" not in found.summary
    assert found.numbers["set aside"] == 1


@pytest.mark.parametrize(("broken", "before"), [((7.0, 8.0, 9.0), 0), ((7.0,), 2)])
def test_more_rows_than_may_be_set_aside_are_an_error_whether_they_were_before_or_are_now(
    broken: tuple[float, ...], before: int
) -> None:
    found = held(*[0.5] * 17, *broken, before=before)
    assert found.is_error
    assert "; at most 10 % of the rows may be quarantined" in found.summary
    assert found.summary.endswith("(max_quarantined), and 3 of 20 are (15.0 %)")


def test_rows_that_were_set_aside_before_do_not_make_a_suite_fail_that_is_met() -> None:
    assert held(*[0.5] * 17, before=3).passed


def test_an_expectation_about_the_whole_batch_looks_at_the_rows_that_are_set_aside_too() -> None:
    found = held(*[0.5] * 19, 7.0, expectations=(BETWEEN, MEAN))
    assert found.is_error
    assert "observed 0.825" in found.summary


def test_a_suite_that_is_met_passes_and_counts_its_rows() -> None:
    found = held(*[0.5] * 20)
    assert found.passed
    assert "met by 20 rows" in found.summary


def test_what_great_expectations_tells_is_kept_unless_nothing_is_expected() -> None:
    kept: list[Mapping[str, Any]] = []
    columns, none_aside = {"key": np.arange(3)}, Quarantined(0, 3, 3, 0.1)
    row_count = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    for expectations in ([], [row_count]):
        check_suite(
            {"name": "s", "expectations": expectations}, columns, "key", none_aside, kept.append
        )
    (told,) = kept
    assert (told["success"], told["statistics"]["evaluated_expectations"]) == (True, 1)


@pytest.mark.parametrize(
    ("rows", "total", "left", "too_many"),
    [
        (0, 20, 20, False),
        (2, 20, 18, False),
        (3, 20, 17, True),
        (1, 3, 2, False),  # a single row never is too many
        (1, 1, 0, True),  # unless none is left
        (1, 2, 0, True),  # such as where the other one is a duplicate
        (0, 0, 0, False),
    ],
)
def test_how_many_are_too_many(rows: int, total: int, left: int, *, too_many: bool) -> None:
    assert Quarantined(rows, total, left, 0.1).too_many is too_many
