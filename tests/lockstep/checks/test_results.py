"""Check results: a check that breaks is one that failed, and details stay bounded."""

import dagster as dg
import pytest

from lockstep.checks.results import CheckResult, carry_out
from lockstep.columns.errors import LockstepError
from lockstep.dagster.checks import result, table_metadata


def test_a_check_that_breaks_is_recorded_as_failed_with_its_error() -> None:
    def broken() -> CheckResult:
        return CheckResult(passed={}["missing"], summary="never reached")

    found = carry_out(broken)
    assert found.is_error
    assert found.summary == "The check itself broke: KeyError: 'missing'"
    assert "KeyError" in found.notes["traceback"]


def test_a_check_that_cannot_be_carried_out_says_why_without_a_traceback() -> None:
    def impossible() -> CheckResult:
        raise LockstepError("the registry does not answer")

    found = carry_out(impossible)
    assert found.is_error
    assert found.summary == "The check could not be carried out: the registry does not answer"
    assert found.notes == {}


def test_an_interrupt_is_no_finding_of_a_check() -> None:
    def interrupted() -> CheckResult:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(interrupted)


@pytest.mark.parametrize(
    ("passed", "severity", "is_error"),
    [(True, "ERROR", False), (False, "WARN", False), (False, "ERROR", True)],
)
def test_only_a_failure_of_severity_error_is_an_error(
    passed: bool, severity: str, is_error: bool
) -> None:
    assert CheckResult(passed, "", severity).is_error is is_error


def test_a_long_table_is_cut() -> None:
    table = table_metadata([{"row": row} for row in range(1000)])
    assert len(table.records) == 50


def test_a_table_tells_the_type_of_each_column() -> None:
    rows = [
        {"name": "a", "count": 1, "share": 0.5, "hit": True, "none": None},
        {"name": "b", "count": 2, "share": 1, "hit": False, "none": None},
    ]
    types = {column.name: column.type for column in table_metadata(rows).schema.columns}
    assert types == {
        "name": "string",
        "count": "int",
        "share": "float",
        "hit": "bool",
        "none": "string",
    }


def test_figures_that_are_not_finite_are_left_out() -> None:
    found = CheckResult(True, "", numbers={"auc": float("nan"), "rows": 3})
    assert set(result("quality", found).metadata) == {"rows"}


def test_values_that_are_not_finite_are_shown_as_text() -> None:
    table = table_metadata([{"auc": float("nan")}, {"auc": 0.5}])
    assert [record.data["auc"] for record in table.records] == ["nan", 0.5]


def test_the_column_that_is_named_is_metadata_of_its_own() -> None:
    told = result("sudden_shift", CheckResult(False, "temp jumped", "WARN", column="temp"))
    assert told.metadata["column"].value == "temp"
    assert told.severity is dg.AssetCheckSeverity.WARN
    assert told.description == "temp jumped"
