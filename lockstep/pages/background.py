"""What is asked outside of the records, in the background: a page never waits for it long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

from lockstep.store.status import RunProgress, Runs, nobody_knows

T = TypeVar("T")
_OLD = timedelta(minutes=1)
"""Age of an answer of before a person looked: pages ask twice a minute."""
_LONGER_SECONDS = 1.0
"""For how long a new answer is waited for in place of an old one."""
ReadRuns: TypeAlias = Callable[[Collection[str]], Mapping[str, RunProgress]]
"""Reads the progress of runs where they are recorded; it leaves out those that are not."""
_PATIENCE_SECONDS = 60.0
"""How long the last answer holds where no other comes; to import Dagster may take half of that."""


@dataclass(frozen=True)
class LastAnswer(Generic[T]):
    """The last answer; before the first one, there is no value."""

    value: T | None = None
    at: datetime | None = None  # in UTC
    trouble: str | None = "it has not answered yet"  # why the last question was not answered


class Question(Generic[T]):
    """A question that is asked anew at every look, one at a time, whoever looks meanwhile."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._last: LastAnswer[T] = LastAnswer()
        self._asking: threading.Thread | None = None
        self._begun = 0.0
        self._beginning = threading.Lock()

    @property
    def seconds(self) -> float:
        """For how long it has been open; 0 if it is answered."""
        is_open = self._asking is not None and self._asking.is_alive()
        return time.monotonic() - self._begun if is_open else 0.0

    def begin(self) -> None:
        """Ask, unless the last question is still open."""
        with self._beginning:
            if self._asking is None or not self._asking.is_alive():
                self._begun = time.monotonic()
                asking = threading.Thread(target=self._carry_out, daemon=True)
                asking.start()  # before others see it: they wait for what has started
                self._asking = asking

    def answer(self, until: float) -> LastAnswer[T]:
        """The answer, or the last one if none comes until a time of the monotonic clock.

        Where that one is old, the time is a second at least: whoever looks for the first time in an
        hour is not told that all was well then.
        """
        if self._last.at is not None and datetime.now(UTC) - self._last.at > _OLD:
            until = max(until, self._begun + _LONGER_SECONDS)
        if self._asking is not None:
            self._asking.join(max(until - time.monotonic(), 0))
        return self._last

    def _carry_out(self) -> None:
        try:
            self._last = LastAnswer(self._ask(), datetime.now(UTC), None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the page tells it and goes on
            self._last = replace(self._last, trouble=str(error) or type(error).__name__)


class AskedRuns:
    """The progress of runs, asked in the background."""

    def __init__(self, read: ReadRuns) -> None:
        self._read = read
        self._wanted: frozenset[str] = frozenset()
        self._question: Question[Mapping[str, RunProgress]] = Question(self._ask)

    def ask(self, runs: Collection[str], until: float) -> Runs:
        """Ask for the progress of runs, and wait until a time of the monotonic clock.

        Nobody is asked where none is wanted.
        """
        if not runs:
            return nobody_knows
        self._wanted = frozenset(runs)
        self._question.begin()
        seconds = self._question.seconds  # before: it may be answered from now on
        answer = self._question.answer(until)
        if seconds > _PATIENCE_SECONDS or (answer.trouble is not None and answer.at is not None):
            return nobody_knows
        if answer.value is None:
            return _not_asked if seconds else nobody_knows
        known = answer.value
        return lambda run: known.get(run, "not_asked")

    def _ask(self) -> Mapping[str, RunProgress]:
        wanted = self._wanted
        known = self._read(wanted)
        return {run: known.get(run, "unknown") for run in wanted}


def _not_asked(run: str) -> RunProgress:
    return "not_asked"
