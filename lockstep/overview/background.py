"""What is asked outside of the records, in the background: a page never waits for it long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

T = TypeVar("T")
_PATIENCE = 5.0
"""Seconds after which an open question is trouble."""


@dataclass(frozen=True)
class LastAnswer(Generic[T]):
    """The last answer.

    Attributes:
        value: What was answered last; None if nothing yet.
        at: When, in UTC; None likewise.
        trouble: Why there is no newer one; None where the last question was answered.
    """

    value: T | None = None
    at: datetime | None = None
    trouble: str | None = None


class Question(Generic[T]):
    """A question that is asked anew at every look, one at a time.

    Args:
        ask: Asks it, however long that takes.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._last: LastAnswer[T] = LastAnswer(trouble="it has not answered yet")
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._is_asking = False
        self._since = 0.0

    def begin(self) -> None:
        """Ask, unless the last question is still open."""
        with self._lock:
            if not self._is_asking:
                self._is_asking, self._since = True, time.monotonic()
                self._done.clear()
                threading.Thread(target=self._carry_out, daemon=True).start()

    def answer(self, until: float) -> LastAnswer[T]:
        """The answer, or the last one if none comes in time.

        Args:
            until: The time until which to wait, by the monotonic clock.
        """
        is_new = self._done.wait(max(until - time.monotonic(), 0))
        waited = time.monotonic() - self._since
        if is_new or self._last.at is None or waited < _PATIENCE:
            return self._last
        return LastAnswer(self._last.value, self._last.at, f"no answer for {waited:.0f} seconds")

    def _carry_out(self) -> None:
        try:
            self._last = LastAnswer(self._ask(), datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 - whatever it is, the page tells it and goes on
            self._last = LastAnswer(
                self._last.value, self._last.at, str(error) or type(error).__name__
            )
        with self._lock:
            self._is_asking = False
        self._done.set()
