"""People and Lockstep at work on a home in any order: what must hold holds after every step.

`Site` states what must hold. The sequences of the machine are always the same;
`LOCKSTEP_STATEFUL_SEED=1` makes them others. Those after it are ordinary steps after which
something wrong could be published, or nobody was told.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.stateful import deeds
from tests.stateful.deliveries import Kind
from tests.stateful.people import DAYS, People
from tests.stateful.site import FILES, Site

pytestmark = pytest.mark.long

SEED = int(os.environ.get("LOCKSTEP_STATEFUL_SEED", "0"))
days = st.sampled_from(DAYS)
kinds = st.sampled_from([*get_args(Kind), *["clean"] * 8, *["wrong unit"] * 4])
turns = st.integers(0, 3)
numbers = st.integers(0, 5)
last_writes = st.sampled_from([*[None] * 180, *range(1, 181, 3)])
"""Before which write a process is killed: three of four are left alone."""
at_once = st.sampled_from(["score", "score again", "train", "promote", "materialize champion"])


@dataclass(frozen=True)
class Call:
    """Something that people do, with what it is done with."""

    do: Callable[..., None]
    arguments: dict[str, Any]


def calls(do: Callable[..., None], **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    """Something that people do, with anything of what it can be done with."""
    return st.builds(Call, st.just(do), st.fixed_dictionaries(arguments))


scoring = st.one_of(
    calls(
        People.score_what_is_delivered,
        day=days,
        kind=kinds,
        turn=turns,
        accept=st.sampled_from([False, False, False, True]),
        last_write=last_writes,
    ),
    calls(People.score_the_days_after_that_are_like_it, last_write=last_writes),
    calls(People.score_again, number=numbers, last_write=last_writes),
    calls(People.score_a_file, kind=kinds, turn=turns, last_write=last_writes),
    calls(People.drop_a_file, kind=kinds, turn=turns, again=st.integers(0, 1)),
    calls(People.take_in, last_write=last_writes),
)
training = st.one_of(
    calls(People.check_out, number=numbers, trains=st.booleans()),
    calls(People.train, last_write=last_writes),
    calls(People.promote, number=numbers, last_write=last_writes),
)
tampering = st.one_of(
    calls(People.point, alias=st.sampled_from(["live", "champion"]), number=numbers),
    calls(People.copy_tags, source=numbers, target=numbers),
    calls(People.forget, number=numbers),
    calls(People.damage_or_mend, number=numbers, file=st.sampled_from(FILES)),
    calls(People.back_up_or_restore),
    calls(People.edit, number=numbers, stage=st.sampled_from(["batch", "scored"])),
)
others = st.one_of(
    calls(People.move),
    calls(
        People.materialize_of_a_partition,
        asset=st.sampled_from(["batch", "scored", "published"]),
        number=numbers,
        last_write=last_writes,
    ),
    calls(
        People.materialize,
        asset=st.sampled_from(["history", "training_set", "candidate", "champion"]),
        last_write=last_writes,
    ),
    calls(
        People.do_two_things_at_once,
        first=at_once,
        second=at_once,
        day=days,
        kind=kinds,
        turn=turns,
        number=numbers,
        last_write=last_writes,
    ),
    calls(People.look_at_checks),
    calls(People.copy),
)


class Work(RuleBasedStateMachine):
    """What is done on a site.

    Rules are few, since Hypothesis leaves out some of them in each sequence: with a rule for each
    thing that people do, most sequences would be the same two things again and again.
    """

    sites: Callable[[], Site]

    @initialize(kind=kinds, turn=turns)
    def begin(self, kind: Kind, turn: int) -> None:
        self.people = People(type(self).sites())
        self.people.deliver(DAYS[0], kind, turn)

    @rule(call=scoring)
    def score(self, call: Call) -> None:
        call.do(self.people, **call.arguments)

    @rule(call=training)
    def make_versions(self, call: Call) -> None:
        call.do(self.people, **call.arguments)

    @rule(call=tampering)
    def tamper(self, call: Call) -> None:
        call.do(self.people, **call.arguments)

    @rule(call=others)
    def do_something_else(self, call: Call) -> None:
        call.do(self.people, **call.arguments)

    @precondition(lambda self: self.people.next)
    @rule(last_write=last_writes)
    def go_on(self, last_write: int | None) -> None:
        self.people.do_what_is_next(last_write)


def test_whatever_is_done_what_must_hold_does(sites: Callable[[], Site]) -> None:
    work = type("Work", (Work,), {"sites": staticmethod(sites)})
    profile = settings(
        max_examples=9,  # after some nine, Hypothesis repeats parts of them
        stateful_step_count=12,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # to make a sequence shorter takes hours
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(work), settings=profile)


FIRST, SECOND = ("daily", "2020-03-01"), ("daily", "2020-03-02")
OTHER, LIVE = 1, 2
"""Version 2 is live before a test, and 1 is sound and never was."""


def test_what_is_wrong_with_a_delivery_is_found_and_the_rest_is_published(site: Site) -> None:
    for number, kind in enumerate(
        ("clean", "bad row", "odd row", "repeated row", "bad half", "wrong mean"), start=1
    ):
        site.deliver(f"2020-03-0{number}", kind, number)
        site.score(("daily", f"2020-03-0{number}"))
    site.deliver("2020-03-01", "wrong unit")
    assert site.score(FIRST).status == 1
    assert site.score(FIRST, accept=True).status == 0


def test_a_feature_is_edited_and_candidate_alone_materialized(site: Site) -> None:
    site.edition = "edited"
    assert site.materialize("candidate").status == 1
    assert site.versions == [OTHER, LIVE]


def test_a_feature_is_not_row_local_and_candidate_alone_materialized(site: Site) -> None:
    site.edition = "averaging"
    assert site.train().status == 1
    assert site.materialize("candidate").status == 1
    assert site.versions == [OTHER, LIVE]


def test_a_day_is_blocked_when_it_is_scored_again_and_the_next_is_like_it(site: Site) -> None:
    site.deliver("2020-03-01")
    site.score(FIRST)
    for _, day in (FIRST, SECOND):
        site.deliver(day, "wrong unit")
        assert site.score(("daily", day)).status == 1


def test_live_is_moved_by_hand_to_a_version_that_never_was(site: Site) -> None:
    site.point("live", OTHER)
    site.deliver("2020-03-01")
    assert site.score(FIRST).status == 1


def test_the_tags_of_a_proven_version_are_copied(site: Site) -> None:
    site.copy_tags(LIVE, OTHER)
    assert not site.promote(OTHER).has_passed("champion")
    site.point("live", OTHER)
    site.deliver("2020-03-01")
    assert site.score(FIRST).status == 1


def test_what_the_training_of_a_version_found_is_not_known(site: Site) -> None:
    site.edition = "edited"
    site.forget(OTHER)
    assert site.promote(OTHER).status == 1


def test_a_registry_is_restored_from_an_older_backup(site: Site) -> None:
    site.edition = "edited"
    site.back_up()
    site.promote(OTHER)
    site.restore()
    site.deliver("2020-03-01")
    assert site.score(FIRST).status == 1


@pytest.mark.parametrize("stage", ["batch", "scored"])
def test_a_stored_file_is_edited_by_hand(site: Site, stage: str) -> None:
    site.deliver("2020-03-01")
    site.score(FIRST)
    site.edit(FIRST, stage)
    site.materialize("scored" if stage == "batch" else "published", FIRST)
    site.materialize("published", FIRST)


def test_a_day_is_scored_by_two_at_once(site: Site) -> None:
    site.deliver("2020-03-01")
    site.score_twice(FIRST)


def test_files_come_into_the_inbox_repeated_changed_and_unreadable(site: Site) -> None:
    for kind in ("clean", "bad half", "narrow", "broken"):
        site.drop("first", kind)
    site.drop("first", again=1)
    site.take_in()
    site.drop("first", turn=1)
    site.drop("first", "bad half", again=1)
    site.take_in()


def test_a_version_that_is_live_is_damaged(site: Site) -> None:
    site.deliver("2020-03-01")
    site.score(FIRST)
    for file in FILES:
        site.damage(LIVE, file)
        site.score(FIRST)
        assert site.look_at_checks().status == 1
        site.mend()
    assert site.score(FIRST).status == 0
    assert site.look_at_checks().status == 0


def test_a_copied_home_is_worked_in_beside_the_original(site: Site) -> None:
    site.copy()
    site.train()
    site.deliver("2020-03-01")
    site.score(FIRST)


def test_versions_go_live_while_a_day_is_scored_and_another_version_goes_live(site: Site) -> None:
    site.edition = "edited"
    site.deliver("2020-03-01")
    site.do(deeds.promote(OTHER), site.scoring(FIRST))
    site.do(deeds.promote(LIVE), deeds.promote(OTHER))
    assert site.score(FIRST).status == 0
