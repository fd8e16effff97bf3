"""High-water marks: the newest version that a ledger ever had, kept apart from its folder.

    {"version": "5a1c…", "at": "2026-01-31T08:15:00.000000Z",
     "losses": [{"lost": "5a1c…", "until": "…", "kept": "77b0…", "at": "…", "by": "ada",
                 "reason": "…"}]}

A restored copy of a ledger is whole, and does not show that rows are gone upon which answers and
batches relied; the mark does. Who adds rows raises it after them, so that a killed process leaves
one that says less, never more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lockstep.store.state_files import read_state, write_state

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A loss of rows that a person has accepted."""

    lost: str  # the newest version that the ledger had
    until: str  # when it was known to have it
    kept: str  # the version that was left
    at: datetime
    by: str
    reason: str


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that a ledger had."""

    version: str
    at: str
    losses: tuple[Loss, ...] = ()  # in order


@dataclass(frozen=True)
class HighWater:
    """The mark of a ledger."""

    path: Path

    def read(self) -> Mark | None:
        """The mark; None where none was ever set."""
        return read_state(
            self.path,
            Mark,
            "does not name the newest version of a ledger",
            "restore it from a copy; or see that the ledger has all its rows, and remove it: the "
            "next batch writes it anew.",
        )

    def losses(self) -> tuple[Loss, ...]:
        """The losses that were accepted, in order."""
        mark = self.read()
        return mark.losses if mark is not None else ()

    def raise_to(self, version: str) -> None:
        """Set the mark at a version of now; the lock of the ledger is held."""
        self._write(version, self.losses())

    def accept(self, loss: Loss) -> None:
        """Go on from the version that was left; the lock of the ledger is held."""
        self._write(loss.kept, (*self.losses(), loss))

    def _write(self, version: str, losses: tuple[Loss, ...]) -> None:
        write_state(self.path, Mark(version, datetime.now(UTC).strftime(_TIME), losses))
