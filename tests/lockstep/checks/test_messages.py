"""Results of checks, and the three lines in which a failure is told."""

import errno
from dataclasses import replace
from typing import NoReturn

import pytest

from lockstep.checks.check_results import carry_out
from lockstep.checks.messages import Message, Place, told_of
from lockstep.errors import LockstepError
from lockstep.store.results import CheckResult


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


DAY = Place("orders/daily/batch", "2020-03-01")
FILE = Place("orders/inbox/scored", "new orders-0123456789ab.csv")


def test_a_failure_is_three_lines_what_where_and_what_to_do() -> None:
    found = CheckResult(False, "price jumped.", column="price", also=("cost",), keys=("a1", "b2"))
    assert str(Message.of("sudden_shift", found, DAY)).splitlines() == [
        "price jumped.",
        "Where: column price; also cost; keys a1, b2",
        "What to do: Ask upstream what changed in the named column. If it was a mistake, have it "
        "corrected, then: `lockstep score orders --day 2020-03-01`. If the change is meant to "
        "stay, accept it: `lockstep score orders --day 2020-03-01 --accept price`, or by the "
        "names of its findings. It stays accepted, as far as it went and as much again, until a "
        "version goes live that was trained after it.",
    ]


def test_a_check_that_knows_better_says_what_to_do_itself() -> None:
    found = CheckResult(False, "It broke.", todo="Mend it: AGAIN")
    assert Message.of("decoding", found, DAY).todo == (
        "Mend it: `lockstep score orders --day 2020-03-01`"
    )


def test_where_nothing_else_is_known_the_asset_is_where() -> None:
    place = Place("orders/candidate")
    assert Message.of("quality", CheckResult(False, "Bad."), place).where == "orders/candidate"


def test_of_a_file_commands_name_the_file_as_a_shell_reads_it() -> None:
    found = CheckResult(False, "Bad.", keys=("it's",))
    assert told_of("`lockstep trace PIPELINE --day DAY --key KEY`", FILE, found) == (
        "`lockstep trace orders --file 'new orders-0123456789ab.csv' --key 'it'\"'\"'s'`"
    )


@pytest.mark.parametrize(
    ("place", "then"),
    [
        (
            FILE,
            "drop the corrected file into the inbox; the same content again: `lockstep score "
            "orders --file 'new orders-0123456789ab.csv'`",
        ),
        (
            replace(FILE, file="../new orders.csv"),
            "`lockstep score orders --file '../new orders.csv'`",
        ),
    ],
    ids=["another file of the inbox", "a file that somebody named"],
)
def test_a_file_whose_rows_were_corrected_is_scored_again(place: Place, then: str) -> None:
    todo = Message.of("input_suite", CheckResult(False, "Bad."), place).todo
    assert todo.endswith(f"hen: {then}")


@pytest.mark.parametrize(
    ("asset", "command"),
    [
        ("orders/history", "lockstep train orders"),
        ("orders/champion", "lockstep promote orders"),
        ("orders/outcomes", "lockstep outcomes orders --day DAY"),
        ("orders/inbox/scored", "lockstep score orders --file FILE"),
        ("orders/requests", "lockstep replay orders --segment SEGMENT"),
    ],
)
def test_what_was_checked_is_made_anew_by_a_command_of_its_own(asset: str, command: str) -> None:
    assert Place(asset).again == command


def test_the_page_of_a_result_names_its_partition_and_without_one_the_check() -> None:
    page = "/assets/orders/daily/batch?view=checks&checkDetail=decoding"
    assert Place("orders/daily/batch").page("decoding") == page
    assert Place("orders/daily/batch").page("record") == "/assets/orders/daily/batch?view=checks"
    page = "/assets/orders/inbox/batch?view=events&partitions%5B0%5D=a%26b%20c.csv"
    assert Place("orders/inbox/batch", "a&b c.csv").page("decoding") == page
