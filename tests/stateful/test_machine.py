"""People and Lockstep at work on a home in any order: what must hold holds after every step.

The sequences are always the same; `LOCKSTEP_STATEFUL_SEED=1` makes them others.
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

from tests.stateful.deliveries import Kind
from tests.stateful.people import DAYS, People
from tests.stateful.site import FILES, Site

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


@pytest.mark.parametrize(("runs", "steps"), [(2, 4), pytest.param(9, 12, marks=pytest.mark.long)])
def test_whatever_is_done_what_must_hold_does(
    sites: Callable[[], Site], runs: int, steps: int
) -> None:
    work = type("Work", (Work,), {"sites": staticmethod(sites)})
    profile = settings(
        max_examples=runs,  # after some nine, Hypothesis repeats parts of them
        stateful_step_count=steps,
        database=None,
        phases=[Phase.explicit, Phase.generate],  # to make a sequence shorter takes hours
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(SEED)(work), settings=profile)
