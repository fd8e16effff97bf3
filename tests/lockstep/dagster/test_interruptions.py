"""Commands that meet."""

import json

LONGEST_SECONDS = 60


def test_commands_at_once_on_a_new_home_do_not_get_in_each_others_way(checkout) -> None:
    runs = [checkout.start_lockstep("train", "orders", "--json") for _ in range(2)]
    answers = [run.communicate(timeout=LONGEST_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], answers
    assert {json.loads(out)["version"] for out, _ in answers} == {1, 2}
