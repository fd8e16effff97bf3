"""Leases: how many need a version, so that it goes when the last of them is done."""

from __future__ import annotations

from collections.abc import Callable


class Lease:
    """How many need a version: the requests that it answers, and whatever it is kept for.

    It belongs to one event loop.

    Args:
        when_free: Is called when nobody needs it any more, which is for good.

    Attributes:
        holders: How many need it now.
    """

    __slots__ = ("_when_free", "holders")

    def __init__(self, when_free: Callable[[], None] | None = None) -> None:
        self.holders = 0
        self._when_free = when_free

    def hold(self) -> None:
        """Need it."""
        self.holders += 1

    def release(self) -> None:
        """Need it no longer."""
        self.holders -= 1
        if not self.holders and self._when_free is not None:
            self._when_free()
