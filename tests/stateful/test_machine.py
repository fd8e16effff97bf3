"""People and Lockstep at work on a home in any order: what must hold holds after every step.

`LOCKSTEP_STATEFUL=4` tries four sequences, the same ones each time; more take longer.
"""

import os
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.stateful.deliveries import Kind
from tests.stateful.site import EDITIONS, Site

RUNS = int(os.environ.get("LOCKSTEP_STATEFUL", "0"))
days = st.sampled_from(["2020-03-01", "2020-03-02", "2020-03-03"])
kinds = st.sampled_from(get_args(Kind))
turns = st.integers(0, 3)
last_writes = st.none() | st.integers(1, 30)
versions = st.integers(0, 5)


class Work(RuleBasedStateMachine):
    """What is done on a site."""

    sites: Callable[[], Site]

    def __init__(self) -> None:
        super().__init__()
        self.site = type(self).sites()

    def _version(self, number: int) -> int:
        known = self.site.versions
        return known[number % len(known)]

    @rule(day=days, kind=kinds, turn=turns, accept=st.booleans(), last_write=last_writes)
    def score_what_is_delivered(
        self, day: str, kind: Kind, turn: int, accept: bool, last_write: int | None
    ) -> None:
        self.site.deliver(day, kind, turn)
        self.site.score(("daily", day), accept=accept, last_write=last_write)

    @rule(day=days, last_write=last_writes)
    def score_again(self, day: str, last_write: int | None) -> None:
        if ("daily", day) in self.site.deliveries:
            self.site.score(("daily", day), last_write=last_write)

    @rule(day=days, kind=kinds, turn=turns)
    def score_twice_at_once(self, day: str, kind: Kind, turn: int) -> None:
        self.site.deliver(day, kind, turn)
        self.site.score_twice(("daily", day))

    @rule(kind=kinds.filter(lambda kind: kind != "wrong unit"), turn=turns, last_write=last_writes)
    def score_a_file(self, kind: Kind, turn: int, last_write: int | None) -> None:
        self.site.score(self.site.send("file", kind, turn), last_write=last_write)

    @rule(asset=st.sampled_from(["batch", "scored", "published"]), day=days, last_write=last_writes)
    def materialize_of_a_day(self, asset: str, day: str, last_write: int | None) -> None:
        if ("daily", day) in self.site.deliveries:
            self.site.materialize(asset, ("daily", day), last_write=last_write)

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

    @rule(number=versions, last_write=last_writes)
    def promote(self, number: int, last_write: int | None) -> None:
        self.site.promote(self._version(number), last_write=last_write)

    @rule(alias=st.sampled_from(["live", "champion"]), number=versions)
    def point_by_hand(self, alias: str, number: int) -> None:
        self.site.point(alias, self._version(number))

    @rule(proven=versions, other=versions)
    def copy_tags_by_hand(self, proven: int, other: int) -> None:
        self.site.copy_tags(self._version(proven), self._version(other))

    @rule()
    def move_the_home(self) -> None:
        self.site.move()

    @rule(day=days, stage=st.sampled_from(["batch", "scored"]))
    def edit_by_hand(self, day: str, stage: str) -> None:
        if ("daily", day) in self.site.seen:
            self.site.edit(("daily", day), stage)


@pytest.mark.skipif(
    not RUNS, reason="takes minutes: set LOCKSTEP_STATEFUL to a number of sequences"
)
def test_whatever_is_done_what_must_hold_does(sites: Callable[[], Site]) -> None:
    work = type("Work", (Work,), {"sites": staticmethod(sites)})
    profile = settings(
        max_examples=RUNS,
        stateful_step_count=12,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # to make a sequence shorter takes hours
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(work, settings=profile)
