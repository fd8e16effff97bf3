"""Scoring, training and promotion, killed at one write after the other.

A few of the writes are tried, from the first to the last. `Site` states what must hold; a test here
is no more than what was done.
"""

from collections.abc import Callable
from itertools import count

import pytest

from lockstep.artifacts.pointers import read_live
from lockstep.project.home import Home
from lockstep.registry.live import Live
from tests.fixtures.terminal import Ended
from tests.stateful.deeds import Partition
from tests.stateful.observations import live_version, newest_attempt, unshown
from tests.stateful.site import Site

pytestmark = pytest.mark.long

FEW = 2
"""How often something is killed."""
FIRST, SECOND = ("daily", "2020-03-01"), ("daily", "2020-03-02")
OTHER, LIVE = 1, 2
"""Version 2 is live before a test, and 1 is sound and never was."""


def kill_at_some_writes(do: Callable[[int | None], Ended], then: Callable[[], object]) -> None:
    """Do something to its end, and again and again, each time killed before another write."""
    writes = do(None).writes
    assert writes is not None
    then()
    every = -(-writes // FEW)
    killed = 0
    for last_write in range(every // 2 + 1, writes + 1, every):
        killed += do(last_write).was_killed
        then()
    assert killed > 0


def test_scoring_is_killed_at_any_write(site: Site) -> None:
    """Consumers read what was published before, or all of the new; other days are as they were."""
    site.deliver("2020-03-01")
    site.score(FIRST)

    def score(last_write: int | None) -> Ended:
        site.deliver("2020-03-01", turn=last_write or 0)
        return site.score(FIRST, last_write=last_write)

    def go_on() -> None:
        site.materialize("published", FIRST)
        site.deliver("2020-03-02")
        assert site.score(SECOND).status == 0

    kill_at_some_writes(score, go_on)


def test_a_day_that_counts_is_shown_by_the_next_run_whatever_write_it_was_killed_at(
    site: Site,
) -> None:
    for _, day in (FIRST, SECOND):
        site.deliver(day)
    site.score(FIRST)
    writes = site.score(FIRST).writes
    assert writes is not None
    left = 0
    for last_write in count(writes - 4):
        site.deliver("2020-03-01", turn=last_write)
        if not site.score(FIRST, last_write=last_write).was_killed:
            break
        left += len(unshown(site.home))
        assert site.score(SECOND).status == 0
        assert unshown(site.home) == set()
    assert left > 0, "no kill met the time between the record and what is shown of it"


def test_scoring_of_what_is_faulty_is_killed_at_any_write(site: Site) -> None:
    """Nobody publishes it by materializing `published` alone, and the checks tell of it."""
    site.deliver("2020-03-01")
    site.score(FIRST)
    site.deliver("2020-03-01", "far row")

    def score(last_write: int | None) -> Ended:
        before = newest_attempt(site.home, *FIRST)
        ended = site.score(FIRST, last_write=last_write)
        if newest_attempt(site.home, *FIRST) != before:
            assert site.look_at_checks().status == 1, "it broke off untold"
        return ended

    kill_at_some_writes(score, lambda: site.materialize("published", FIRST))


def test_scoring_of_a_file_is_killed_at_any_write(site: Site) -> None:
    """A file is scored in a second attempt, and so are those that come after it."""

    def score(last_write: int | None) -> Ended:
        return site.score(site.send("first", turn=last_write or 0), last_write=last_write)

    def go_on() -> None:
        assert site.score(site.send("second", turn=len(site.ledger.tried))).status == 0

    kill_at_some_writes(score, go_on)


def test_a_look_into_the_inbox_is_killed_at_any_write(site: Site) -> None:
    """The next look takes up what was claimed, and each file is published once."""

    def take_in(last_write: int | None) -> Ended:
        dropped.append(site.drop("first", turn=last_write or 0))
        return site.take_in(last_write=last_write)

    def go_on() -> None:
        assert site.take_in().status == 0
        assert set(dropped) <= site.ledger.seen.keys()

    dropped: list[Partition] = []
    kill_at_some_writes(take_in, go_on)


def test_one_of_two_that_score_a_day_is_killed_at_any_write(site: Site) -> None:
    """The other one, or whoever comes after it, has the day to itself."""
    site.deliver("2020-03-01")

    def score(last_write: int | None) -> Ended:
        killed, _ = site.do(site.scoring(FIRST), site.scoring(FIRST), last_write=last_write)
        return killed

    def go_on() -> None:
        assert site.score(FIRST).status == 0

    kill_at_some_writes(score, go_on)


def test_training_is_killed_at_any_write(site: Site) -> None:
    """What is live scores on, and no version serves that was not checked to the end."""
    site.deliver("2020-03-01")

    def go_on() -> None:
        assert site.score(FIRST).status == 0
        half_made = [one for one in site.versions if one > LIVE]
        if half_made:
            site.promote(half_made[-1])
            site.promote(LIVE)

    kill_at_some_writes(lambda last_write: site.train(last_write=last_write), go_on)


def test_promotion_is_killed_at_any_write(site: Site) -> None:
    """The version before or the new one is live, and scores."""
    site.edition = "edited"
    site.deliver("2020-03-01")

    def go_on() -> None:
        assert site.score(FIRST).status == 0
        assert site.promote(LIVE).status == 0

    kill_at_some_writes(lambda last_write: site.promote(OTHER, last_write=last_write), go_on)


def test_a_version_goes_live_or_does_not_whatever_write_the_gate_is_killed_at(site: Site) -> None:
    path = site.home / "live" / "meters.json"
    site.go_live(OTHER)  # the first one leaves something that the others find
    writes = site.go_live(LIVE).writes
    assert writes is not None
    for last_write in range(1, writes + 1):
        before = read_live(path)
        assert before is not None
        killed = site.go_live(LIVE + OTHER - before.version, last_write=last_write)
        assert killed.was_killed
        decided = live_version(site.home)
        # Whoever is about to serve carries to its end what was decided.
        state = Live(Home(site.home).registry(), "meters", path).take_over()
        assert (state.agrees, state.version) == (True, decided)
