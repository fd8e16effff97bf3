"""Interrupts that somebody else's handler takes."""

import os
import signal
from collections.abc import Iterator

import pytest

from lockstep.dagster.runs import interrupts_kept


@pytest.fixture
def forgetful() -> Iterator[None]:
    """A handler that forgets interrupts, as Dagster's does at the end of a run."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("forgetful")
def test_an_interrupt_that_is_forgotten_within_is_raised_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        os.kill(os.getpid(), signal.SIGINT)


def test_without_an_interrupt_nothing_is_raised() -> None:
    with interrupts_kept():
        pass
