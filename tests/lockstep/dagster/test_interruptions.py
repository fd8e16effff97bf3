"""Runs that are killed, and runs that meet: nothing is half-written, and all can be run again."""

import json
import os
import time
from pathlib import Path

import pytest

from lockstep.scoring.records import Records

DAY = "2020-03-01"
SCORE = ("score", "orders", "--day", DAY, "--json")
LONGEST_SECONDS = 60


def recorded_steps(records: Records) -> set[str]:
    """The steps that are recorded of any attempt, each with all its files as they were written."""
    found: set[str] = set()
    for attempt in records.newest_first(DAY):
        attempt.verify()
        found |= set(attempt.record.steps)
    return found


def is_there(folder: Path, name: str) -> bool:
    """Whether a file is below a folder; what is moved away meanwhile is passed over."""
    return any(name in files for _, _, files in os.walk(folder))


@pytest.mark.parametrize("stage", ["batch", "scored"])
def test_a_run_that_is_killed_leaves_no_half_file_and_can_be_run_again(
    live, checkout, stage: str
) -> None:
    run = checkout.start_lockstep(*SCORE)
    until = time.monotonic() + LONGEST_SECONDS
    folder = live.records().root
    while not is_there(folder, f"{stage}.parquet") and time.monotonic() < until:
        time.sleep(0.001)
    run.kill()
    run.communicate()
    assert run.returncode != 0
    assert "published" not in recorded_steps(live.records())
    assert not live.store.has("daily/published", DAY)
    assert live.score(DAY).ok
    assert live.store.row_count("daily/published", DAY) == 120


def test_runs_of_one_day_at_once_leave_a_day_that_is_whole(live, checkout) -> None:
    runs = [checkout.start_lockstep(*SCORE) for _ in range(2)]
    answers = [run.communicate(timeout=LONGEST_SECONDS) for run in runs]
    superseded = [out for run, (out, _) in zip(runs, answers, strict=True) if run.returncode]
    assert all("began later and counts already" in out for out in superseded), answers
    assert len(superseded) < 2
    assert "published" in recorded_steps(live.records())
    assert live.store.row_count("daily/published", DAY) == 120


def test_commands_at_once_on_a_new_home_do_not_get_in_each_others_way(checkout) -> None:
    runs = [checkout.start_lockstep("train", "orders", "--json") for _ in range(2)]
    answers = [run.communicate(timeout=LONGEST_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert {json.loads(out)["version"] for out, _ in answers} == {1, 2}
