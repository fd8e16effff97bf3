"""Partition records: a later stage goes on only from one that nothing blocks."""

from pathlib import Path

import pytest

from lockstep.checks.results import CheckResult
from lockstep.checks.specs import INPUT_DRIFT, INPUT_SUITE, SUDDEN_SHIFT
from lockstep.scoring.records import (
    BlockedError,
    PartitionRecord,
    blocking,
    demand_unblocked,
    read_record,
    write_record,
)
from lockstep.scoring.store import Store

DAY = "2020-03-01"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_partition_record_comes_back_as_it_was_written(store: Store) -> None:
    record = PartitionRecord({"rows_in": 3}, {}, "7")
    write_record(store, "daily/batch", DAY, record)
    assert read_record(store, "daily/batch", DAY) == record


def test_a_stage_that_has_not_run_blocks_and_says_what_to_do(store: Store) -> None:
    with pytest.raises(BlockedError, match=f"daily/batch of {DAY} has not been materialized"):
        demand_unblocked(store, "daily/batch", DAY)


def test_a_blocked_stage_says_by_what(store: Store) -> None:
    write_record(store, "daily/batch", DAY, PartitionRecord({}, {"input_suite": "no rows"}, "7"))
    with pytest.raises(BlockedError, match="is blocked by input_suite: no rows"):
        demand_unblocked(store, "daily/batch", DAY)


def test_a_later_run_that_passes_lifts_the_block(store: Store) -> None:
    write_record(store, "daily/batch", DAY, PartitionRecord({}, {"input_suite": "no rows"}, "7"))
    write_record(store, "daily/batch", DAY, PartitionRecord({"rows_in": 3}, {}, "7"))
    assert demand_unblocked(store, "daily/batch", DAY).counts == {"rows_in": 3}


def test_only_errors_of_blocking_checks_block() -> None:
    check_results = {
        "input_suite": CheckResult(False, "no rows"),
        "sudden_shift": CheckResult(False, "accepted", "WARN"),
        "input_drift": CheckResult(False, "drifted"),
    }
    found = blocking((INPUT_SUITE, SUDDEN_SHIFT, INPUT_DRIFT), check_results)
    assert found == {"input_suite": "no rows"}
