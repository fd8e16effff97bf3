"""Units: parts of an input that are read, decoded and scored one at a time.

A file with more rows than a unit is cut: Parquet by row groups, or by rows of a large one; CSV and
JSON lines between two rows. Every row has the number that it has in the whole file. A file that
cannot be cut without reading it row by row is one unit, however large.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.decode import Decoded, Rejected, decode, decode_cells
from lockstep.columns.files import (
    cells_of,
    decode_file,
    nameless_index,
    parse_lines,
    unreadable_parquet,
)
from lockstep.columns.schema import Schema
from lockstep.errors import UnreadableError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 100_000
"""Rows of a unit at most, where nobody says how many: some 100 MB with all columns."""
_BLOCK = 16 * 2**20
"""Bytes of a text that are searched for the ends of its rows at a time."""
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'
_BOM = codecs.BOM_UTF8


@dataclass(frozen=True)
class Held:
    """A unit whose rows are in memory.

    Attributes:
        decoded: The rows.
    """

    decoded: Decoded

    @property
    def rows(self) -> int:
        """Number of its rows, with the refused ones."""
        return self.decoded.total

    def read(self, schema: Schema) -> Decoded:
        """The rows, as they were decoded."""
        return self.decoded


@dataclass(frozen=True)
class FileUnit:
    """A unit of a file.

    Attributes:
        path: The file.
        written: How it is written, if it is a CSV file.
        first: Number of rows of the file before it.
        rows: Number of its rows.
        start: Of Parquet, the first row group that it has rows of; of a text, its first byte.
        end: The row group after the last one; the byte after the last one.
        skipped: Of Parquet, rows of the first row group before it; of a text, the lines before it.
        header: The end of the header of a CSV file, in bytes.
    """

    path: Path
    written: CsvFormat
    first: int
    rows: int
    start: int
    end: int
    skipped: int = 0
    header: int = 0

    def read(self, schema: Schema) -> Decoded:
        """Read and decode the rows.

        Raises:
            UnavailableError: The system cannot read the file.
            UnreadableError: Its content cannot be decoded; lines are counted from its beginning.
        """
        decoded, names = _READERS[self.path.suffix.lower()](self, schema)
        numbered = next((field.name for field in schema if field.is_row_number), None)
        return _placed(decoded, self.first, None if numbered in names else numbered)


Unit: TypeAlias = Held | FileUnit


@dataclass(frozen=True)
class Units:
    """The rows of a partition, cut into units.

    Attributes:
        units: The units, in order; at least one.
        failing: What becomes of an error of one that cannot be decoded, such as that its file is
            rejected; returns the error to raise.
    """

    units: tuple[Unit, ...]
    failing: Callable[[UnreadableError], UnreadableError] = field(default=lambda error: error)

    @classmethod
    def of(cls, rows: Decoded | Units) -> Units:
        """Rows in memory as a single unit; units as they are."""
        return rows if isinstance(rows, Units) else cls((Held(rows),))

    @property
    def total(self) -> int:
        """Number of rows."""
        return sum(unit.rows for unit in self.units)


def cut(path: Path, written: CsvFormat = USUAL, rows: int = ROWS) -> tuple[FileUnit, ...]:
    """Cut a file into units.

    Args:
        path: A Parquet, CSV or JSON lines file.
        written: How a CSV file is written.
        rows: Most rows of a unit.

    Returns:
        The units, in order; none where the file has too few rows for two, or cannot be cut.

    Raises:
        UnreadableError: It is no Parquet file, or damaged.
    """
    cutter = _CUTTERS.get(path.suffix.lower())
    units = tuple(cutter(path, written, rows)) if cutter is not None else ()
    return units if len(units) > 1 else ()


def read_file(
    path: Path, schema: Schema, written: CsvFormat = USUAL, rows: int = ROWS
) -> Decoded | Units:
    """The rows of a file: units to read later where it is larger than one, else decoded now.

    Args:
        path: The file.
        schema: What the rows are declared to hold.
        written: How a CSV file is written.
        rows: Most rows of a unit.

    Raises:
        InputError: See `lockstep.columns.files.decode_file`.
    """
    is_large = path.is_file() and path.stat().st_size > rows  # a row has a byte at least
    if is_large and (units := cut(path, written, rows)):
        return Units(units)
    return decode_file(path, schema, written)


def _placed(decoded: Decoded, first: int, numbered: str | None) -> Decoded:
    """Decoded rows with their numbers in the whole file.

    Args:
        decoded: The rows of a unit.
        first: Number of rows before it.
        numbered: The field that holds the numbers of rows; None without one.
    """
    if not first:
        return decoded

    def moved(row: Rejected) -> Rejected:
        key = row.key if numbered is None else str(row.row + first)
        return replace(row, row=row.row + first, key=key)

    columns, unfit = (
        {name: array + first if name == numbered else array for name, array in rows.items()}
        for rows in (decoded.columns, decoded.unfit)
    )
    return replace(
        decoded,
        columns=columns,
        rows=decoded.rows + first,
        rejected=tuple(map(moved, decoded.rejected)),
        unfit=unfit,
    )


# --- Parquet ---


def _cut_parquet(path: Path, written: CsvFormat, rows: int) -> Iterator[FileUnit]:
    """Row groups together as long as they are few rows; parts of one that has more."""
    from pyarrow import parquet

    with unreadable_parquet(path):
        footer = parquet.read_metadata(path)
    sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    first = start = held = 0
    for number, size in enumerate(sizes):
        if held and held + size > rows:
            yield FileUnit(path, written, first, held, start, number)
            first, start, held = first + held, number, 0
        if size <= rows:
            held += size
            continue
        for skipped in range(0, size, rows):
            part = min(rows, size - skipped)
            yield FileUnit(path, written, first, part, number, number + 1, skipped)
            first += part
        start = number + 1
    if held:
        yield FileUnit(path, written, first, held, start, len(sizes))


def _read_parquet(unit: FileUnit, schema: Schema) -> tuple[Decoded, Sequence[str]]:
    import pyarrow as pa
    from pyarrow import parquet

    with unreadable_parquet(unit.path), parquet.ParquetFile(unit.path) as file:
        names = file.schema_arrow.names
        dropped = nameless_index(file.schema_arrow)
        groups = list(range(unit.start, unit.end))
        batches = file.iter_batches(unit.rows, row_groups=groups, use_threads=False)
        wanted, seen = [], 0
        for batch in batches:
            begin, seen = seen, seen + len(batch)
            if seen > unit.skipped:
                wanted.append(batch.slice(max(unit.skipped - begin, 0)))
            if seen >= unit.skipped + unit.rows:
                break
        table = pa.Table.from_batches(wanted, file.schema_arrow).slice(0, unit.rows)
        table.validate(full=True)  # texts in UTF-8, above all
    table = table.drop_columns(dropped)
    return decode(table, schema, source=str(unit.path)), names


# --- texts ---


def _cut_text(path: Path, written: CsvFormat, rows: int) -> Iterator[FileUnit]:
    """Parts of a CSV or JSON lines file that end where a row does; none where that is not plain."""
    is_csv = path.suffix.lower() == ".csv"
    if is_csv and '\n,"'.encode(written.encoding) != b'\n,"':
        return
    lines = _Lines(written.separator.encode() if is_csv else None)
    header, found, units = 0, 0, []
    begin = {"start": 0, "skipped": 0, "first": 0}
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            ends = lines.of(block)
            if ends is None:
                return
            for end, is_row, line in zip(*ends, strict=True):
                if is_csv and not header:
                    if is_row:
                        header = end
                        begin = {"start": end, "skipped": line, "first": 0}
                    continue
                found += is_row
                if is_row and found - begin["first"] == rows:
                    units.append(
                        FileUnit(path, written, rows=rows, end=end, header=header, **begin)
                    )
                    begin = {"start": end, "skipped": line, "first": found}
    if lines.is_quoted:
        return
    found += lines.is_open
    if rest := found - begin["first"]:
        units.append(FileUnit(path, written, rows=rest, end=lines.place, header=header, **begin))
    yield from units


class _Lines:
    """The ends of the rows of a text, block by block.

    Args:
        separator: What separates the cells of a CSV file; None where quotes mean nothing.
    """

    def __init__(self, separator: bytes | None) -> None:
        self._before = {_NEWLINE, _RETURN, *(separator or b"")}
        self._has_quotes = separator is not None
        self._last = _NEWLINE
        self._length = 0
        self._lines = 0
        self.place = 0
        self.is_quoted = False

    @property
    def is_open(self) -> bool:
        """Whether the text ends in a row without a line break."""
        return self._length > 0

    def of(self, block: bytes) -> tuple[list[int], list[bool], list[int]] | None:
        """The ends of rows: after which bytes, whether the row is not empty, and the lines so far.

        None where a quote opens within a cell, so that nobody knows what it means.
        """
        data = np.frombuffer(block, dtype=np.uint8)
        breaks = np.flatnonzero(data == _NEWLINE)
        numbers = self._lines + np.arange(1, len(breaks) + 1)
        ends = np.ones(len(breaks), dtype=bool)
        if self._has_quotes:
            quotes = np.flatnonzero(data == _QUOTE)
            opening = quotes[int(self.is_quoted) :: 2]
            before = np.where(opening > 0, data[np.maximum(opening - 1, 0)], self._last)
            known = np.isin(before, [*self._before, _QUOTE])
            if not known.all() and not self._is_after_mark(block, opening[~known]):
                return None
            ends = (np.searchsorted(quotes, breaks) + self.is_quoted) % 2 == 0
            self.is_quoted = bool((len(quotes) + self.is_quoted) % 2)
        breaks, numbers = breaks[ends], numbers[ends]
        lengths = np.diff(breaks, prepend=-1) - 1
        with_return = np.where(breaks > 0, data[np.maximum(breaks - 1, 0)], self._last) == _RETURN
        if len(breaks):
            lengths[0] += self._length
        is_row = lengths - with_return > 0
        rest = len(block) - (int(breaks[-1]) + 1 if len(breaks) else 0)
        self._length = rest if len(breaks) else self._length + rest
        self._lines += int(np.count_nonzero(data == _NEWLINE))
        self._last = block[-1]
        found = (breaks + 1 + self.place).tolist(), is_row.tolist(), numbers.tolist()
        self.place += len(block)
        return found

    def _is_after_mark(self, block: bytes, places: Any) -> bool:
        """Whether the only quote in question is the first byte after a mark of the encoding."""
        at = len(_BOM)
        return not self.place and places.tolist() == [at] and block.startswith(_BOM)


def _read_csv(unit: FileUnit, schema: Schema) -> tuple[Decoded, Sequence[str]]:
    with unit.path.open("rb") as file:
        head = file.read(unit.header)
        file.seek(unit.start)
        data = head + file.read(unit.end - unit.start)
    skipped = unit.skipped - head.count(b"\n")
    cells: pa.Table = cells_of(unit.path, data, unit.written, skipped=skipped)
    decoded = decode_cells(cells, schema, source=str(unit.path), written=unit.written)
    return decoded, cells.column_names


def _read_json_lines(unit: FileUnit, schema: Schema) -> tuple[Decoded, Sequence[str]]:
    with unit.path.open("rb") as file:
        file.seek(unit.start)
        lines = file.read(unit.end - unit.start).splitlines()
    records = parse_lines(unit.path, lines, skipped=unit.skipped)
    names = dict.fromkeys(name for record in records for name in record)
    return decode(records, schema, source=str(unit.path)), tuple(names)


_CUTTERS: Mapping[str, Callable[[Path, CsvFormat, int], Iterator[FileUnit]]] = {
    ".parquet": _cut_parquet,
    ".csv": _cut_text,
    ".jsonl": _cut_text,
}
_READERS: Mapping[str, Callable[[FileUnit, Schema], tuple[Decoded, Sequence[str]]]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
}
