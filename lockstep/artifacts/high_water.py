"""High-water marks: the newest version that a ledger ever had, kept apart from its folder.

    {"version":"5a1c…","at":"2026-01-31T08:15:00.000000Z","sha256":"0e77…"}
    {"lost":"5a1c…","until":"…","kept":"77b0…","at":"…","by":"ada","reason":"…"}

A restored copy of a ledger is whole, and does not show that rows are gone upon which answers and
batches relied. The mark shows it: who adds rows raises it, after them. It is replaced whole, at no
cost of a flush: after a power failure it may be some versions behind, or empty, and says less,
never more. Each further line is a loss that a person has accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lockstep.artifacts.disks import make_folder, replace_file
from lockstep.errors import DamagedError

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that a ledger had.

    Attributes:
        version: The version.
        at: When that was noted, in UTC.
        sha256: SHA-256 of both.
    """

    version: str
    at: str
    sha256: str

    @classmethod
    def of(cls, version: str) -> Mark:
        """A mark at a version, of now."""
        at = datetime.now(UTC).strftime(_TIME)
        return cls(version, at, _digest(version, at))


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
        return self._read()[0]

    def losses(self) -> tuple[Loss, ...]:
        """The losses that were accepted, in order.

        Raises:
            DamagedError: They are not as written.
        """
        return self._read()[1]

    def raise_to(self, version: str) -> None:
        """Set the mark at a version of now; the lock of the ledger is held."""
        data = _lines(Mark.of(version), self.losses())
        make_folder(self.path.parent)
        beside = self.path.with_suffix(".writing")
        beside.write_bytes(data)
        beside.replace(self.path)

    def accept(self, loss: Loss) -> None:
        """Go on from the version that was left; the lock of the ledger is held."""
        data = _lines(Mark.of(loss.kept), (*self.losses(), loss))
        replace_file(self.path, lambda path: Path(path).write_bytes(data))

    def _read(self) -> tuple[Mark | None, tuple[Loss, ...]]:
        try:
            data = self.path.read_bytes()
            if not data:
                return None, ()
            first, *others = data.splitlines()
            mark = msgspec.json.decode(first, type=Mark)
            if mark.sha256 != _digest(mark.version, mark.at):
                raise ValueError("its bytes have another digest")
            return mark, tuple(msgspec.json.decode(line, type=Loss) for line in others)
        except FileNotFoundError:
            return None, ()
        except (OSError, ValueError) as error:
            raise DamagedError(
                f"{self.path}, which names the newest version of a ledger, is not as it was "
                f"written ({error}). Restore it from a copy; or see that the ledger has all its "
                "rows, and remove it: the next batch writes it anew."
            ) from error


def _lines(mark: Mark, losses: Sequence[Loss]) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in (mark, *losses))


def _digest(version: str, at: str) -> str:
    return hashlib.sha256(f"{version} {at}".encode()).hexdigest()
