"""Commands and runs that meet."""

import json
from functools import partial
from pathlib import Path

from benchmarks._writes import start
from benchmarks.faults import told
from tests.fixtures.orders import Checkout
from tests.stateful import actions
from tests.stateful.terminal import Terminal


def test_commands_at_once_on_a_new_home_do_not_get_in_each_others_way(
    checkout: Checkout, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path / "said")
    command = (actions.lockstep, "train", "orders", "--json")
    runs = [terminal.start(*command, project=checkout.folder, home=checkout.home) for _ in range(2)]
    ends = [run.end() for run in runs]
    assert [end.status for end in ends] == [0, 0], ends
    assert {json.loads(end.output)["version"] for end in ends} == {1, 2}


def test_two_runs_of_one_partition_at_once_leave_one_of_both_whole(place, deliveries) -> None:
    runs = [start(partial(place.score, each.file)) for each in deliveries]
    ends = [run.end() for run in runs]
    assert all(end.status == 0 or "SupersededError" in end.error for end in ends), ends
    assert any(end.status == 0 for end in ends)
    (left,) = (each for each in deliveries if each.wanted == place.recorded())
    assert told(place.export) == left.content
    for each in deliveries:
        place.score(each.file)
        assert place.recorded() == each.wanted
