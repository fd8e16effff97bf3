"""Leases: count the holders of a version, so that it is unloaded after the last of them."""

from __future__ import annotations

from collections.abc import Callable


class Lease:
    """The holders of a version: the requests that it answers, and the roles that it has.

    It belongs to one event loop.

    Args:
        when_free: Is called when the last holder releases it, which is for good.

    Attributes:
        holders: Number of holders now.
    """

    __slots__ = ("_when_free", "holders")

    def __init__(self, when_free: Callable[[], None] | None = None) -> None:
        self.holders = 0
        self._when_free = when_free

    def hold(self) -> None:
        """Add a holder."""
        self.holders += 1

    def release(self) -> None:
        """Remove a holder."""
        self.holders -= 1
        if not self.holders and self._when_free is not None:
            self._when_free()
