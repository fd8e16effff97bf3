"""Pauses: how long to wait before a process that ended is started again."""

from __future__ import annotations

FIRST_PAUSE = 1.0
"""Seconds from the first end to the next start."""
LONGEST_PAUSE = 60.0
"""The longest pause, in seconds."""
_SOUND_SECONDS = 60.0
"""Seconds of running after which the pauses begin anew: the process can start."""


class Pauses:
    """Pauses that double while a process keeps ending, from `first` seconds on."""

    def __init__(self, first: float = FIRST_PAUSE) -> None:
        self._first = self._next = first

    def after(self, seconds: float) -> float:
        """Seconds to wait after the process ended, having run for so many."""
        if seconds >= _SOUND_SECONDS:
            self._next = self._first
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE)
        return pause

    def lengthen(self) -> None:
        """Make the next pause the longest, where an early start is not worth it."""
        self._next = LONGEST_PAUSE
