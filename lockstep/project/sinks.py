"""Sinks: where published predictions are written besides the home, for consumers elsewhere.

A sink is given a partition's published rows, and keeps them by pipeline, stream, partition, version
and key. To be given the same rows twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import quote

from lockstep.columns.address import Address
from lockstep.columns.plain import (
    counted,
    file_name,
    listed,
    one_line,
    plain,
    short_name,
    verb,
)
from lockstep.columns.setting_checks import Text, declaration
from lockstep.errors import DeclarationError, SinkError
from lockstep.project.object_stores import StoreAddress, is_address, local_path
from lockstep.project.sources import declaring_folder, found_database
from lockstep.store.disks import replace_file

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Column, Connection, Table

COORDINATES = ("pipeline", "stream", "partition")
"""Columns that a sink puts before the published ones."""
IS_CURRENT = "is_current"
"""Column of a SQL table: whether the row is of the version that the partition is published by."""
_VERSION = "version"
_FILE = "predictions.parquet"
_ROW = "row"
_QUARANTINE = "_quarantine"
"""What follows the name of a table in that of the table of rows that it cannot take."""
_ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class PublishedRows:
    """The published rows of a partition, which may be more than fit into memory.

    Attributes:
        pipeline: Name of the pipeline.
        stream: Name of the stream.
        partition: The day or file.
        version: Number of the version that made the rows.
        file: A Parquet file with the rows: key, event time, outputs, `version` (int64), `scored_at`
            and `came_at` (UTC); the key comes first.
    """

    pipeline: str
    stream: str
    partition: str
    version: int
    file: Path

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        from pyarrow import parquet

        return parquet.read_schema(self.file)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, some thousands at a time."""
        from pyarrow import parquet

        with parquet.ParquetFile(self.file) as file:
            yield from file.iter_batches(_ROWS_AT_ONCE, columns=columns)


@runtime_checkable
class Sink(Protocol):
    """Keeps published predictions for consumers."""

    def write(self, published: PublishedRows) -> str | None:
        """Keep the rows of a partition as those that count, in the place of earlier ones.

        Rows of other versions stay readable. What is raised leaves the handover open: the next run
        tries again.

        Returns:
            Which rows it cannot take and set aside, where and why; None if it took all.
        """
        ...

    def describe(self) -> str:
        """The sink in a line, for a person, without secrets. It tells sinks apart."""
        ...


@declaration
@dataclass(frozen=True)
class ParquetSink:
    """Parquet files in two hive-partitioned trees, `current` and `versions`.

    `current` has one file a partition: `pandas.read_parquet("predictions/current")` gives each row
    once, by the version that counts. `versions` has one file a partition and version. Each file is
    replaced whole: readers see the old one or the new one.

    Attributes:
        path: A folder, seen from the root of the project; or an address that fsspec knows, such as
            `s3://bucket/predictions`.
        options: Options of fsspec's file system, such as `{"profile": "scoring"}`.
    """

    path: str | Path
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    folder: Path = field(default_factory=declaring_folder, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not str(self.path):
            raise DeclarationError("ParquetSink: its path is empty; name a folder or an address.")
        if is_address(self.path):
            StoreAddress(str(self.path))  # which refuses a password

    def write(self, published: PublishedRows) -> None:
        """Replace the files of the partition and of its version; see `Sink.write`."""
        values = (published.pipeline, published.stream, published.partition)
        place = "/".join(map(_hive, COORDINATES, values))
        version = _hive(_VERSION, str(published.version))
        names = published.schema.names
        others = [name for name in names if name != _VERSION]  # readers know it by the folder
        self._put(f"versions/{place}/{version}/{_FILE}", published, others)
        self._put(f"current/{place}/{_FILE}", published, names)

    def describe(self) -> str:
        """What it is, in one line."""
        shown = StoreAddress(str(self.path)) if is_address(self.path) else self.path
        return f"Parquet files in {shown}"

    def _put(self, name: str, published: PublishedRows, columns: Sequence[str]) -> None:
        def write(place: str) -> None:
            from pyarrow import parquet, schema

            kept = schema([published.schema.field(column) for column in columns])
            with parquet.ParquetWriter(place, kept, compression="zstd") as file:
                for batch in published.batches(columns):
                    file.write_batch(batch)

        if not is_address(self.path):
            target = self.folder / local_path(self.path) / name
            replace_file(target, write, by=target.with_name(f".{_FILE}.new"))
            return
        files, root = StoreAddress(str(self.path), self.options).open()
        place = f"{root.rstrip('/')}/{name}"
        files.makedirs(place.rpartition("/")[0], exist_ok=True)
        with TemporaryDirectory() as beside:
            write(f"{beside}/{_FILE}")
            files.put_file(f"{beside}/{_FILE}", place)  # whole, on an object store


@declaration
@dataclass(frozen=True)
class SqlSink:
    """A SQL table, a row for each pipeline, stream, partition, version and key.

    A partition is one transaction: its rows by the same version are replaced, and `is_current`
    moves to them from those of other versions. The table is made at the first handover, and given a
    column when a version has a new output. A row that the database cannot take, such as one with a
    NUL in a text for PostgreSQL, is kept as JSON in the table `TABLE_quarantine`, with the reason.

    Attributes:
        url: The database's URL for SQLAlchemy, such as `postgresql+psycopg2://me@host/scores`; a
            relative path of SQLite starts from the root of the project.
        table: Name of the table; `SCHEMA.TABLE` for one in a schema, which has to exist.
    """

    url: str = field(default="sqlite:///predictions.db", repr=False)
    table: Text = "predictions"
    folder: Path = field(default_factory=declaring_folder, init=False, repr=False, compare=False)

    def write(self, published: PublishedRows) -> str | None:
        """Replace the rows of the partition and version; see `Sink.write`."""
        from sqlalchemy import NullPool, create_engine, delete, update

        constants = {
            "pipeline": published.pipeline,
            "stream": published.stream,
            "partition": published.partition,
        }
        table, refused = self._table(published.schema), list[_UntakenRow]()
        url, file = found_database(self.url, self.folder)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        with create_engine(url, poolclass=NullPool).begin() as connection:
            self._prepare(connection, table)
            same = [table.c[name] == value for name, value in constants.items()]
            connection.execute(delete(table).where(*same, table.c.version == published.version))
            connection.execute(update(table).where(*same).values({IS_CURRENT: False}))
            first = 0
            for batch in published.batches():
                rows = [{**constants, IS_CURRENT: True, **row} for row in batch.to_pylist()]
                refused += _insert(connection, table, rows, first)
                first += len(rows)
            _keep_refused(connection, table, {**constants, _VERSION: published.version}, refused)
        if not refused:
            return None
        are = f"{counted(len(refused), 'row')} {verb(len(refused), 'is', 'are')}"
        return f"{are} kept in {self.table}{_QUARANTINE} instead: {refused[0].reason}"

    def describe(self) -> str:
        """The sink in a line, without the password."""
        return f"SQL table {self.table} on {Address(self.url)}"

    def _table(self, columns: pa.Schema) -> Table:
        from sqlalchemy import Boolean, Column, MetaData, Table, Text

        schema, _, name = self.table.rpartition(".")
        keys = {_VERSION, columns.names[0]}
        return Table(
            name,
            MetaData(),
            *(Column(name, Text, primary_key=True) for name in COORDINATES),
            Column(IS_CURRENT, Boolean, nullable=False),
            *(_column(field, is_key=field.name in keys) for field in columns),
            schema=schema or None,
        )

    def _prepare(self, connection: Connection, table: Table) -> None:
        """Create the table, or add the columns that it lacks."""
        from sqlalchemy import inspect, text

        looked = inspect(connection)
        if not looked.has_table(table.name, table.schema):
            table.create(connection)
            return
        known = {column["name"] for column in looked.get_columns(table.name, table.schema)}
        lacking = [column for column in table.columns if column.name not in known]
        keys = [column.name for column in lacking if not column.nullable]
        if keys:
            raise SinkError(
                f"the table has no column {listed(keys)}, and no rows of predictions can be told "
                "apart in it; name another table, or rename it"
            )
        dialect = connection.dialect
        for column in lacking:
            named = dialect.identifier_preparer.format_table(table)
            name = dialect.identifier_preparer.format_column(column)
            kind = column.type.compile(dialect=dialect)
            connection.execute(text(f"ALTER TABLE {named} ADD COLUMN {name} {kind}"))


@dataclass(frozen=True)
class _UntakenRow:
    """A row that a database cannot take: its number, its values, and the reason."""

    number: int
    values: Mapping[str, Any]
    reason: str


def _insert(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], first: int
) -> list[_UntakenRow]:
    """Insert rows; return those that the database cannot take, found by halves."""
    from sqlalchemy import insert

    if not rows:
        return []
    try:
        with connection.begin_nested():
            connection.execute(insert(table), rows)
    except Exception as error:
        if not _is_of_values(error):
            raise
        if len(rows) == 1:
            return [_UntakenRow(first, rows[0], reason_of(error))]
        half = len(rows) // 2
        return [
            *_insert(connection, table, rows[:half], first),
            *_insert(connection, table, rows[half:], first + half),
        ]
    return []


def _is_of_values(error: Exception) -> bool:
    """Whether values of a row are at fault: data of SQL's class 22, or beyond a limit (54).

    psycopg2 raises a `ValueError` of its own for a NUL.
    """
    from sqlalchemy.exc import DataError

    cause = getattr(error, "orig", error)
    state = str(getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None) or "")
    return isinstance(error, DataError | ValueError) or state[:2] in ("22", "54")


def _keep_refused(
    connection: Connection, table: Table, whose: Mapping[str, Any], refused: Sequence[_UntakenRow]
) -> None:
    """Have the quarantine of a table hold these rows of a partition and version, and no others."""
    from sqlalchemy import BigInteger, Column, MetaData, Table, Text, delete, insert, inspect

    numbers = (_VERSION, _ROW)
    quarantine = Table(
        f"{table.name}{_QUARANTINE}",
        MetaData(),
        *(Column(name, Text, primary_key=True) for name in COORDINATES),
        *(Column(name, BigInteger, primary_key=True, autoincrement=False) for name in numbers),
        Column("reason", Text, nullable=False),
        Column("record", Text, nullable=False),
        schema=table.schema,
    )
    if inspect(connection).has_table(quarantine.name, table.schema):
        same = [quarantine.c[name] == value for name, value in whose.items()]
        connection.execute(delete(quarantine).where(*same))
    elif refused:
        quarantine.create(connection)
    for row in refused:
        held = {"reason": row.reason, "record": json.dumps(plain(row.values))}  # a NUL is escaped
        connection.execute(insert(quarantine), {**whose, _ROW: row.number, **held})


def reason_of(error: Exception) -> str:
    """Why a sink failed, in a line; of a database, without the statement and details of rows."""
    cause = getattr(error, "orig", None) or error
    text, _, _ = str(cause).partition("\nDETAIL")
    return f"{type(cause).__name__}: {one_line(text)}"


def _column(arrow: pa.Field, *, is_key: bool) -> Column[Any]:
    import pyarrow as pa
    from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Text

    kinds: dict[Any, Any] = {pa.float64(): Double, pa.int64(): BigInteger, pa.bool_(): Boolean}
    is_time = pa.types.is_timestamp(arrow.type)
    kind = DateTime(timezone=True) if is_time else kinds.get(arrow.type, Text)
    return Column(arrow.name, kind, primary_key=is_key, autoincrement=False)


def _hive(name: str, value: str) -> str:
    """A folder's name that readers of hive partitions take for a column and its value.

    One that would be too long for a file system is spelt out less, which readers take as well.
    """
    folder = f"{name}={quote(value, safe='')}"
    return folder if folder == short_name(folder) else f"{name}={file_name(value)}"
