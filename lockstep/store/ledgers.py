"""Ledgers: the rows of a table as they came, to which rows are only ever added.

    ledger.json                   the parts that count, in order
    parts/DAY/NUMBER-DIGEST.parquet
                                  the rows of a part, by the day on which it was received
    ledger.lock                   held by the process that adds rows

A part never changes. Replacing `ledger.json` is the commit: a part that it does not list does not
exist. The *version* of a ledger is a digest of its declaration and of all parts up to one, so that
an older version is the beginning of a newer one, and can be read for as long as the ledger is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lockstep.artifacts.disks import replace_file
from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.asof.table_types import TableSchema
from lockstep.columns.digests import digests_of, mixed
from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times
from lockstep.columns.tables import concat, from_arrow, take_rows, to_arrow
from lockstep.errors import DamagedError, InputError, NotStoredError
from lockstep.store.lock import locked
from lockstep.store.parquet import Store

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
RECORD = "ledger.json"
_RECEIVED, _RESTATED = "(received_at)", "(restated)"
"""Columns of a part beside the table's fields, whose names no field can have."""
_MICROSECOND = np.timedelta64(1, "us")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a ledger: the rows that a delivery added.

    Attributes:
        file: Its file, seen from the ledger's folder.
        rows: Number of its rows.
        restated: How many of them take the place of an earlier row.
        received_at: When they were received.
        newest: The latest time from which one of them is valid; None for a table without time.
        sha256: SHA-256 of the file.
        version: The ledger's version with this part as its last.
    """

    file: str
    rows: int
    restated: int
    received_at: datetime
    newest: datetime | None
    sha256: str
    version: str


class _Record(msgspec.Struct):
    """What `ledger.json` holds."""

    format: int
    table: dict[str, Any]
    parts: tuple[Part, ...] = ()
    days: dict[str, datetime] = {}  # noqa: RUF012 - msgspec copies the default


@dataclass(frozen=True, eq=False)
class Added:
    """What became of the rows of a delivery.

    Attributes:
        version: The ledger's version with them.
        new: Positions of the rows that no row was there for.
        restated: Positions of the rows that take the place of an earlier one.
        repeated: Number of the rows that the ledger has already.
    """

    version: str
    new: Ints
    restated: Ints
    repeated: int


@dataclass(frozen=True)
class Ledger:
    """The rows of a table, as they came.

    Attributes:
        folder: Its folder.
        schema: The declaration of the table.
    """

    folder: Path
    schema: TableSchema

    @property
    def version(self) -> str:
        """The version with all parts.

        Raises:
            DamagedError: `ledger.json` is not as written.
        """
        return self._version(self.parts())

    def parts(self, version: str | None = None) -> tuple[Part, ...]:
        """The parts that count, in the order in which they were received.

        Args:
            version: The version whose parts are wanted; the present one by default.

        Raises:
            DamagedError: `ledger.json` is not as written.
            NotStoredError: The ledger never had this version.
        """
        parts = self._read().parts
        if version is None:
            return parts
        versions = [self._version(parts[:count]) for count in range(len(parts) + 1)]
        if version not in versions:
            raise NotStoredError(
                f"The ledger of {self.schema.name} has no version {version[:12]}, which was read "
                f"from it before: {self.folder} is another one, or an older copy. Restore it."
            )
        return parts[: versions.index(version)]

    def rows(self, version: str | None = None) -> TableRows:
        """The rows of a version, each with the time from which it is known.

        That is what the table declares. A restated row is not known before it was received, since
        nobody could use it before, and counts after the row whose place it takes.

        Args:
            version: The version; the present one by default.

        Raises:
            DamagedError: A part is missing, or not as written.
            NotStoredError: The ledger never had this version.
        """
        parts = self.parts(version)
        columns = concat(map(self._columns, parts), self._kinds)
        received, restated = columns.pop(_RECEIVED), columns.pop(_RESTATED)
        known = self._known(columns, received, restated)
        return TableRows.of(self.schema, columns, known, version=self._version(parts))

    def add(self, columns: Columns, received_at: datetime, days: Sequence[str] = ()) -> Added:
        """Add rows that the ledger does not have yet.

        Args:
            columns: Rows that fit the table's declaration.
            received_at: When they were received.
            days: The days that they are all rows of, where the table is delivered by day.

        Raises:
            InputError: Rows contradict each other, or were not received after the last ones.
            DamagedError: The ledger is not as written.
            LockedError: Another process keeps it locked.
        """
        if len(conflicts(self.schema, columns)):
            raise InputError(f"{self.schema.name}: rows of one key and time have different values.")
        with locked(self.folder / "ledger.lock", f"the ledger of {self.schema.name}"):
            record = self._read()
            parts = record.parts
            self.demand_later(received_at)
            if not parts:
                self._keep(record)  # or a part without a record would be of a lost one
            self._sweep(parts)
            earlier, repeated = self._earlier(columns, parts)
            first = np.zeros(len(repeated), dtype=bool)
            first[np.unique(row_digests(self.schema, columns), return_index=True)[1]] = True
            added = np.flatnonzero(first & ~repeated)
            if len(added):
                rows = take_rows(columns, added)
                parts = (*parts, self._write(parts, rows, earlier[added], received_at))
            if days or len(added):
                read = {**record.days, **dict.fromkeys(days, received_at.astimezone(UTC))}
                self._keep(_Record(FORMAT, record.table, parts, read))
        return Added(
            version=self._version(parts),
            new=added[earlier[added] == 0],
            restated=added[earlier[added] > 0],
            repeated=len(repeated) - len(added),
        )

    def days(self) -> dict[str, datetime]:
        """When each day was read last, where the table is delivered by day.

        Raises:
            DamagedError: `ledger.json` is not as written.
        """
        return self._read().days

    def demand_later(self, received_at: datetime) -> None:
        """Demand that a time is after that at which the last rows were received.

        Raises:
            InputError: It is not: the clock was set back.
        """
        last = max((part.received_at for part in self.parts()), default=None)
        if last is not None and received_at <= last:
            raise InputError(
                f"The clock says {received_at:%Y-%m-%d %H:%M:%S}, and the last rows of "
                f"{self.schema.name} were received at {last:%Y-%m-%d %H:%M:%S} UTC. Set the clock "
                "right; rows are added once it is later than that."
            )

    def verify(self) -> None:
        """Compare all parts with their digests.

        Raises:
            DamagedError: A part is missing, or not as written.
        """
        for part in self.parts():
            self._verified(part)

    @property
    def _kinds(self) -> dict[str, Kind]:
        return {**self.schema.schema.kinds, _RECEIVED: Kind.TIME, _RESTATED: Kind.INT}

    def _identities(self, columns: Columns) -> Array:
        return _identities(self.schema, columns)

    def _known(self, columns: Columns, received: Times, restated: Ints) -> Times:
        schema = self.schema
        if schema.valid is None:  # of a static table, the row of a key that came last counts
            return received
        declared: Times = columns[schema.known or schema.valid]
        if schema.known_after is not None:
            declared = declared + np.timedelta64(schema.known_after)
        known: Times = declared + restated * _MICROSECOND  # each after the row before it
        return np.where(restated > 0, np.maximum(known, received), known)

    def _earlier(self, columns: Columns, parts: Sequence[Part]) -> tuple[Ints, Array]:
        """By row, how many rows of its key and time there are, and whether the last is the same."""
        identities, digests = self._identities(columns), row_digests(self.schema, columns)
        held = concat(map(self._columns, parts), self._kinds)
        known, rows = self._identities(held), row_digests(self.schema, held)
        order = np.argsort(known, kind="stable")  # of one key and time, the last that came is last
        known, rows = known[order], rows[order]
        first, stop = (np.searchsorted(known, identities, side) for side in ("left", "right"))
        is_held = stop > first
        repeated = np.zeros(len(digests), dtype=bool)
        repeated[is_held] = rows[stop[is_held] - 1] == digests[is_held]
        return stop - first, repeated

    def _write(
        self,
        parts: Sequence[Part],
        rows: Columns,
        restated: Ints,
        received_at: datetime,
    ) -> Part:
        from pyarrow import parquet

        count = len(restated)
        time = np.datetime64(received_at.astimezone(UTC).replace(tzinfo=None), "us")
        received = np.full(count, time)
        written = BytesIO()
        table = to_arrow({**rows, _RECEIVED: received, _RESTATED: restated})
        parquet.write_table(table, written, compression="zstd")
        data = written.getvalue()
        digest = hashlib.sha256(data).hexdigest()
        day = received_at.astimezone(UTC).date().isoformat()
        file = f"parts/{day}/{len(parts) + 1:06}-{digest[:12]}.parquet"
        replace_file(self.folder / file, lambda path: Path(path).write_bytes(data))
        valid = None if self.schema.valid is None else rows[self.schema.valid].max()
        return Part(
            file=file,
            rows=count,
            restated=int(np.count_nonzero(restated)),
            received_at=received_at.astimezone(UTC),
            newest=None if valid is None else valid.item().replace(tzinfo=UTC),
            sha256=digest,
            version=_after(self._version(parts), digest),
        )

    def _keep(self, record: _Record) -> None:
        data = msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
        replace_file(self.folder / RECORD, lambda path: Path(path).write_bytes(data))

    def _sweep(self, parts: Sequence[Part]) -> None:
        """Remove what a process left that was killed before the commit of its part."""
        for path in self.folder.glob("parts/*/*"):
            is_next = path.name.startswith((f"{len(parts) + 1:06}-", ".writing-"))
            if is_next:  # any other file was part of it once: it is for a person to look at
                path.unlink()

    def _read(self) -> _Record:
        path = self.folder / RECORD
        try:
            record = msgspec.json.decode(path.read_bytes(), type=_Record)
            if record.format != FORMAT:
                raise ValueError(f"it has format {record.format}, and this Lockstep reads {FORMAT}")
            if record.table != _declaration(self.schema):
                raise ValueError(f"it is of a table that is declared otherwise: {record.table}")
            version = self._version(())
            for part in record.parts:
                version = _after(version, part.sha256)
                if part.version != version:
                    raise ValueError(f"{part.file} does not follow upon the part before it")
        except FileNotFoundError:
            if not any(self.folder.glob("parts/*/*.parquet")):
                return _Record(FORMAT, _declaration(self.schema))
            raise self._damage("is missing, and parts are there") from None
        except (OSError, ValueError) as error:
            raise self._damage(f"does not tell which parts count ({error})") from error
        return record

    def _damage(self, what: str) -> DamagedError:
        return DamagedError(
            f"{self.folder / RECORD} {what}. Restore it from a copy; or move {self.folder} away, "
            f"have {self.schema.name} delivered anew, and train and promote a version of that."
        )

    def _columns(self, part: Part) -> Columns:
        return from_arrow(self._verified(part), self._kinds)

    def _verified(self, part: Part) -> pa.Table:
        """The rows of a part, read from the very bytes that were written."""
        from pyarrow import parquet

        path = self.folder / part.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise self._changed(part, f"cannot be read ({error.strerror})") from error
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise self._changed(part, "has been changed or damaged since")
        return parquet.read_table(BytesIO(data))

    def _changed(self, part: Part, what: str) -> DamagedError:
        return DamagedError(
            f"{self.folder / part.file}, the rows of {self.schema.name} that were received at "
            f"{part.received_at:%Y-%m-%d %H:%M} UTC, {what}. Restore it from a copy."
        )

    def _version(self, parts: Sequence[Part]) -> str:
        return parts[-1].version if parts else _digest(_declaration(self.schema))


def ledger_of(store: Store, schema: TableSchema) -> Ledger:
    """The ledger of a table as it is declared; another declaration has another ledger.

    So a version goes on with the rows that it was declared for, whatever the checkout declares.

    Args:
        store: Where the pipeline's rows are kept.
        schema: The declaration.
    """
    name = f"{schema.name}-{_digest(_declaration(schema))[:8]}"
    return Ledger(store.root / "ledgers" / name, schema)


def row_digests(schema: TableSchema, columns: Columns) -> Array:
    """A digest of each row: uint64."""
    return _mixed(columns, schema.schema.names)


def conflicts(schema: TableSchema, columns: Columns) -> Ints:
    """Positions of rows of one key and time that have different values; events have none."""
    identities = _identities(schema, columns)
    _, first = np.unique(row_digests(schema, columns), return_index=True)
    _, place, counts = np.unique(identities[first], return_inverse=True, return_counts=True)
    return np.sort(first[counts[place] > 1])


def _identities(schema: TableSchema, columns: Columns) -> Array:
    """What two rows have in common of which the later one takes the place of the earlier one."""
    if schema.is_event:
        return row_digests(schema, columns)
    times = (name for name in (schema.valid, schema.known) if name is not None)
    return _mixed(columns, (*schema.keys, *times))


def _mixed(columns: Columns, names: Sequence[str]) -> Array:
    return mixed([digests_of(columns[name]) for name in names], len(columns[names[0]]))


def _declaration(schema: TableSchema) -> dict[str, Any]:
    """What a ledger's rows depend on; when they are known is computed as they are read."""
    return {
        "name": schema.name,
        "fields": [[field.name, field.declared, field.optional] for field in schema.schema],
        "keys": list(schema.keys),
        "valid": schema.valid,
        "known": schema.known,
        "is_event": schema.is_event,
    }


def _digest(declaration: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(declaration, sort_keys=True).encode()).hexdigest()


def _after(version: str, digest: str) -> str:
    """The version of a ledger once a part is added to a version."""
    return hashlib.sha256(f"{version}{digest}".encode()).hexdigest()
