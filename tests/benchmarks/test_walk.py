"""What a walk lists of the functions that a piece of work calls."""

import pytest

from benchmarks.walk import report, walk
from lockstep.columns.plain import counted, verb

pytestmark = pytest.mark.long


def test_functions_are_listed_once_in_the_order_of_their_first_call() -> None:
    called = walk(lambda: [counted(1, "row"), verb(1, "is", "are"), counted(2, "row")])

    assert [code.co_name for code in called] == ["counted", "verb"]


def test_a_report_counts_files_and_functions_by_package() -> None:
    called = walk(lambda: [counted(1, "row"), verb(1, "is", "are")])

    total, package, *each = report(called, each=True)

    assert total.startswith("1 files, 2 functions")
    assert package.split() == ["columns", "1", "files", "2", "functions"]
    assert [line.partition(" ")[2] for line in each] == ["counted", "verb"]
