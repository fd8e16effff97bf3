"""The tail of a ledger: the rows that were posted since its last part, a line for each posting.

    {"format":1,"after":"5a1c…"}                            the version that it follows upon
    {"received_at":"…","restated":[0],"columns":{…},"version":"0e77…"}

The *version* after a line is a digest of the version before it and of the line's other bytes. A
line counts once it has ended, and its end is written when all else of it is on disk: so readers
wait for nobody. A line without an end is a killed writer's; the next writer removes it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Columns, Ints, Kind
from lockstep.errors import DamagedError
from lockstep.store.disks import replace_file

TAIL = "tail.jsonl"
_FORMAT = 1
_VERSION = b',"version":"'
_ENDING = len(_VERSION) + 64 + len(b'"}')
"""Bytes at the end of a line that say its version."""

TailMark: TypeAlias = tuple[int, int, int] | None
"""The file, size and time of a tail: it changed if they did. None where there is no tail."""


class TailEnd(NamedTuple):
    """Where the whole lines of a tail end."""

    after: str  # the tail follows upon it: another tail has another one
    size: int  # bytes up to there
    version: str  # the ledger's version there
    received_at: datetime | None = None  # of the last line; None without one


@dataclass(frozen=True)
class Posting:
    """Rows that were posted together."""

    received_at: datetime
    restated: Ints  # by row, how many of its key and time came before it
    columns: Columns
    version: str  # the ledger's, with them
    withdrawn: str | None = None  # why they withdraw rows that are the same; None where they count


@dataclass(frozen=True)
class TailRead:
    """What a tail held when it was read."""

    mark: TailMark = None  # tells whether the tail changed since
    after: str | None = None  # None where there is no tail
    postings: Sequence[Posting] = ()
    end: TailEnd | None = None


class _Head(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    after: str


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    received_at: datetime
    restated: list[int]
    columns: dict[str, list[Any]]
    version: str
    withdrawn: str | None = None


@dataclass(frozen=True)
class Tail:
    """The tail of a ledger."""

    path: Path
    kinds: Mapping[str, Kind]

    def mark(self) -> TailMark:
        """Tells whether the tail changed: it is another one then."""
        try:
            return _mark(os.stat(self.path))  # noqa: PTH116 - at half the cost, for each batch
        except FileNotFoundError:
            return None

    def read(self, seen: TailEnd | None = None) -> TailRead:
        """Read the postings; where it is still the tail of `seen`, those behind that end alone."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())  # before more is read than it says
                data = file.read()
        except FileNotFoundError:
            return TailRead()
        head, begin = self._head(data)
        if seen is None or seen.after != head.after or seen.size > len(data):
            seen = TailEnd(head.after, begin, head.after)
        return TailRead(_mark(status), head.after, *self._lines(data[seen.size :], seen))

    def read_on(self, end: TailEnd) -> TailRead | None:
        """The postings behind an end; None where another tail has taken its place."""
        with suppress(FileNotFoundError), self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            head, _ = self._head(file.readline())
            if head.after == end.after and status.st_size >= end.size:
                file.seek(end.size)
                return TailRead(_mark(status), None, *self._lines(file.read(), end))
        return None

    def begin(self, after: str) -> None:
        """Put an empty tail upon a version of the parts in its place; the ledger's lock is held."""
        head = msgspec.json.encode(_Head(_FORMAT, after)) + b"\n"
        replace_file(self.path, lambda path: Path(path).write_bytes(head))

    def append(
        self,
        columns: Columns,
        restated: Ints,
        received_at: datetime,
        end: TailEnd,
        withdrawn: str | None = None,
    ) -> str:
        """Write a posting, and force it and then its end to disk; return the version with it.

        The ledger's lock is held. What is behind `end` is a killed writer's, and removed.
        """
        body = msgspec.json.encode(
            {
                "received_at": received_at,
                "restated": restated.tolist(),
                "columns": {name: _values(columns[name]) for name in self.kinds},
                **({} if withdrawn is None else {"withdrawn": withdrawn}),
            }
        )
        version = _after(end.version, body)
        line = body[:-1] + _VERSION + version.encode() + b'"}'
        with self.path.open("ab", buffering=0) as file:
            try:
                file.truncate(end.size)
                for part in (line, b"\n"):
                    left = memoryview(part)
                    while left:
                        left = left[file.write(left) :]
                    os.fsync(file.fileno())
            except OSError:
                file.truncate(end.size)
                raise
        return version

    def _head(self, data: bytes) -> tuple[_Head, int]:
        line, ending, _ = data.partition(b"\n")
        try:
            head = msgspec.json.decode(line, type=_Head)
        except ValueError:  # bytes that are no UTF-8 are no error of msgspec's
            head = None
        if not ending or head is None or head.format != _FORMAT:
            raise self._damage(0)
        return head, len(line) + 1

    def _lines(self, data: bytes, end: TailEnd) -> tuple[list[Posting], TailEnd]:
        """The postings of whole lines, and where these end."""
        postings: list[Posting] = []
        after, size, version, received_at = end
        *lines, rest = data.split(b"\n")
        for line in lines:
            body = line[:-_ENDING] + b"}"
            try:
                read = msgspec.json.decode(line, type=_Line)
                if read.version != _after(version, body):
                    raise ValueError("its bytes have another digest")
                columns = {n: array_of(read.columns[n], kind) for n, kind in self.kinds.items()}
            except (ValueError, KeyError, TypeError) as error:
                raise self._damage(size) from error
            size, version, received_at = size + len(line) + 1, read.version, read.received_at
            restated = np.array(read.restated, dtype=np.int64)
            postings.append(Posting(received_at, restated, columns, version, read.withdrawn))
        # A writer that was killed leaves a line without its end, and never another byte behind it.
        whole = rest[:-1]
        ending = _VERSION + _after(version, whole[:-_ENDING] + b"}").encode() + b'"}'
        if whole.endswith(ending):
            raise self._damage(size)
        return postings, TailEnd(after, size, version, received_at)

    def _damage(self, offset: int) -> DamagedError:
        return DamagedError(
            f"{self.path}, the rows that were posted last, is not as it was written, from byte "
            f"{offset:,} on. Restore it from a copy; or remove it, and go on without its rows, as "
            "the next command says."
        )


def _mark(status: os.stat_result) -> TailMark:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _after(version: str, body: bytes) -> str:
    return hashlib.sha256(version.encode() + body).hexdigest()


def _values(array: Array) -> list[Any]:
    values: list[Any] = (array.view(np.int64) if array.dtype.kind == "M" else array).tolist()
    if array.dtype.kind == "f" and np.isinf(array).any():  # JSON has no infinity
        return [str(value) if abs(value) == np.inf else value for value in values]
    return values


def array_of(values: list[Any], kind: Kind) -> Array:
    """A column of values: times as microseconds, a missing number as NaN."""
    if kind is Kind.TIME:
        return np.array(values, dtype=np.int64).view(kind.dtype)
    return np.array(values, dtype=kind.dtype)
