"""Commands and runs that meet."""

import json
from functools import partial

from benchmarks._writes import start
from benchmarks.faults import told

LONGEST_SECONDS = 60


def test_commands_at_once_on_a_new_home_do_not_get_in_each_others_way(checkout) -> None:
    runs = [checkout.start_lockstep("train", "orders", "--json") for _ in range(2)]
    answers = [run.communicate(timeout=LONGEST_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert {json.loads(out)["version"] for out, _ in answers} == {1, 2}


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
