"""Served tables: the rows that look-ups and windows of served versions read.

All versions that read a table share its rows, as of the newest version of its ledger that this
process knows. Rows that were posted count from the next batch on, rows that were delivered once a
thread has read them. A batch reads one version of a table from its beginning to its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, local
from typing import TypeAlias
from weakref import WeakValueDictionary

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.table_schema import TableSchema
from lockstep.errors import LockstepError, UndeliveredError
from lockstep.store.ledger_databases import LedgerDatabase, database_of, remove_unread
from lockstep.store.ledger_tails import TailEnd, TailMark
from lockstep.store.ledgers import Added, Increment, Ledger, ledger_of
from lockstep.tables.layered import LayeredRows
from lockstep.tables.rows import TableRows

log = logging.getLogger(__name__)

ReadRows: TypeAlias = Mapping[str, LayeredRows]
"""The rows that a version reads, by table."""

_MOST_ROWS = 10_000
"""Delivered rows that are added to those in memory; where there are more, all are ordered anew."""


class ServedTable:
    """The rows of a table, which follow its ledger. Several threads may use it.

    Rows that memory does not hold are in a database that is built beside the ledger.
    """

    def __init__(self, ledger: Ledger, *, in_memory: bool = True) -> None:
        self.ledger, self._in_memory = ledger, in_memory
        self.trouble: str | None = None  # why newer rows cannot be read; None if they can
        self._tail, self._lock = ledger.tail, Lock()
        ledger.rely()
        self._seen = self._delivered()
        base = self._base()
        self.rows = LayeredRows(base)
        increment = ledger.since(base.version)
        assert increment is not None, "it reads all"
        self._mark: TailMark = increment.mark
        self._end: TailEnd | None = increment.end
        self._take(self.rows, increment)

    def look(self) -> LayeredRows:
        """The rows, with those that were posted by now."""
        try:
            if self._tail.mark() != self._mark:
                with self._lock:
                    self._read_on()
        except (LockstepError, OSError) as error:
            self._tell(error)
        return self.rows

    def follow(self) -> None:
        """Read what was delivered by now, and order all rows anew where many were added."""
        try:
            self._follow()
        except (LockstepError, OSError) as error:
            self._tell(error)
        else:
            self.trouble = None

    def post(self, columns: Columns, wait: float, withdrawn: str | None = None) -> Added:
        """Add rows to the ledger, from where they are read at once; an error adds none.

        Waits so many seconds for another process that adds rows. With a reason in `withdrawn`, they
        withdraw rows that are the same.
        """

        def held(version: str) -> Columns:
            if self.rows.version != version:
                self._follow()
            assert self.rows.version == version, "nobody adds rows meanwhile"
            return self.rows.of_keys(columns)

        added = self.ledger.post(columns, held, seen=self._end, wait=wait, withdrawn=withdrawn)
        if self.rows.version != added.version:
            with self._lock:
                self._read_on()
        return added

    def _read_on(self) -> None:
        """Add what was posted since, and a few delivered rows; the lock is held."""
        if self._end is not None:
            read = self._tail.read_on(self._end)
            if read is not None:
                rows = self.rows
                if read.postings:
                    columns, known = self.ledger.rows_of(read.postings)
                    rows = rows.adding(columns, known, read.postings[-1].version)
                self.rows, self._mark, self._end = rows, read.mark, read.end
                return
        increment = self.ledger.since(self.rows.version, _MOST_ROWS)
        if increment is not None:
            self._take(self.rows, increment)

    def _take(self, rows: LayeredRows, increment: Increment) -> None:
        """Go on with some rows and those behind them."""
        self.rows = rows.adding(increment.columns, increment.known, increment.version)
        self._mark, self._end = increment.mark, increment.end

    def _follow(self) -> None:
        with self._lock:
            self._read_on()
            rows, delivered = self.rows, self._delivered()
        if isinstance(rows.base, LedgerDatabase):
            remove_unread(self.ledger, rows.base)
        is_same = delivered == self._seen
        is_heavy = rows.is_top_heavy and (self._in_memory or not is_same)
        if is_same and not is_heavy:
            return  # a database holds the parts, and would be the one that there is
        if rows.version == self.ledger.version and not is_heavy:
            self._seen = delivered
            return
        base = self._base(rows)
        with self._lock:
            since = self.ledger.since(base.version, _MOST_ROWS)
            if since is None:
                return  # so much was delivered meanwhile that the next look begins anew
            self._take(LayeredRows(base), since)
            self._seen = delivered

    def _base(self, rows: LayeredRows | None = None) -> TableRows | LedgerDatabase:
        """All rows as they are now, some of which are in memory already."""
        if not self._in_memory:
            return database_of(self.ledger)
        if rows is None:
            base = self.ledger.rows()
        else:
            behind = self.ledger.since(rows.version)
            assert behind is not None, "it reads all"
            base = rows.adding(behind.columns, behind.known, behind.version).merged()
        base.prepare()
        return base

    def _delivered(self) -> tuple[int, int]:
        """Tells whether parts were added: it is another one then."""
        status = self.ledger.record.stat()
        return status.st_ino, status.st_mtime_ns

    def _tell(self, error: Exception) -> None:
        if self.trouble is None:
            log.error("%s goes on as it was: %s", self.ledger.schema.name, error)
        self.trouble = str(error)


class _Reads(local):
    """What the batch of each thread reads; None outside of one."""

    now: ReadRows | None = None


class VersionTables:
    """The tables that a version reads, by name."""

    def __init__(self, tables: Mapping[str, ServedTable]) -> None:
        self.tables = tables
        self._batch = _Reads()

    def bind(self, pipeline: Pipeline) -> Pipeline:
        """A pipeline whose look-ups and windows read what its batch reads."""
        nodes = pipeline.graph.columns.values()
        readers = {n.name: _BatchReader(n, self) for n in nodes if isinstance(n, FromTable)}
        return pipeline.bind(readers)

    @contextmanager
    def batch(self, rows: ReadRows | None = None) -> Iterator[ReadRows]:
        """Have this thread read one version of each table meanwhile, and give these rows.

        By default they are those of now, or of the batch within which it is.
        """
        outer = self._batch.now
        self._batch.now = now = self.reads() if rows is None else rows
        try:
            yield now
        finally:
            self._batch.now = outer

    def reads(self) -> ReadRows:
        """The rows that the batch of this thread reads."""
        return self._batch.now or {name: t.look() for name, t in self.tables.items()}


class ServedTables:
    """The tables of a pipeline that are served, by the folder of its rows: `Home.data / "flights"`.

    Tables that `on_disk` names are not kept in memory.
    """

    def __init__(self, root: Path, on_disk: Collection[str] = ()) -> None:
        self.root, self.on_disk, self._lock = root, on_disk, Lock()
        self._tables: WeakValueDictionary[tuple[Path, TableSchema], ServedTable]
        self._tables = WeakValueDictionary()

    def of(self, pipeline: Pipeline) -> VersionTables:
        """The tables that a version of the pipeline reads; to order their rows takes a while.

        Raises UndeliveredError where one has never been delivered as the version declares it.
        """
        tables = {}
        with self._lock:
            for name, schema in pipeline.tables.items():
                ledger = ledger_of(self.root, schema)
                if not ledger.is_begun:
                    raise UndeliveredError(pipeline.name, name, ledger.record)
                key = ledger.folder, schema.undocumented
                table = self._tables.get(key)
                if table is None:
                    table = self._tables[key] = ServedTable(
                        ledger, in_memory=name not in self.on_disk
                    )
                tables[name] = table
        return VersionTables(tables)

    async def look(self) -> None:
        """Read what was delivered, in a thread."""
        for table in list(self._tables.values()):
            await asyncio.to_thread(table.follow)


class _BatchReader:
    """Reads the columns of a look-up or window as its batch does."""

    def __init__(self, node: FromTable, tables: VersionTables) -> None:
        self._node, self._tables = node, tables
        self.beside = node.origins

    def __call__(self, columns: Columns, /) -> Columns:
        rows = self._tables.reads()
        return rows[self._node.table.name].reader(self._node)(columns)
