"""Check results: a check that breaks is one that failed."""

import errno

import pytest

from lockstep.checks.check_results import CheckResult, carry_out
from lockstep.errors import LockstepError


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_at_fault_is_no_finding_of_a_check(number: int) -> None:
    def keeps_what_it_found() -> CheckResult:
        raise OSError(number, "a disk's words", "validation.json")

    with pytest.raises(OSError, match="validation"):
        carry_out(keeps_what_it_found)


def test_a_file_that_is_refused_is_a_finding() -> None:
    def refused() -> CheckResult:
        raise PermissionError(errno.EACCES, "Permission denied", "/etc/somewhere")

    assert carry_out(refused).is_error


@pytest.mark.parametrize(
    ("passed", "severity", "is_error"),
    [(True, "ERROR", False), (False, "WARN", False), (False, "ERROR", True)],
)
def test_only_a_failure_of_severity_error_is_an_error(
    passed: bool, severity: str, is_error: bool
) -> None:
    assert CheckResult(passed, "", severity).is_error is is_error


def test_what_was_not_judged_is_neither_passed_nor_an_error() -> None:
    found = CheckResult.not_judged("There is no champion yet.")
    assert (found.passed, found.is_error, found.result) == (False, False, "not_judged")
    assert found.summary == "There is no champion yet."


@pytest.mark.parametrize(
    ("passed", "severity", "result"),
    [(True, "ERROR", "passed"), (False, "WARN", "warned"), (False, "ERROR", "failed")],
)
def test_what_was_judged_has_a_result_in_a_word(passed: bool, severity: str, result: str) -> None:
    assert CheckResult(passed, "", severity).result == result
