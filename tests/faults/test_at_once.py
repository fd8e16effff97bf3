"""Commands and runs that meet."""

import json
from functools import partial
from pathlib import Path

import pytest

from tests.fixtures.recorded import content_of
from tests.fixtures.terminal import Terminal, lockstep
from tests.fixtures.writes import start
from tests.stateful import deeds
from tests.stateful.deliveries import write_history
from tests.stateful.observations import aliases, versions
from tests.stateful.site import Site, make_checkouts

pytestmark = pytest.mark.long


def test_commands_at_once_on_a_new_home_do_not_get_in_each_others_way(
    tmp_path: Path, terminal: Terminal
) -> None:
    home = tmp_path / "home"
    make_checkouts(tmp_path)
    write_history(home / "upstream" / "history.jsonl")
    command = (lockstep, "train", "meters", "--json")
    runs = [terminal.start(*command, project=tmp_path / "plain", home=home) for _ in range(2)]
    ends = [run.end() for run in runs]
    # Whose training began first has a version too; it does not count if the other one was faster.
    told = [json.loads(end.output) for end in ends]
    assert 0 in [end.status for end in ends], told
    for end, answer in zip(ends, told, strict=True):
        assert end.status == 0 or "began later and counts already" in str(answer), answer
    assert versions(home).keys() == {1, 2}


def test_two_runs_of_one_partition_at_once_leave_one_of_both_whole(place, deliveries) -> None:
    runs = [start(partial(place.score, each.file)) for each in deliveries]
    ends = [run.end() for run in runs]
    assert all(end.status == 0 or "SupersededError" in end.error for end in ends), ends
    assert any(end.status == 0 for end in ends)
    (left,) = (each for each in deliveries if each.wanted == place.recorded())
    assert content_of(place.export) == left.content
    for each in deliveries:
        place.score(each.file)
        assert place.recorded() == each.wanted


def test_of_two_promotions_at_once_one_is_overtaken(site: Site) -> None:
    site.edition = "edited"  # both versions are sound in it
    for first, second in ((1, 2), (2, 1)):
        ends = site.do(deeds.promote(first), deeds.promote(second))
        through, overtaken = sorted(ends, key=lambda end: end.status)
        assert through.status == 0, through
        assert overtaken.status != 0, overtaken
        assert "was overtaken: version" in overtaken.output + overtaken.errors
        found = aliases(site.home)
        assert found["champion"] == found["live"] == json.loads(through.output)["live"]
