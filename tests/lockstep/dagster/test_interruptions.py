"""Runs that are killed, and runs that meet: nothing is half-written, and all can be run again."""

import json
import time
from pathlib import Path

import pytest
from pyarrow import parquet

DAY = "2020-03-01"
SCORE = ("score", "orders", "--day", DAY, "--json")
LONGEST_SECONDS = 60


def sound_files(folder: Path) -> list[str]:
    """The stages that have written a file; all files that are in place are read as a whole."""
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    return [
        path.parent.name
        for path in folder.rglob("*.parquet")
        if parquet.read_table(path) is not None
    ]


@pytest.mark.parametrize("stage", ["batch", "scored"])
def test_a_run_that_is_killed_leaves_no_half_file_and_can_be_run_again(
    live, checkout, stage: str
) -> None:
    run = checkout.start_lockstep(*SCORE)
    folder = live.store.root / "daily"
    until = time.monotonic() + LONGEST_SECONDS
    while not (folder / stage).exists() and time.monotonic() < until:
        time.sleep(0.001)
    run.kill()
    run.communicate()
    assert run.returncode != 0
    assert "published" not in sound_files(folder)
    assert live.score(DAY).ok
    assert live.store.row_count("daily/published", DAY) == 120


def test_runs_of_one_day_at_once_leave_a_day_that_is_whole(live, checkout) -> None:
    runs = [checkout.start_lockstep(*SCORE) for _ in range(2)]
    answers = [run.communicate(timeout=LONGEST_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert "published" in sound_files(live.store.root / "daily")
    assert live.store.row_count("daily/published", DAY) == 120


def test_commands_at_once_on_a_new_home_do_not_get_in_each_others_way(checkout) -> None:
    runs = [checkout.start_lockstep("train", "orders", "--json") for _ in range(2)]
    answers = [run.communicate(timeout=LONGEST_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert {json.loads(out)["version"] for out, _ in answers} == {1, 2}
