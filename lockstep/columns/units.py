"""Units: parts of an input that are read, decoded and scored one at a time.

Files are cut into units of about as many rows, and small files of one input are a unit together.
Every row has the position that it has in the whole input. A file whose rows can only be told by
reading it whole, as where it is compressed or a quote stands within a cell, is in one unit.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.decode import Decoded, joined
from lockstep.columns.files import (
    TextRows,
    decode_csv,
    decode_file,
    decode_json_lines,
    decode_table,
    has_row,
    kind_of,
    nameless_index,
    reading,
    unreadable_parquet,
)
from lockstep.columns.kinds import Ints
from lockstep.columns.plain import counted
from lockstep.columns.schema import Schema
from lockstep.errors import UnavailableError, UnreadableError

Bytes: TypeAlias = NDArray[np.uint8]

ROWS = 40_000
"""Rows of a unit at most, where nobody says how many: some 40 MB with all columns."""
_BLOCK = 16 * 2**20
"""Bytes of a text that are searched for the ends of its rows at a time."""
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
_BOM = codecs.BOM_UTF8


@dataclass(frozen=True)
class Held:
    """Rows that are in memory."""

    decoded: Decoded

    @property
    def rows(self) -> int:
        """Number of its rows, with the refused ones."""
        return self.decoded.total

    def read(self, schema: Schema) -> Decoded:
        """The rows, as they were decoded."""
        return self.decoded

    @property
    def place(self) -> str:
        """Which rows these are, for messages."""
        return f"{self.rows} rows in memory"


@dataclass(frozen=True)
class FileRows:
    """Rows of a file."""

    path: Path
    plain: Path  # the file with its content, uncompressed
    kind: str  # how it is read: `.csv`, `.parquet` or `.jsonl`
    written: CsvFormat
    state: tuple[int, ...]  # of `plain` when it was cut; see `_state`
    first: int  # the position of the first row
    rows: int
    start: int  # of Parquet, the first row group; of a text, the first byte
    end: int  # the row group after the last one; the byte after the last one
    skipped: int = 0  # before it: rows of the first row group; lines of a text
    header: int = 0  # the end of the header of a CSV file, in bytes
    is_whole: bool = False  # whether it is all rows of a text

    def read(self, schema: Schema) -> Decoded:
        """Read and decode the rows.

        Raises:
            UnavailableError: The system cannot read the file, or it was replaced since it was cut.
            UnreadableError: Its content cannot be decoded; lines are counted from its beginning.
        """
        with reading(self.path), self.opened() as content:
            decoded = _READERS[self.kind](self, content, schema)
        if decoded.total != self.rows:
            raise UnreadableError(
                f"{self.path} had {self.rows} rows from row {self.first} on when it was cut, and "
                f"has {decoded.total} there now: it was changed while it was read.",
                where=str(self.path),
                todo="Have it delivered whole before it is read.",
            )
        return decoded

    @property
    def place(self) -> str:
        """Which rows these are, for messages."""
        return f"{self.path}, rows {self.first} to {self.first + self.rows - 1}"

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The content of the file, as long as it is the one that was cut; see `read`."""
        with self.plain.open("rb") as content:
            self._demand_same(content)
            try:
                yield content
            finally:  # what cannot be decoded says nothing where it was changed meanwhile
                self._demand_same(content)

    def _demand_same(self, content: BinaryIO) -> None:
        if _state(content) != self.state:
            raise UnavailableError(
                f"{self.path} was replaced while it was read: its units would mix two versions of "
                "it, and none is kept. It is read anew at the next try."
            )


def _state(file: BinaryIO) -> tuple[int, ...]:
    """The inode, the size in bytes and the time in ns of the last write of an open file.

    Replacing it or writing to it changes them. The device is none of them: processes on several
    machines read the units of a file.
    """
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Unit:
    """A unit: rows that are worked on together."""

    pieces: tuple[Held | FileRows, ...]  # in order; one or more

    @property
    def rows(self) -> int:
        """Number of its rows, with the refused ones."""
        return sum(piece.rows for piece in self.pieces)

    def read(self, schema: Schema) -> Decoded:
        """Read and decode the rows; see `FileRows.read`."""
        return joined([piece.read(schema) for piece in self.pieces])

    @property
    def place(self) -> str:
        """Which rows these are, for messages."""
        more = len(self.pieces) - 1
        return self.pieces[0].place + (f", and {counted(more, 'more file')}" if more else "")


@dataclass(frozen=True)
class Units:
    """The rows of a partition, cut into units."""

    units: tuple[Unit, ...]  # in order; at least one
    scratch: tuple[Path, ...] = ()  # files that nobody needs once the rows are read
    # From the error of a unit that cannot be decoded to the error to raise: it may reject the file.
    failing: Callable[[UnreadableError], UnreadableError] = field(default=lambda error: error)
    # Raises where the input is not what it was when it was cut, once all units are read.
    demand_same: Callable[[], None] = field(default=lambda: None)

    @classmethod
    def of(cls, rows: Decoded | Units) -> Units:
        """Rows in memory as a single unit; units as they are."""
        return rows if isinstance(rows, Units) else cls((Unit((Held(rows),)),))

    @property
    def total(self) -> int:
        """Number of rows."""
        return sum(unit.rows for unit in self.units)


def read_files(
    paths: Sequence[Path],
    schema: Schema,
    written: CsvFormat = USUAL,
    *,
    plain: Mapping[Path, Path] = MappingProxyType({}),
    rows: int = ROWS,
) -> Decoded | Units:
    """The rows of files as one input: units to read later where they are many, else decoded now.

    It raises as `lockstep.columns.files.decode_file` does.

    Args:
        plain: By compressed file, a file with its content.
        rows: Most rows of a unit.
    """
    pieces: list[Held | FileRows] = []
    first = 0
    are_few = not plain and sum(path.stat().st_size for path in paths if path.is_file()) <= rows
    for path in paths:
        of_file: Sequence[Held | FileRows] = ()
        if not are_few:
            of_file = cut(path, written, plain=plain.get(path), first=first, rows=rows)
        of_file = of_file or (Held(decode_file(path, schema, written, first=first)),)
        pieces += of_file
        first += sum(piece.rows for piece in of_file)
    units = tuple(_together(pieces, rows))
    return Units(units) if len(units) > 1 else units[0].read(schema)


def _together(pieces: Iterable[Held | FileRows], rows: int) -> Iterator[Unit]:
    """Units of pieces that follow upon each other, each of no more rows than one piece may have."""
    held: list[Held | FileRows] = []
    for piece in pieces:
        if held and sum(each.rows for each in held) + piece.rows > rows:
            yield Unit(tuple(held))
            held = []
        held.append(piece)
    yield Unit(tuple(held))


def cut(
    path: Path,
    written: CsvFormat = USUAL,
    *,
    plain: Path | None = None,
    first: int = 0,
    rows: int = ROWS,
) -> tuple[FileRows, ...]:
    """Cut a file between its rows; no pieces where it has no rows, or cannot be cut.

    `plain` is a file with the content of a compressed one; `first`, the position of the first row.
    """
    kind = kind_of(path)
    if plain is not None:
        kind = f".{kind.split('.')[1]}"
    if kind not in _CUTTERS:
        return ()
    with reading(path), (plain or path).open("rb") as content:
        state = _state(content)
        whole = FileRows(path, plain or path, kind, written, state, first, rows=0, start=0, end=0)
        return tuple(_CUTTERS[kind](whole, content, rows))


# --- Parquet ---


def _cut_parquet(file: FileRows, content: BinaryIO, rows: int) -> Iterator[FileRows]:
    """Row groups together as long as they are few rows; parts of one that has more."""
    from pyarrow import parquet

    with unreadable_parquet(file.path):
        footer = parquet.read_metadata(content)
    sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    first, start, held = file.first, 0, 0
    for number, size in enumerate(sizes):
        if held and held + size > rows:
            yield replace(file, first=first, rows=held, start=start, end=number)
            first, start, held = first + held, number, 0
        if size <= rows:
            held += size
            continue
        for skipped in range(0, size, rows):
            part = min(rows, size - skipped)
            yield replace(
                file, first=first, rows=part, start=number, end=number + 1, skipped=skipped
            )
            first += part
        start = number + 1
    if held:
        yield replace(file, first=first, rows=held, start=start, end=len(sizes))


def _read_parquet(part: FileRows, content: BinaryIO, schema: Schema) -> Decoded:
    import pyarrow as pa
    from pyarrow import parquet

    with unreadable_parquet(part.path), parquet.ParquetFile(content) as file:
        dropped = nameless_index(file.schema_arrow)
        groups = list(range(part.start, part.end))
        wanted, seen = [], 0
        for batch in file.iter_batches(part.rows, row_groups=groups, use_threads=False):
            begin, seen = seen, seen + len(batch)
            if seen > part.skipped:
                wanted.append(batch.slice(max(part.skipped - begin, 0)))
            if seen >= part.skipped + part.rows:
                break
        table = pa.Table.from_batches(wanted, file.schema_arrow).slice(0, part.rows)
        table.validate(full=True)  # texts in UTF-8, above all
    return decode_table(table.drop_columns(dropped), schema, part.path, part.first)


# --- texts ---


def _cut_text(file: FileRows, content: BinaryIO, rows: int) -> Iterator[FileRows]:
    """Parts of a CSV or JSON lines file that end where a row does; none where that is not plain."""
    is_csv = file.kind == ".csv"
    if is_csv and '\n,"'.encode(file.written.encoding) != b'\n,"':
        return
    parts: list[FileRows] = []
    part = file
    if (is_csv and not _is_mark(file.written.encoding)) or content.read(len(_BOM)) != _BOM:
        content.seek(0)
    found = _RowEnds(file.written.separator.encode() if is_csv else None, content.tell())
    while block := content.read(_BLOCK) + content.readline():
        places = found.of(block)
        if places is None:
            return
        ends, lines = places
        if is_csv and not part.header and len(ends):
            part = replace(part, start=ends[0], skipped=lines[0], header=ends[0])
            ends, lines = ends[1:], lines[1:]
        filled = 0
        for last in range(rows - part.rows - 1, len(ends), rows):
            parts.append(replace(part, rows=rows, end=ends[last]))
            first = part.first + rows
            part = replace(part, first=first, rows=0, start=ends[last], skipped=lines[last])
            filled = last + 1
        if filled < len(ends):
            part = replace(part, rows=part.rows + len(ends) - filled, end=ends[-1])
    if found.is_quoted:
        return
    parts += [part] if part.rows else []
    if len(parts) > 1 and not any(map(_has_row, parts)):
        parts = parts[:1]  # which is refused for its first line, as the whole file is
    yield from parts if len(parts) > 1 else [replace(part, is_whole=True) for part in parts]


def _is_mark(encoding: str) -> bool:
    """Whether a byte order mark of UTF-8 is no text in an encoding."""
    return not _BOM.decode(encoding, "replace").strip("\ufeff")


def _has_row(part: FileRows) -> bool:
    with part.opened() as content:
        return has_row(_text(part, content), part.kind, part.written)


class _RowEnds:
    """The ends of the rows of a text, block by block, as `lockstep.columns.malformed` tells rows.

    `separator` is None where quotes mean nothing; `place` is that of the first byte in the file.
    """

    def __init__(self, separator: bytes | None, place: int) -> None:
        blank = b"\n\r" if separator is not None else b" \t\n\r\x0b\x0c"
        self._has_text = ~np.isin(np.arange(256), [*blank])
        self._beside = [_NEWLINE, _RETURN, _QUOTE, *(separator or b"")]
        self._has_quotes = separator is not None
        self._lines = 0
        self._place = place
        self.is_quoted = False

    def of(self, block: bytes) -> tuple[list[int], list[int]] | None:
        """The ends of the rows of a block of whole lines: after which bytes, after how many lines.

        None where a quote or a line end stands where none is in a CSV file, so that only reading
        the whole tells what is a row.
        """
        data = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(data == _NEWLINE) + 1
        if not len(ends) or ends[-1] != len(data):  # the last line of the text
            ends = np.append(ends, len(data))
        is_row = np.logical_or.reduceat(self._has_text[data], np.append(0, ends[:-1]))
        lines = self._lines + np.arange(1, len(ends) + 1)
        places = ends + self._place
        if self._has_quotes:
            quotes, was_quoted = np.flatnonzero(data == _QUOTE), self.is_quoted
            returns = _returns_alone(data)  # which end a line, too
            if not self._are_plain(data, quotes, returns):
                return None
            lines += np.searchsorted(returns, ends)
            self._lines += len(returns)
            last = np.flatnonzero((np.searchsorted(quotes, ends) + was_quoted) % 2 == 0)
            self.is_quoted = bool((len(quotes) + was_quoted) % 2)
            if len(last):  # a row is of the lines after the row before, up to its last one
                is_row[0] |= was_quoted
                begins = np.append(0, last[:-1] + 1)
                is_row = np.logical_or.reduceat(is_row[: last[-1] + 1], begins)
            else:
                is_row = np.zeros(0, dtype=np.bool_)
            places, lines = places[last], lines[last]
        self._lines += len(ends)
        self._place += len(block)
        return places[is_row].tolist(), lines[is_row].tolist()

    def _are_plain(self, data: Bytes, quotes: Ints, returns: Ints) -> bool:
        """Whether quotes are around cells alone or doubled in one, and lines end in one way."""
        opening, closing = quotes[int(self.is_quoted) :: 2], quotes[1 - int(self.is_quoted) :: 2]
        before = np.where(opening > 0, data[opening - 1], _NEWLINE)
        following = np.append(data[1:], _NEWLINE)
        is_quoted = (np.searchsorted(quotes, returns) + self.is_quoted) % 2 == 1
        beside = np.concatenate([before, following[closing]])
        return bool(np.isin(beside, self._beside).all() and is_quoted.all())


def _returns_alone(data: Bytes) -> Ints:
    """Places of the returns that no new line follows."""
    returns = np.flatnonzero(data[:-1] == _RETURN)
    alone: Ints = returns[data[returns + 1] != _NEWLINE]
    return alone


def _text(part: FileRows, content: BinaryIO) -> TextRows:
    """The text of some rows, after the header of a CSV file."""
    header = content.read(part.header)
    content.seek(part.start)
    data = content.read(part.end - part.start)
    lines = header.count(b"\n") + len(_returns_alone(np.frombuffer(header, dtype=np.uint8)))
    skipped = part.skipped - lines
    return TextRows(part.path, header + data, part.first, skipped, is_part=not part.is_whole)


_CUTTERS: Mapping[str, Callable[[FileRows, BinaryIO, int], Iterator[FileRows]]] = {
    ".parquet": _cut_parquet,
    ".csv": _cut_text,
    ".jsonl": _cut_text,
}
_READERS: Mapping[str, Callable[[FileRows, BinaryIO, Schema], Decoded]] = {
    ".parquet": _read_parquet,
    ".csv": lambda part, content, schema: decode_csv(_text(part, content), schema, part.written),
    ".jsonl": lambda part, content, schema: decode_json_lines(_text(part, content), schema),
}
