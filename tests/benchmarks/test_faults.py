"""What the benchmark of faults makes of what it finds."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.faults import SHARES, Tally, order_of
from tests.fixtures.recorded import Recorded

pytestmark = pytest.mark.long

WHOLE = Recorded(
    tables={
        "batch_quarantine": {"row": ["1"]},
        "scored_quarantine": {"row": []},
        "published": {"risk": ["0.5", "0.25"], "version": ["1", "1"]},
    },
    counts={"batch": {"rows_in": 3, "quarantined": 1}, "scored": {"quarantined": 0}},
    figures={},
    consumers={"risk": ["0.5", "0.25"], "version": ["1", "1"]},
)


def test_every_kind_of_kill_has_its_share_from_the_first_on() -> None:
    order = order_of(sum(SHARES.values()))
    assert Counter(order) == Counter(SHARES)
    assert {*SHARES} - set(order[:20]) == {"daemon"}


def test_a_rerun_like_the_undisturbed_run_is_identical_and_loses_nothing() -> None:
    tally = Tally()
    tally.compare("run 0", WHOLE, WHOLE)
    tally.look("run 0", "")
    assert tally == Tally(kills=1, identical=1)


def test_a_row_that_is_lost_and_a_reader_of_a_part_are_told_with_the_kill() -> None:
    lacking = replace(WHOLE, consumers={"risk": ["0.5"], "version": ["1"]})
    tally = Tally()
    tally.compare("run 7", lacking, WHOLE)
    tally.look("run 7", "file: rows of 2 runs")
    problems = ["run 7: the rerun differs", "run 7: file: rows of 2 runs"]
    assert tally == Tally(kills=1, lost_rows=1, partial_reads=1, problems=problems)
    assert (tally + tally).lost_rows == 2
