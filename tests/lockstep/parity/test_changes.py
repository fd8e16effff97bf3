"""Lasting changes: each is told once, when it begins."""

import json
from dataclasses import asdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.parity.changes import PATIENCE, Changes

QUIET, AT_LIMIT = 0.0, 1.0


@pytest.mark.parametrize(
    ("shares", "when"),
    [
        pytest.param([0.4] * 100, [], id="usual batches begin none"),
        pytest.param([QUIET, *[AT_LIMIT] * 50], [PATIENCE], id="once it lasts at the limit"),
        pytest.param([QUIET, AT_LIMIT, *[QUIET] * 50], [], id="one batch at the limit is none"),
        pytest.param([QUIET, 2.0, QUIET], [1], id="one batch twice as far, at once"),
        pytest.param([0.75] * 20, [5], id="a small one that goes on for long"),
        pytest.param(
            [AT_LIMIT] * 5 + [QUIET] * 5 + [AT_LIMIT] * 5, [2, 12], id="again, if it had ended"
        ),
        pytest.param(
            [AT_LIMIT] * 5 + [QUIET] * 2 + [AT_LIMIT] * 5, [2], id="a short pause does not end it"
        ),
    ],
)
def test_a_change_is_told_when_it_begins(shares, when):
    changes, found = Changes("v"), []
    for number, share in enumerate(shares):
        changes = changes.after(str(number), {"temp": share})
        if changes.beginning(str(number)):
            found.append(number)
    assert found == when


def test_however_long_it_lasted_a_change_ends_soon():
    changes = Changes("v")
    for number in range(1000):
        changes = changes.after(str(number), {"temp": 5.0})
    for number in range(PATIENCE):
        changes = changes.after(f"later {number}", {"temp": QUIET})
    assert changes.columns == {}


def test_it_is_known_since_when_how_long_and_how_far():
    changes = Changes("v")
    for batch, share in (("a", 0.1), ("b", 0.9), ("c", 1.4), ("d", 0.9)):
        changes = changes.after(batch, {"temp": share})
    change = changes.columns["temp"]
    assert (change.since, change.batches, change.farthest, change.begun) == ("b", 3, 1.4, "d")


def test_what_is_new_is_told_first_and_what_goes_on_not_again():
    changes = Changes("v").after("1", {"temp": 3.0, "carrier": QUIET})
    changes = changes.after("2", {"temp": 3.0, "carrier": 2.5})
    assert (changes.beginning("2"), changes.lasting) == (["carrier"], ["temp", "carrier"])


def test_columns_that_have_added_up_for_long_are_told_with_the_first_one():
    changes = Changes("v")
    for batch in ("1", "2"):
        changes = changes.after(batch, {"temp": 0.75, "dewp": QUIET, "wind": QUIET})
    changes = changes.after("3", {"temp": 0.75, "dewp": 2.0, "wind": 1.2})
    assert changes.beginning("3") == ["dewp", "temp"]
    changes = changes.after("4", {"temp": 2.0, "dewp": 2.0, "wind": 1.2})
    assert changes.beginning("4") == []


def test_a_column_that_is_not_judged_stays_as_it_was():
    changes = Changes("v").after("1", {"temp": 1.2})
    assert changes.after("2", {}).columns == changes.columns


def test_they_are_read_as_they_were_written():
    changes = Changes("v").after("1", {"temp": 3.0, "dewp": 0.9})
    assert msgspec.convert(json.loads(json.dumps(asdict(changes))), Changes) == changes


@given(shares=st.lists(st.floats(-2, 5), max_size=60))
def test_between_two_times_that_a_change_is_told_it_was_over(shares):
    changes, is_over = Changes("v"), True
    for number, share in enumerate(shares):
        changes = changes.after(str(number), {"temp": share})
        if changes.beginning(str(number)):
            assert is_over
            is_over = False
        is_over |= "temp" not in changes.columns


@pytest.mark.parametrize("batches", [1, 10])
def test_the_sum_never_exceeds_what_tells_a_change(batches):
    changes = Changes("v")
    for number in range(batches):
        changes = changes.after(str(number), {"temp": 100.0})
    assert changes.columns["temp"].sum == PATIENCE * 0.5
