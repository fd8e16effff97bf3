"""Messages: a failure is told in three lines, which are read back as they were written."""

from dataclasses import replace

import pytest

from lockstep.checks.check_results import CheckResult
from lockstep.checks.messages import Message, Place, told_of

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
    assert Message.of("quality", CheckResult(False, "Bad."), Place("orders/candidate")).where == (
        "orders/candidate"
    )


def test_of_a_file_commands_name_the_file_as_a_shell_reads_it() -> None:
    found = CheckResult(False, "Bad.", keys=("it's",))
    todo = "`lockstep trace PIPELINE --day DAY --key KEY`"
    assert told_of(todo, FILE, found) == (
        "`lockstep trace orders --file 'new orders-0123456789ab.csv' --key 'it'\"'\"'s'`"
    )


def test_rows_of_a_file_that_were_corrected_are_another_file() -> None:
    todo = Message.of("input_suite", CheckResult(False, "Bad."), FILE).todo
    assert todo.endswith(
        "Then: drop the corrected file into the inbox; the same content again: `lockstep score "
        "orders --file 'new orders-0123456789ab.csv'`"
    )


def test_a_file_that_somebody_named_is_scored_again_by_that_name_once_it_is_corrected() -> None:
    place = replace(FILE, file="../new orders.csv")
    todo = Message.of("input_suite", CheckResult(False, "Bad."), place).todo
    assert todo.endswith("Then: `lockstep score orders --file '../new orders.csv'`")


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
