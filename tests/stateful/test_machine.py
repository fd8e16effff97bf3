"""People and Lockstep at work on a home in any order: what must hold holds after every step.

Some sequences are tried each time, always the same. `LOCKSTEP_STATEFUL=100` tries so many others,
longer ones; `LOCKSTEP_STATEFUL_SEED=1` makes them others again.
"""

import os
from collections.abc import Callable
from typing import get_args

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
from tests.stateful.deeds import Deed
from tests.stateful.deliveries import Kind
from tests.stateful.observations import with_evidence
from tests.stateful.site import EDITIONS, FILES, Site

RUNS = int(os.environ.get("LOCKSTEP_STATEFUL", "0"))
SEED = int(os.environ.get("LOCKSTEP_STATEFUL_SEED", "0"))
FEW_RUNS, FEW_STEPS, MANY_STEPS = 3, 5, 14
days = st.sampled_from(["2020-03-01", "2020-03-02", "2020-03-03"])
kinds = st.sampled_from(get_args(Kind))
turns = st.integers(0, 3)
numbers = st.integers(0, 5)
last_writes = st.none() | st.integers(1, 60)
at_once = st.sampled_from(["score", "score again", "train", "promote", "materialize champion"])


class Work(RuleBasedStateMachine):
    """What is done on a site."""

    sites: Callable[[], Site]

    @initialize(kind=kinds, turn=turns)
    def begin(self, kind: Kind, turn: int) -> None:
        self.site = type(self).sites()
        self.site.deliver("2020-03-01", kind, turn)

    def _version(self, number: int) -> int:
        known = self.site.versions
        return known[number % len(known)]

    def _deed(self, what: str, day: str, number: int) -> Deed:
        match what:
            case "train":
                return deeds.train()
            case "promote":
                return deeds.promote(self._version(number))
            case "materialize champion":
                return self.site.materializing("champion")
        return self.site.scoring(("daily", day))

    @rule(day=days, kind=kinds, turn=turns, accept=st.booleans(), last_write=last_writes)
    def score_what_is_delivered(
        self, day: str, kind: Kind, turn: int, accept: bool, last_write: int | None
    ) -> None:
        self.site.deliver(day, kind, turn)
        self.site.score(("daily", day), accept=accept, last_write=last_write)

    @precondition(lambda self: self.site.ledger.tried)
    @rule(number=numbers, last_write=last_writes)
    def score_again(self, number: int, last_write: int | None) -> None:
        tried = [one for one in self.site.ledger.tried if self.site.can_be_named(one)]
        if tried:
            self.site.score(tried[number % len(tried)], last_write=last_write)

    @rule(
        first=at_once,
        second=at_once,
        day=days,
        kind=kinds,
        turn=turns,
        number=numbers,
        last_write=last_writes,
    )
    def do_two_things_at_once(
        self,
        first: str,
        second: str,
        day: str,
        kind: Kind,
        turn: int,
        number: int,
        last_write: int | None,
    ) -> None:
        self.site.deliver(day, kind, turn)
        others = (self._deed(first, day, number), self._deed(second, day, number + 1))
        self.site.do(*others, last_write=last_write)

    @rule(kind=kinds, turn=turns, last_write=last_writes)
    def score_a_file(self, kind: Kind, turn: int, last_write: int | None) -> None:
        self.site.score(self.site.send("file", kind, turn), last_write=last_write)

    @rule(kind=kinds, turn=turns, again=st.integers(0, 1))
    def drop_a_file(self, kind: Kind, turn: int, again: int) -> None:
        self.site.drop("file", kind, turn, again=again)

    @precondition(lambda self: self.site.dropped)
    @rule(last_write=last_writes)
    def take_in(self, last_write: int | None) -> None:
        self.site.take_in(last_write=last_write)

    @precondition(lambda self: self.site.ledger.tried)
    @rule(
        asset=st.sampled_from(["batch", "scored", "published"]),
        number=numbers,
        last_write=last_writes,
    )
    def materialize_of_a_partition(self, asset: str, number: int, last_write: int | None) -> None:
        tried = list(self.site.ledger.tried)
        self.site.materialize(asset, tried[number % len(tried)], last_write=last_write)

    @rule(
        asset=st.sampled_from(["history", "training_set", "candidate", "champion"]),
        last_write=last_writes,
    )
    def materialize(self, asset: str, last_write: int | None) -> None:
        self.site.materialize(asset, last_write=last_write)

    @rule(edition=st.sampled_from(list(EDITIONS)))
    def check_out(self, edition: str) -> None:
        self.site.edition = edition

    @rule(last_write=last_writes)
    def train(self, last_write: int | None) -> None:
        self.site.train(last_write=last_write)

    @rule(number=numbers, last_write=last_writes)
    def promote(self, number: int, last_write: int | None) -> None:
        self.site.promote(self._version(number), last_write=last_write)

    @rule()
    def look_at_checks(self) -> None:
        self.site.look_at_checks()

    @rule(alias=st.sampled_from(["live", "champion"]), number=numbers)
    def point_by_hand(self, alias: str, number: int) -> None:
        self.site.point(alias, self._version(number))

    @rule(proven=numbers, other=numbers)
    def copy_tags_by_hand(self, proven: int, other: int) -> None:
        self.site.copy_tags(self._version(proven), self._version(other))

    @rule(number=numbers)
    def forget_what_training_found(self, number: int) -> None:
        version = self._version(number)
        if version in with_evidence(self.site.home):
            self.site.forget(version)

    @precondition(lambda self: not self.site.whole)
    @rule(number=numbers, file=st.sampled_from(FILES))
    def damage_a_version(self, number: int, file: str) -> None:
        self.site.damage(self._version(number), file)

    @precondition(lambda self: self.site.whole)
    @rule()
    def mend_a_version(self) -> None:
        self.site.mend()

    @rule()
    def move_the_home(self) -> None:
        self.site.move()

    @rule()
    def go_on_in_a_copy(self) -> None:
        self.site.copy()

    @precondition(lambda self: not self.site.has_backup)
    @rule()
    def back_up_the_registry(self) -> None:
        self.site.back_up()

    @precondition(lambda self: self.site.has_backup)
    @rule()
    def restore_the_registry(self) -> None:
        self.site.restore()

    @precondition(lambda self: self.site.ledger.seen)
    @rule(number=numbers, stage=st.sampled_from(["batch", "scored"]))
    def edit_by_hand(self, number: int, stage: str) -> None:
        seen = list(self.site.ledger.seen)
        self.site.edit(seen[number % len(seen)], stage)


def test_whatever_is_done_what_must_hold_does(sites: Callable[[], Site]) -> None:
    work = type("Work", (Work,), {"sites": staticmethod(sites)})
    profile = settings(
        max_examples=RUNS or FEW_RUNS,
        stateful_step_count=MANY_STEPS if RUNS else FEW_STEPS,
        derandomize=not SEED,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # to make a sequence shorter takes hours
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(work) if SEED else work, settings=profile)
