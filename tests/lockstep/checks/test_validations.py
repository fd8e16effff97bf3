"""Validations: an attempt says what it lacks of what Great Expectations tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.orders import ASSETS
from lockstep.checks.streams import stream_records
from lockstep.checks.validations import Validations, validations
from lockstep.errors import NotStoredError
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult

DAY = "2020-03-01"


def attempted(folder: Path, found: CheckResult) -> Validations:
    """An attempt whose input suite was told so, of which nothing else is kept."""
    store = Store(folder)
    with stream_records(ASSETS, store, "daily").step(DAY, "batch", "run") as attempt:
        attempt.keep("batch", StepRecord(results={"input_suite": found}))
    held = validations(ASSETS, store, DAY)
    assert held is not None
    return held


def test_an_attempt_of_an_older_lockstep_says_so_and_what_to_do(tmp_path: Path) -> None:
    held = attempted(tmp_path, CheckResult(True, "All are met."))
    assert held.results == {}
    with pytest.raises(NotStoredError, match=r"for input_suite: an older Lockstep.*score orders"):
        held.demand_all()


def test_an_attempt_that_held_no_suite_against_its_rows_says_so(tmp_path: Path) -> None:
    held = attempted(tmp_path, CheckResult.not_judged("There are no rows."))
    with pytest.raises(NotStoredError, match="has held no suite"):
        held.demand_all()


def test_a_partition_at_which_there_was_no_attempt_has_none(tmp_path: Path) -> None:
    assert validations(ASSETS, Store(tmp_path), DAY) is None
