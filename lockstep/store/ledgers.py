"""Ledgers: the rows of a table as they came, to which rows are only ever added.

    ledger.json                   the parts that count, in order
    parts/DAY/NUMBER-DIGEST.parquet
                                  the rows of a part, by the day on which it was received
    tail.jsonl                    the rows that were posted since
    ledger.lock                   held by the process that adds rows

A part never changes, and counts once `ledger.json` lists it: replacing that file is the commit. The
*version* of a ledger is a digest of its declaration and of all parts and postings up to one: an
older version is the beginning of a newer one, and can be read for as long as the ledger is kept.
Postings get into a part when there are many, or when a delivery follows, and keep their versions.
The newest version is noted outside of the folder (`lockstep.store.high_water`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times, utc
from lockstep.columns.plain import python_value
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import take_rows
from lockstep.errors import DamagedError, InputError, LockedError, NotStoredError
from lockstep.store.high_water import HighWater, Loss, Mark
from lockstep.store.ledger_parts import Part, PartFiles, rows_of_posting, version_after
from lockstep.store.ledger_tails import TAIL, Posting, Tail, TailEnd, TailMark, TailRead
from lockstep.store.lock import WAIT_SECONDS, locked
from lockstep.store.state_files import content_of, write_state
from lockstep.tables.row_changes import changes_of, conflicts
from lockstep.tables.rows import TableRows

FORMAT = 1
RECORD = "ledger.json"
_MOST_POSTED = 2**20
"""Bytes of a tail from which on its rows get into a part."""
_TRIES = 10
"""How often a ledger is read anew while others add to it."""


class _Record(msgspec.Struct):
    """What `ledger.json` holds."""

    format: int
    table: dict[str, Any]
    parts: tuple[Part, ...] = ()
    days: dict[str, datetime] = {}


@dataclass(frozen=True, eq=False)
class Added:
    """What became of the rows of a delivery."""

    version: str  # the ledger's, with them
    new: Ints  # positions of the rows that no row was there for
    restated: Ints  # positions of the rows that take the place of an earlier one
    repeated: int  # number of the rows that the ledger has already


@dataclass(frozen=True)
class Increment:
    """The rows of a ledger behind a version."""

    columns: Columns
    known: Times  # from when each row is known
    version: str  # with the rows
    mark: TailMark  # tells whether rows were posted since
    end: TailEnd | None  # where the postings end


@dataclass(frozen=True)
class Ledger:
    """The rows of a table, as they came.

    Its methods raise DamagedError where a file is missing or not as written, NotStoredError of a
    version that the ledger never had, and, where they write, LockedError.
    """

    folder: Path
    schema: TableSchema

    @property
    def version(self) -> str:
        """The version with all parts and postings."""
        record, tail = self._now()
        return self._last(record.parts, tail.postings)

    @property
    def is_begun(self) -> bool:
        """Whether rows were ever delivered, or that there are none; also where these are lost."""
        if self.record.exists():
            return True
        mark = self.high_water.read()
        return mark is not None and mark.version != self._version(())

    @property
    def record(self) -> Path:
        """The file that says which parts count."""
        return self.folder / RECORD

    @property
    def high_water(self) -> HighWater:
        """The newest version that it ever had, in a folder beside that of all ledgers."""
        return HighWater(self.folder.parent.parent / "high_water" / f"{self.folder.name}.json")

    @property
    def tail(self) -> Tail:
        """The rows that were posted since the last part."""
        return Tail(self.folder / TAIL, self.schema.schema.kinds)

    def parts(self) -> tuple[Part, ...]:
        """The parts that count, in the order in which they were received; the tail is the last."""
        record, tail = self._now()
        return (*record.parts, *([self._files.of_postings(tail.postings)] if tail.postings else []))

    def rows(self, version: str | None = None) -> TableRows:
        """The rows of a version (by default the present one), and from when each is known.

        That is what the table declares. A restated row is not known before it was received, since
        nobody could use it before, and counts after the row whose place it takes.
        """
        version = version or self.version
        for _, columns, known in self.steps([version]):
            return TableRows.of(self.schema, columns, known, version=version)
        raise self.lost(version)

    def newest(self, by: datetime) -> datetime | None:
        """The latest time up to one from which a row is valid that counts; None without any."""
        parts = self.parts()
        times = [part.newest for part in parts if part.newest is not None]
        if max(times, default=by) > by or any(part.withdrawn for part in parts):
            rows = self.rows()
            valid = rows.valid[rows.standing].view(Kind.TIME.dtype)
            times = [python_value(time) for time in np.sort(valid[valid <= utc(by)])[-1:]]
        return max(times, default=None)

    def posted(self) -> tuple[Columns, Times]:
        """The new rows that were posted since the last delivery, and when each was received."""
        record, tail = self._now()
        parts = list(takewhile(lambda part: part.posted, reversed(record.parts)))
        sets = map(self._files.columns, reversed(parts))
        return self._files.new([*sets, *map(rows_of_posting, tail.postings)])

    def batches(self) -> tuple[str, Iterator[tuple[Columns, Times]]]:
        """The version with all parts, and their rows, so many at a time; see `rows`."""
        parts = self._now()[0].parts
        return self._version(parts), self._files.batches(parts)

    def rely(self) -> str:
        """The present version, noted as one that something is about to rely on.

        Who adds rows notes their version: that is left to do of a ledger that an older Lockstep
        wrote, and where a writer was killed before. Raises DamagedError where rows were lost.
        """
        version, mark = self.version, self.high_water.read()
        if mark is None or mark.version != version:
            with suppress(LockedError), self._locked(wait=0):
                self.high_water.raise_to(self.version)
        return version

    def accept_loss(self, by: str, reason: str) -> Loss:
        """Go on without the rows that are lost; raise InputError where none are."""
        with self._locked():
            record, tail = self._held()
            mark = self.high_water.read()
            if mark is None or self._has(mark.version, record, tail):
                raise InputError(f"The ledger of {self.schema.name} has lost no rows.")
            kept = self._last(record.parts, tail.postings)
            loss = Loss(mark.version, mark.at, kept, datetime.now(UTC), by, reason)
            self.high_water.accept(loss)
        return loss

    def since(self, version: str, most: int | None = None) -> Increment | None:
        """The rows behind a version; None where more than `most` would be read from parts."""
        record, tail = self._now()
        parts, postings = self._since(version, record, tail)
        if most is not None and sum(part.rows for part in parts) > most:
            return None
        sets = [self._files.columns(part, behind=version) for part in parts]
        columns, known = self._files.with_known([*sets, *map(rows_of_posting, postings)])
        last = self._last(record.parts, tail.postings)
        return Increment(columns, known, last, tail.mark, tail.end)

    def steps(self, versions: Collection[str]) -> list[tuple[str, Columns, Times]]:
        """The rows of some versions, for which each part is read once.

        Returns:
            By version, in their order: of the first one all its rows, of the others the rows behind
            the one before; and from when each is known. Versions that the ledger never had are left
            out.
        """
        record, tail = self._now()
        steps: list[tuple[str, Columns, Times]] = []
        sets: list[Columns] = []

        def end(version: str) -> None:
            if version in versions:
                steps.append((version, *self._files.with_known(sets)))
                sets.clear()

        end(self._version(()))
        for part in record.parts:
            if len(steps) == len(versions):
                return steps
            begin = stop = 0
            rows, versions_of_rows = self._files.columns_and_versions(part)
            for version, same in groupby(versions_of_rows):
                stop += len([*same])
                if version in versions:
                    sets.append(take_rows(rows, slice(begin, stop)))
                    begin = stop
                    end(version)
            sets.append(take_rows(rows, slice(begin, None)))
        for posting in tail.postings:
            sets.append(rows_of_posting(posting))
            end(posting.version)
        return steps

    def rows_of(self, postings: Iterable[Posting]) -> tuple[Columns, Times]:
        """The rows of postings, and from when each is known."""
        return self._files.with_known([*map(rows_of_posting, postings)])

    def add(self, columns: Columns, received_at: datetime, days: Sequence[str] = ()) -> Added:
        """Add rows that the ledger does not have yet.

        Args:
            columns: Rows that fit the table's declaration.
            received_at: When they were received; rows that were posted meanwhile come before them.
            days: The days that they are all rows of, where the table is delivered by day.

        Raises:
            InputError: Rows contradict each other, or were not received after the last ones.
        """
        self._demand_agreeing(columns)
        with self._locked():
            record, tail = self._now()
            self.demand_later(received_at)
            if not record.parts:
                self._keep(record)  # or a part without a record would be of a lost one
            record = self._sealed(record, tail.postings)
            parts = record.parts
            self._files.sweep(len(parts) + 1)
            if parts and received_at <= parts[-1].received_at:
                received_at = parts[-1].received_at + timedelta(microseconds=1)
            held, _ = self._files.with_known(map(self._files.columns, parts))
            earlier, repeated, added = changes_of(self.schema, columns, held)
            if len(added):
                rows, after = take_rows(columns, added), self._version(parts)
                part = self._files.write(len(parts) + 1, after, rows, earlier[added], received_at)
                parts = (*parts, part)
            if days or len(added):
                read = {**record.days, **dict.fromkeys(days, received_at.astimezone(UTC))}
                self._keep(_Record(FORMAT, record.table, parts, read))
                self.high_water.raise_to(self._version(parts))
        return self._added(self._version(parts), earlier, repeated, added)

    def post(
        self,
        columns: Columns,
        held: Callable[[str], Columns],
        *,
        seen: TailEnd | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: float = WAIT_SECONDS,
        withdrawn: str | None = None,
    ) -> Added:
        """Add a few rows, at the cost of a line; they are on disk when it returns.

        Args:
            columns: Rows that fit the table's declaration.
            held: Gives all rows of their keys as of a version, those of one key and time in the
                order in which they were received.
            seen: An end of the tail, the lines up to which need not be read.
            withdrawn: Why rows that are there are withdrawn by these, which are the same; None for
                rows that are to count.

        Raises:
            InputError: Rows contradict each other, or were not received after the last ones.
            UnknownError: A row that is withdrawn is not there.
            NotStoredError: Nothing was ever delivered.
        """
        self._demand_agreeing(columns)
        with self._locked(wait):
            if not self.is_begun:
                raise NotStoredError(f"The table {self.schema.name} has not been delivered.")
            record, tail = self._now(seen)
            if tail.end is not None and tail.end.size > _MOST_POSTED:
                record, tail = self._now()
                record = self._sealed(record, tail.postings)
                tail = self.tail.read()
            if tail.end is None:
                self.tail.begin(self._version(record.parts))
                tail = self.tail.read()
            assert tail.end is not None, "it was begun"
            received_at, last = clock(), tail.end.received_at
            self.demand_later(received_at, last or max(_received(record.parts), default=None))
            earlier, repeated, added = changes_of(
                self.schema, columns, held(tail.end.version), withdrawn
            )
            version = tail.end.version
            if len(added):
                rows = take_rows(columns, added)
                version = self.tail.append(rows, earlier[added], received_at, tail.end, withdrawn)
                self.high_water.raise_to(version)
        return self._added(version, earlier, repeated, added)

    def days(self) -> dict[str, datetime]:
        """When each day was read last, where the table is delivered by day."""
        return self._read().days

    def demand_later(self, received_at: datetime, last: datetime | None = None) -> None:
        """Raise InputError unless a time is after that at which the last rows were received.

        `last` is when that was; by default, when the last rows were delivered.
        """
        if last is None:
            delivered = [part for part in self._read().parts if not part.posted]
            last = max(_received(delivered), default=None)
        if last is not None and received_at <= last:
            raise InputError(
                f"The clock says {received_at:%Y-%m-%d %H:%M:%S}, and the last rows of "
                f"{self.schema.name} were received at {last:%Y-%m-%d %H:%M:%S} UTC. Set the clock "
                "right; rows are added once it is later than that."
            )

    def verify(self) -> None:
        """Compare all parts and postings with their digests."""
        for part in self._now()[0].parts:
            self._files.verify(part)

    @property
    def _files(self) -> PartFiles:
        return PartFiles(self.folder, self.schema)

    def _locked(self, wait: float = WAIT_SECONDS) -> AbstractContextManager[None]:
        title = f"the ledger of {self.schema.name}"
        return locked(self.folder / "ledger.lock", title, wait=wait)

    def _now(self, seen: TailEnd | None = None) -> tuple[_Record, TailRead]:
        """The record, and the tail that follows upon its parts, if no rows are lost."""
        mark = self.high_water.read()  # before them: they have it, since rows are only added
        record, tail = self._held(seen)
        last = tail.end.version if tail.end is not None else self._version(record.parts)
        if mark is not None and last != mark.version and not self._has(mark.version, *self._held()):
            raise self._lost_rows(mark, record, tail)
        return record, tail

    def _held(self, seen: TailEnd | None = None) -> tuple[_Record, TailRead]:
        for _ in range(_TRIES):
            record, tail = self._read(), self.tail.read(seen)
            if tail.after in (None, self._version(record.parts)):
                return record, tail
            if tail.after in (self._version(()), *(part.version for part in record.parts)):
                return record, TailRead(tail.mark)  # all of it is in parts
        raise self._damage(f"lacks the parts upon which {TAIL} follows")

    def _since(
        self, version: str, record: _Record, tail: TailRead
    ) -> tuple[Sequence[Part], Sequence[Posting]]:
        """The parts with rows behind a version, and the postings behind it that are in no part."""
        parts, postings = record.parts, tail.postings
        for count, posting in enumerate(postings, 1):
            if posting.version == version:
                return (), postings[count:]
        versions = [self._version(parts[:count]) for count in range(len(parts) + 1)]
        if version in versions:
            return parts[versions.index(version) :], postings
        for place, part in enumerate(parts):
            if self._files.has_posting(part, version):
                return parts[place:], postings
        raise self.lost(version)

    def _has(self, version: str, record: _Record, tail: TailRead) -> bool:
        try:
            self._since(version, record, tail)
        except NotStoredError:
            return False
        return True

    def _lost_rows(self, mark: Mark, record: _Record, tail: TailRead) -> DamagedError:
        name, parts = self.schema.name, record.parts
        last = tail.end.received_at if tail.end is not None else None
        last = last or max(_received(parts), default=None)
        until = "has no rows" if last is None else f"ends with rows of {last:%Y-%m-%d %H:%M:%S} UTC"
        return DamagedError(
            f"The ledger of {name} has lost rows: {self.folder} {until}, and lacks the version "
            f"{mark.version[:12]}, which it had at {mark.at}. It is an older copy, or was cut off "
            "or removed. Restore the newer copy; or go on without these rows: lockstep tables "
            f'{self.folder.parent.parent.name} --accept-loss {name} --because "..."'
        )

    def lost(self, version: str) -> NotStoredError:
        """What is said of a version that the ledger does not have."""
        return NotStoredError(
            f"The ledger of {self.schema.name} has no version {version[:12]}, which was read "
            f"from it before: {self.folder} is another one, or an older copy. Restore it."
        )

    def _demand_agreeing(self, columns: Columns) -> None:
        if len(conflicts(self.schema, columns)):
            raise InputError(f"{self.schema.name}: rows of one key and time have different values.")

    @staticmethod
    def _added(version: str, earlier: Ints, repeated: Array, added: Ints) -> Added:
        return Added(
            version=version,
            new=added[earlier[added] == 0],
            restated=added[earlier[added] > 0],
            repeated=len(repeated) - len(added),
        )

    def _sealed(self, record: _Record, postings: Sequence[Posting]) -> _Record:
        """The record with the postings as a part, in whose place an empty tail is put."""
        if not postings:
            return record
        number = len(record.parts) + 1
        self._files.sweep(number)
        part = self._files.write_postings(number, postings)
        record = _Record(FORMAT, record.table, (*record.parts, part), record.days)
        self._keep(record)
        self.tail.begin(part.version)
        return record

    def _keep(self, record: _Record) -> None:
        write_state(self.record, record)

    def _read(self) -> _Record:
        path = self.record
        try:
            record = content_of(path.read_bytes(), _Record)
            if record.format != FORMAT:
                raise ValueError(f"it has format {record.format}, and this Lockstep reads {FORMAT}")
            if record.table != _declaration(self.schema):
                raise ValueError(f"it is of a table that is declared otherwise: {record.table}")
            version = self._version(())
            for part in record.parts:
                version = part.version if part.posted else version_after(version, part.sha256)
                if part.version != version:
                    raise ValueError(f"{part.file} does not follow upon the part before it")
        except FileNotFoundError:
            if not self._files.are_there():
                return _Record(FORMAT, _declaration(self.schema))
            raise self._damage("is missing, and parts are there") from None
        except (OSError, ValueError, RecursionError) as error:
            raise self._damage(f"does not tell which parts count ({error})") from error
        return record

    def _damage(self, what: str) -> DamagedError:
        return DamagedError(
            f"{self.record} {what}. Restore it from a copy; or move {self.folder} away, accept "
            f"that its rows are lost (lockstep tables {self.folder.parent.parent.name} "
            f'--accept-loss {self.schema.name} --because "..."), have the table delivered anew, '
            "and train and promote a version of that."
        )

    def _last(self, parts: Sequence[Part], postings: Sequence[Posting]) -> str:
        return postings[-1].version if postings else self._version(parts)

    def _version(self, parts: Sequence[Part]) -> str:
        return parts[-1].version if parts else _digest(_declaration(self.schema))


def ledger_of(root: Path, schema: TableSchema) -> Ledger:
    """The ledger of a table as it is declared; another declaration has another ledger.

    So a version goes on with the rows that it was declared for, whatever the checkout declares.
    """
    name = f"{schema.name}-{_digest(_declaration(schema))[:8]}"
    return Ledger(root / "ledgers" / name, schema)


def _received(parts: Iterable[Part]) -> list[datetime]:
    return [part.received_at for part in parts]


def _declaration(schema: TableSchema) -> dict[str, Any]:
    """What a ledger's rows depend on; when they are known is computed as they are read."""
    return {
        "name": schema.name,
        "fields": [[field.name, field.declared, field.optional] for field in schema.schema],
        "keys": list(schema.keys),
        "valid": schema.valid,
        "known": schema.known,
        "is_event": schema.is_event,
        **({} if schema.identity is None else {"identity": list(schema.identity)}),
    }


def _digest(declaration: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(declaration, sort_keys=True).encode()).hexdigest()
