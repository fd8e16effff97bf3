"""Check results: a check that breaks is one that failed."""

import errno
from typing import NoReturn

import pytest

from lockstep.checks.check_results import CheckResult, carry_out
from lockstep.errors import LockstepError


def raising(error: BaseException) -> CheckResult:
    def check() -> NoReturn:
        raise error

    return carry_out(check)


def test_a_check_that_breaks_is_recorded_as_failed_with_its_error() -> None:
    found = raising(KeyError("missing"))
    assert found.is_error
    assert found.summary == "The check itself broke: KeyError: 'missing'"
    assert "KeyError" in found.notes["traceback"]


def test_a_check_that_cannot_be_carried_out_says_why_without_a_traceback() -> None:
    found = raising(LockstepError("the registry does not answer"))
    assert found.is_error
    assert found.summary == "The check could not be carried out: the registry does not answer"
    assert found.notes == {}


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        *(OSError(number, "", "a.json") for number in (errno.ENOSPC, errno.EROFS, errno.EIO)),
    ],
    ids=repr,
)
def test_an_interrupt_and_a_disk_at_fault_are_no_findings_of_a_check(error: BaseException) -> None:
    with pytest.raises(type(error)):
        raising(error)


def test_a_file_that_is_refused_is_a_finding() -> None:
    assert raising(PermissionError(errno.EACCES, "Permission denied", "/etc/somewhere")).is_error


@pytest.mark.parametrize(
    ("passed", "severity", "result"),
    [(True, "ERROR", "passed"), (False, "WARN", "warned"), (False, "ERROR", "failed")],
)
def test_what_was_judged_has_a_result_in_a_word_and_only_failed_is_an_error(
    passed: bool, severity: str, result: str
) -> None:
    found = CheckResult(passed, "", severity)
    assert (found.result, found.is_error) == (result, result == "failed")


def test_what_was_not_judged_is_neither_passed_nor_an_error() -> None:
    found = CheckResult.not_judged("There is no champion yet.")
    assert (found.passed, found.is_error, found.result) == (False, False, "not_judged")
    assert found.summary == "There is no champion yet."
