"""Pauses: how long to wait before something that ended is started again."""

from __future__ import annotations

FIRST_PAUSE = 1.0
"""Seconds from an end to the next start."""
LONGEST_PAUSE = 60.0
"""Seconds that are waited at most, however often it ends."""
_SOUND_SECONDS = 60.0
"""What ran for so long is not what cannot start: it is begun anew as if for the first time."""


class Pauses:
    """Pauses that double for as long as something keeps ending.

    Args:
        first: Seconds of the first one.
    """

    def __init__(self, first: float = FIRST_PAUSE) -> None:
        self._first = first
        self._next = first

    def after(self, seconds: float) -> float:
        """Seconds to wait after something ended.

        Args:
            seconds: For how long it ran.
        """
        if seconds >= _SOUND_SECONDS:
            self._next = self._first
        found = self._next
        self._next = min(2 * found, LONGEST_PAUSE)
        return found

    def lengthen(self) -> None:
        """Have the next pause be the longest: an early start again is not worth it."""
        self._next = LONGEST_PAUSE
