"""The parts of a ledger: files of rows as they came, which never change.

A part has the table's fields, when each row was received, how many rows of its key and time came
before it, the reason of each withdrawal where there are any, and the version that each row made
where rows were posted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times, utc
from lockstep.columns.plain import python_value
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import WITHDRAWN, concat, from_arrow, is_missing, take_rows, to_arrow
from lockstep.errors import DamagedError
from lockstep.store.disks import replace_file
from lockstep.store.ledger_tails import TAIL, Posting

if TYPE_CHECKING:
    import pyarrow as pa

_RECEIVED, _RESTATED, _VERSION = "(received_at)", "(restated)", "(version)"
"""Columns of a part beside the table's fields, whose names no field can have."""
_BATCH = 2**16
"""Rows of a part that are read at a time."""
_MICROSECOND = np.timedelta64(1, "us")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a ledger: the rows that a delivery added."""

    file: str  # seen from the ledger's folder
    rows: int
    restated: int  # how many of them take the place of an earlier row
    received_at: datetime
    # The latest time from which one is valid; None for a table without time.
    newest: datetime | None
    sha256: str
    version: str  # the ledger's, with this part as its last
    posted: bool = False  # each row has the version that its posting made
    withdrawn: int = 0  # how many of them withdraw an earlier row


@dataclass(frozen=True)
class PartFiles:
    """The files of a ledger's parts, in its folder.

    Methods that read raise DamagedError where a file is missing or not as written.
    """

    folder: Path
    schema: TableSchema

    def write(self, number: int, after: str, columns: Columns, earlier: Ints, at: datetime) -> Part:
        """Write rows of a delivery as the part of a number, which follows upon a version.

        `earlier` has by row how many of its key and time came before it.
        """
        facts = {_RECEIVED: _times(at, len(earlier)), _RESTATED: earlier}
        return self._write(number, {**columns, **facts}, after=after)

    def write_postings(self, number: int, postings: Sequence[Posting]) -> Part:
        """Write the rows of postings as the part of a number, each with the version it made."""
        versions = [posting.version for posting in postings for _ in posting.restated]
        return self._write(number, self.together(map(rows_of_posting, postings)), versions)

    def of_postings(self, postings: Sequence[Posting]) -> Part:
        """What is told of postings as if they were in a part, whose file is the tail."""
        rows = self.together(map(rows_of_posting, postings))
        return self._part(TAIL, rows, postings[-1].version, "", posted=True)

    def sweep(self, number: int) -> None:
        """Remove what a process left that was killed before the commit of the part of a number."""
        for path in self.folder.glob("parts/*/*"):
            is_next = path.name.startswith((f"{number:06}-", ".writing-"))
            if is_next:  # any other file was part of it once: it is for a person to look at
                path.unlink()

    def are_there(self) -> bool:
        """Whether there is any file of a part."""
        return any(self.folder.glob("parts/*/*.parquet"))

    def columns(self, part: Part, *, behind: str | None = None) -> Columns:
        """The rows of a part; of postings in it, those behind a version."""
        table = self._table(part)
        versions = self._versions(part, table)
        if part.posted and behind in versions:
            table = table.slice(_behind(versions, behind))
        return self._of_table(table)

    def columns_and_versions(self, part: Part) -> tuple[Columns, list[str]]:
        """The rows of a part, and the version that each of them made."""
        table = self._table(part)
        return self._of_table(table), self._versions(part, table)

    def has_posting(self, part: Part, version: str) -> bool:
        """Whether a posting that is in a part made a version."""
        return part.posted and version in self._versions(part, self._table(part))

    def batches(self, parts: Iterable[Part]) -> Iterator[tuple[Columns, Times]]:
        """The rows of parts, so many at a time, and from when each is known."""
        import pyarrow as pa
        from pyarrow import parquet

        for part in parts:
            with self._opened(part) as file:
                for batch in parquet.ParquetFile(file).iter_batches(_BATCH):
                    table = pa.Table.from_batches([batch])
                    yield self.with_known([self._of_table(table)])

    def verify(self, part: Part) -> None:
        """Compare a part with its digest, and demand that it can be read."""
        self._table(part)

    def together(self, sets: Iterable[Columns]) -> Columns:
        """The rows of several sets, with the columns of a part."""
        return concat(sets, self._kinds)

    def with_known(self, sets: Iterable[Columns]) -> tuple[Columns, Times]:
        """The rows of several sets, and from when each is known."""
        columns = self.together(sets)
        received, restated = columns.pop(_RECEIVED), columns.pop(_RESTATED)
        columns[WITHDRAWN] = ~is_missing(columns[WITHDRAWN])
        return columns, self._known(columns, received, restated)

    def new(self, sets: Iterable[Columns]) -> tuple[Columns, Times]:
        """The rows of several sets that restate none, and when each was received."""
        columns = self.together(sets)
        del columns[WITHDRAWN]
        columns = take_rows(columns, columns.pop(_RESTATED) == 0)
        return columns, columns.pop(_RECEIVED)

    @property
    def _kinds(self) -> dict[str, Kind]:
        own = {_RECEIVED: Kind.TIME, _RESTATED: Kind.INT, WITHDRAWN: Kind.TEXT}
        return {**self.schema.schema.kinds, **own}

    def _known(self, columns: Columns, received: Times, restated: Ints) -> Times:
        schema = self.schema
        if schema.valid is None:  # of a static table, the row of a key that came last counts
            return received
        declared: Times = columns[schema.known or schema.valid]
        if schema.known_after is not None:
            declared = declared + np.timedelta64(schema.known_after)
        known: Times = declared + restated * _MICROSECOND  # each after the row before it
        return np.where(restated > 0, np.maximum(known, received), known)

    def _write(
        self, number: int, rows: Columns, versions: Sequence[str] = (), after: str = ""
    ) -> Part:
        import pyarrow as pa
        from pyarrow import parquet

        written = BytesIO()
        if is_missing(rows.get(WITHDRAWN, _reasons(None, 1))).all():
            rows = {name: array for name, array in rows.items() if name != WITHDRAWN}
        table = to_arrow(rows)
        if versions:
            table = table.append_column(_VERSION, pa.array(versions).dictionary_encode())
        parquet.write_table(table, written, compression="zstd")
        data = written.getvalue()
        digest, day = hashlib.sha256(data).hexdigest(), python_value(rows[_RECEIVED][-1]).date()
        file = f"parts/{day.isoformat()}/{number:06}-{digest[:12]}.parquet"
        replace_file(self.folder / file, lambda path: Path(path).write_bytes(data))
        version = versions[-1] if versions else version_after(after, digest)
        return self._part(file, rows, version, digest, posted=bool(versions))

    def _part(
        self, file: str, rows: Columns, version: str, sha256: str, *, posted: bool = False
    ) -> Part:
        valid = None if self.schema.valid is None else python_value(rows[self.schema.valid].max())
        return Part(
            file=file,
            rows=len(rows[_RESTATED]),
            restated=int(np.count_nonzero(rows[_RESTATED])),
            withdrawn=int((~is_missing(rows[WITHDRAWN])).sum()) if WITHDRAWN in rows else 0,
            received_at=python_value(rows[_RECEIVED][-1]),
            newest=valid,
            sha256=sha256,
            version=version,
            posted=posted,
        )

    def _of_table(self, table: pa.Table) -> Columns:
        """The columns of rows of a part, which has no reasons where it has no withdrawals."""
        kinds = self._kinds
        if WITHDRAWN not in table.column_names:
            del kinds[WITHDRAWN]
        return {WITHDRAWN: _reasons(None, len(table)), **from_arrow(table, kinds)}

    def _versions(self, part: Part, table: pa.Table) -> list[str]:
        """The version that each row of a part made, which is the part's unless it was posted."""
        if not part.posted:
            return [part.version] * part.rows
        versions: list[str] = table.column(_VERSION).to_pylist()
        if versions[-1] != part.version:
            raise self._changed(part, f"is not of the version {part.version[:12]}")
        return versions

    def _table(self, part: Part) -> pa.Table:
        from pyarrow import parquet

        with self._opened(part) as file:
            return parquet.read_table(file)

    def _opened(self, part: Part) -> IO[bytes]:
        """The file of a part, which has the very bytes that were written."""
        try:
            file = (self.folder / part.file).open("rb")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise self._changed(part, f"cannot be read ({error.strerror})") from error
        if digest != part.sha256:
            file.close()
            raise self._changed(part, "has been changed or damaged since")
        file.seek(0)
        return file

    def _changed(self, part: Part, what: str) -> DamagedError:
        return DamagedError(
            f"{self.folder / part.file}, the rows of {self.schema.name} that were received at "
            f"{part.received_at:%Y-%m-%d %H:%M} UTC, {what}. Restore it from a copy."
        )


def rows_of_posting(posting: Posting) -> Columns:
    """The rows of a posting as a part has them."""
    received = _times(posting.received_at, len(posting.restated))
    reasons = _reasons(posting.withdrawn, len(received))
    return {**posting.columns, _RECEIVED: received, _RESTATED: posting.restated, WITHDRAWN: reasons}


def version_after(version: str, digest: str) -> str:
    """The version of a ledger once the part of a digest is added to a version."""
    return hashlib.sha256(f"{version}{digest}".encode()).hexdigest()


def _times(time: datetime, rows: int) -> Times:
    return np.full(rows, utc(time))


def _reasons(reason: str | None, rows: int) -> Array:
    return np.full(rows, reason, dtype=Kind.TEXT.dtype)


def _behind(versions: Sequence[str], version: str) -> int:
    """The position after the last row of a version."""
    return len(versions) - versions[::-1].index(version)
