"""Decisions: where a rollback may go back to, whatever was promoted and gone back from before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lockstep.registry.bound_tags import bound
from lockstep.registry.decisions import Decision, Decisions, new_key

START = datetime(2026, 1, 1, tzinfo=UTC)


def log_of(*steps: int | tuple[int, int]) -> Decisions:
    """Decisions: a number promotes a version, `(from, to)` goes back."""
    log = []
    for minute, step in enumerate(steps):
        back_from, version = step if isinstance(step, tuple) else (None, step)
        since = START + timedelta(minutes=minute)
        decision = Decision(
            name="orders",
            key=new_key(since),
            version=version,
            manifest="0" * 64,
            since=since,
            by="somebody",
            home="home",
            host="machine",
            environment="e" * 64,
            before=None,
            is_shown=True,
            back_from=back_from,
        )
        log.append(decision)
    return Decisions(tuple(log))


@pytest.mark.parametrize(
    ("steps", "earlier", "left"),
    [
        ((1, 2), (1,), ()),
        ((1, 2, (2, 1)), (), (2,)),
        ((1, 2, 3, (3, 2)), (1,), (3,)),
        ((1, 2, 3, (3, 2), (2, 1)), (), (2, 3)),
        ((1, 2, (2, 1), 2), (1,), ()),  # promoted anew
        ((1, 2, (2, 1), 3), (1,), (2,)),
        ((1, 2, 3, 1), (3, 2), ()),
        ((1, 2, 3, 1, (1, 3)), (2,), (1,)),
        ((1, 2, 3, (3, 1)), (), (2, 3)),  # past 2
        ((1, 2, 3, (3, 2), (2, 3)), (1,), (2,)),  # 3 by its number
        ((1, 2, 3, (2, 1)), (3,), (2,)),  # another home promoted 3 meanwhile
        ((1, 1, 2, 2), (1,), ()),
        ((), (), ()),
    ],
)
def test_a_rollback_goes_back_and_never_forward(
    steps: tuple[int | tuple[int, int], ...], earlier: tuple[int, ...], left: tuple[int, ...]
) -> None:
    decisions = log_of(*steps)
    assert (decisions.earlier, decisions.left) == (earlier, left)


@given(st.lists(st.one_of(st.integers(1, 4), st.just("back")), max_size=90))
def test_any_history_reaches_an_end_and_old_decisions_change_nothing(
    history: list[int | str],
) -> None:
    steps: list[int | tuple[int, int]] = []
    live, gone_from = 0, set[int]()
    for action in history:
        earlier = log_of(*steps).earlier
        if isinstance(action, int):
            steps.append(action)
            live = action
            gone_from.discard(action)
        elif earlier:
            assert earlier[0] not in gone_from
            steps.append((live, earlier[0]))
            gone_from.add(live)
            live = earlier[0]
    decisions = log_of(*steps)
    kept = Decisions(tuple(each for each in decisions.log if each not in decisions.spent))
    assert (kept.earlier, kept.left, kept.last) == (
        decisions.earlier,
        decisions.left,
        decisions.last,
    )
    assert decisions.log[-50:] == kept.log[-50:]
    assert len(kept.log) <= 50 + 2 * 4


def test_a_decision_of_before_that_says_nothing_of_rollbacks_is_a_promotion() -> None:
    facts = {
        "version": 1,
        "since": START.isoformat(),
        "by": "somebody",
        "home": "home",
        "host": "machine",
        "environment": "e" * 64,
        "before": 2,
        "shown": True,
    }
    key = new_key(START)
    decisions = Decisions.of("orders", {key: bound("orders", "0" * 64, facts)})
    assert decisions.last is not None
    assert decisions.last.back_from is None
