"""High-water marks: the newest version that a ledger ever had, kept apart from its folder.

    {"version": "5a1c…", "at": "2026-01-31T08:15:00.000000Z",
     "losses": [{"lost": "5a1c…", "until": "…", "kept": "77b0…", "at": "…", "by": "ada",
                 "reason": "…"}]}

A restored copy of a ledger is whole, and does not show that rows are gone upon which answers and
batches relied. The mark, a state file, shows it: who adds rows raises it, after them. A process
that is killed between the two leaves a mark that says less, never more.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lockstep.artifacts.state_files import read_state, write_state

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A loss of rows that a person has accepted.

    Attributes:
        lost: The newest version that the ledger had.
        until: When it was known to have it.
        kept: The version that was left.
        at: When the loss was accepted, in UTC.
        by: Who accepted it.
        reason: Why.
    """

    lost: str
    until: str
    kept: str
    at: datetime
    by: str
    reason: str


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that a ledger had.

    Attributes:
        version: The version.
        at: When that was noted, in UTC.
        losses: The losses of rows that were accepted until then, in order.
    """

    version: str
    at: str
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True)
class HighWater:
    """The mark of a ledger.

    Attributes:
        path: Its file.
    """

    path: Path

    def read(self) -> Mark | None:
        """The mark; None where none was ever set.

        Raises:
            DamagedError: It is not as written.
        """
        return read_state(
            self.path,
            Mark,
            "does not name the newest version of a ledger",
            "restore it from a copy; or see that the ledger has all its rows, and remove it: the "
            "next batch writes it anew.",
        )

    def losses(self) -> tuple[Loss, ...]:
        """The losses that were accepted, in order.

        Raises:
            DamagedError: They are not as written.
        """
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
