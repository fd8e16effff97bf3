"""Commands that meet."""

import json
from pathlib import Path

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
