"""Databases of ledgers: the rows of a table in a SQLite file, where they do not fit in memory.

    databases/VERSION-DIGEST.sqlite     the rows of all parts, by key and time
    databases/building.lock             held by the process that builds or opens one

A database is built from the parts, batch by batch, and gets its name when it is whole: by the
version, the table's declaration, and the digest of its bytes. The processes of a server share it;
who opens one removes what nobody reads any more.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any
from urllib.parse import quote
from weakref import finalize

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Columns, Kind, Times
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import WITHDRAWN, with_known
from lockstep.errors import DamagedError
from lockstep.store.disks import make_folder, replace_file
from lockstep.store.ledger_tails import array_of
from lockstep.store.ledgers import Ledger
from lockstep.store.lock import locked
from lockstep.tables.rows import TableRows

log = logging.getLogger(__name__)

FOLDER = "databases"
_BUILD_SECONDS = 86_400.0
"""Seconds that other processes wait for the one that builds."""
_FORMAT = 2
"""What the fields of a row hold: with this format, at their end whether it is a withdrawal."""
_FIRST, _LAST = -(2**63), 2**63 - 1
_CACHE = "PRAGMA cache_size = -65536"
"""Kilobytes of a database that a process keeps in memory."""


class LedgerDatabase:
    """The rows of a ledger's parts, in a file. Several threads may read them.

    The file stays open and locked for as long as this is read. Where it cannot be read, look-ups
    raise DamagedError.
    """

    def __init__(self, path: Path, file: IO[bytes], schema: TableSchema, version: str) -> None:
        self.path, self.schema, self.version = path, schema, version
        uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._connection, self._lock = connection, Lock()
        finalize(self, connection.close)
        finalize(self, file.close)
        connection.execute(_CACHE)
        self._rows: int = connection.execute("SELECT count FROM facts").fetchone()[0]
        self._by_key = " AND ".join(f"key_{place} = ?" for place in range(len(schema.keys)))
        self._decode = msgspec.msgpack.Decoder(list[Any]).decode

    def __len__(self) -> int:
        return self._rows

    def between(self, keys: Sequence[Array], after: Times | None, until: Times | None) -> Columns:
        """The rows of keys that are valid after a time and at or before another one, each once.

        Args:
            keys: An array for each field of the key.
            after: None for the last time of each key from which a row is valid that was known by
                `until`, with all such rows of that time.
            until: None for a static table.

        Returns:
            The declared fields, and when each row became known.
        """
        ends = [_LAST] * len(keys[0]) if until is None else _integers(until)
        own = zip(_bound(keys), ends, strict=True)
        if after is None:
            known = f"{self._by_key} AND valid <= ? AND known <= ?"
            last = f"SELECT valid FROM rows WHERE {known} ORDER BY valid DESC LIMIT 1"
            asked = ((*key, end, end, *key, end, end) for key, end in own)
            return self._read(f"{known} AND valid = ({last})", asked)
        begins = (max(first, _FIRST) for first in _integers(after))
        spans = ((*key, first, end) for (key, end), first in zip(own, begins, strict=True))
        return self._read(f"{self._by_key} AND valid > ? AND valid <= ?", spans)

    def at(self, columns: Columns) -> Columns:
        """The rows that have key and time of one of some rows, in the order in which they came."""
        keys, valid = [columns[name] for name in self.schema.keys], self.schema.valid
        times = [0] * len(keys[0]) if valid is None else _integers(columns[valid])
        asked = ((*key, time) for key, time in zip(_bound(keys), times, strict=True))
        return self._read(f"{self._by_key} AND valid = ?", asked)

    def _read(self, where: str, asked: Iterable[tuple[Any, ...]]) -> Columns:
        query = f"SELECT number, known, fields FROM rows WHERE {where}"
        found: dict[int, tuple[int, bytes]] = {}
        try:
            with self._lock:
                for one in dict.fromkeys(asked):
                    for number, known, fields in self._connection.execute(query, one):
                        found[number] = known, fields
            rows = [self._decode(fields) for _, fields in found.values()]
        except (sqlite3.DatabaseError, msgspec.DecodeError) as error:
            raise DamagedError(
                f"{self.path}, the rows of {self.schema.name} that are served, cannot be read "
                f"({error}). Remove it and start the server anew: it is built from the ledger."
            ) from error
        kinds = {**self.schema.schema.kinds, WITHDRAWN: Kind.BOOL}
        values = zip(*rows, strict=True) if rows else [()] * len(kinds)
        columns = {
            name: array_of(list(cells), kind)
            for (name, kind), cells in zip(kinds.items(), values, strict=True)
        }
        known = np.array([time for time, _ in found.values()], dtype=np.int64)
        return with_known(columns, known.view(Kind.TIME.dtype))


def database_of(ledger: Ledger) -> LedgerDatabase:
    """The database of all parts of a ledger; it is built where there is none, or a damaged one.

    Raises:
        DamagedError: A part is missing, or not as written.
        LockedError: Another process builds for a day.
    """
    folder = ledger.folder / FOLDER
    make_folder(folder)
    with locked(
        folder / "building.lock", f"the database of {ledger.schema.name}", wait=_BUILD_SECONDS
    ):
        version, rows = ledger.batches()
        declared = json.dumps(ledger.schema.undocumented.to_json(), sort_keys=True)
        name = hashlib.sha256(f"{_FORMAT}{version}{declared}".encode()).hexdigest()[:16]
        for path in folder.glob(f"{name}-*.sqlite"):
            file = _open(path)
            if file is not None:
                break
        else:
            path = _build(folder, name, ledger.schema, rows)
            file = _open(path)
            assert file is not None, "it was just written"
        found = LedgerDatabase(path, file, ledger.schema, version)
    remove_unread(ledger, found)
    return found


def remove_unread(ledger: Ledger, read: LedgerDatabase) -> None:
    """Remove the databases of a ledger that no process reads, but for the one that is read here."""
    for path in (ledger.folder / FOLDER).glob("*.sqlite"):
        if path != read.path:
            with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _open(path: Path) -> IO[bytes] | None:
    """A database, locked against its removal; a damaged one is removed."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    fcntl.flock(file, fcntl.LOCK_SH)
    if path.exists():
        if hashlib.file_digest(file, "sha256").hexdigest()[:16] == path.stem.rpartition("-")[2]:
            return file
        log.error("%s is damaged, and built anew", path)
        path.unlink()
    file.close()
    return None


def _build(
    folder: Path, name: str, schema: TableSchema, batches: Iterator[tuple[Columns, Times]]
) -> Path:
    keys = [f"key_{place}" for place in range(len(schema.keys))]
    building = folder / "building.tmp"
    building.unlink(missing_ok=True)  # of a process that was killed
    with closing(sqlite3.connect(building)) as connection:
        for setting in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", _CACHE):
            connection.execute(setting)
        order = ", ".join((*keys, "valid", "known", "number"))
        connection.execute(
            f"CREATE TABLE rows ({order}, fields, PRIMARY KEY ({order})) WITHOUT ROWID"
        )
        connection.execute("CREATE TABLE facts (count)")
        count = 0
        insert = f"INSERT INTO rows VALUES ({', '.join('?' * (len(keys) + 4))})"
        for columns, known in batches:
            rows = TableRows.of(schema, columns, known)
            connection.executemany(insert, _cells(rows, count))
            count += len(rows)
        connection.execute("INSERT INTO facts VALUES (?)", (count,))
        connection.commit()
    with building.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    path = folder / f"{name}-{digest[:16]}.sqlite"
    replace_file(path, lambda _: None, by=building)  # it is written, and then named by its digest
    return path


def _cells(rows: TableRows, first: int) -> Iterator[tuple[Any, ...]]:
    encode = msgspec.msgpack.Encoder().encode
    columns = [
        _integers(array) if array.dtype.kind == "M" else array.tolist()
        for array in (*rows.columns.values(), rows.withdrawn)
    ]
    times = zip(rows.valid.tolist(), rows.known.tolist(), strict=True)
    keys = _bound([rows.columns[name] for name in rows.schema.keys])
    each = zip(keys, times, zip(*columns, strict=True), strict=True)
    for number, (key, (valid, known), fields) in enumerate(each, first):
        yield (*key, valid, known, number, encode(fields))


def _bound(keys: Sequence[Array]) -> Iterator[tuple[Any, ...]]:
    """Keys as the database has them: texts as bytes, since a text may hold any character."""
    fields = [
        [None if value is None else value.encode("utf-8", "surrogatepass") for value in values]
        if keys[place].dtype.hasobject
        else values
        for place, values in enumerate(array.tolist() for array in keys)
    ]
    return zip(*fields, strict=True)


def _integers(times: Times) -> list[int]:
    integers: list[int] = times.view(np.int64).tolist()
    return integers
