"""Tables: reads records from CSV and Parquet bodies, in bounded memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lockstep.columns.casts import encoded_texts, values_of
from lockstep.columns.converters import cell_parser
from lockstep.columns.files import OPEN_QUOTE, csv_cells, nameless_index
from lockstep.columns.plain import counted
from lockstep.errors import TooLargeError, UnreadableBodyError
from lockstep.serving.protocols.json_bodies import ReadOptions
from lockstep.serving.versions.request_rows import Record

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_COLUMNS = 10_000
_MOST_TEXT = 50_000_000
"""Characters of a column: a text that is stored once can be in every row."""
_ROW_WIDTH = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_CODECS = frozenset({"UNCOMPRESSED", "SNAPPY"})
"""Codecs that expand a byte to some twenty at most; others give thousands, or any number."""


def records_of_csv(body: bytes, reading: ReadOptions) -> list[Record]:
    """The records of a CSV text: an empty cell without quotes is missing, `""` is an empty text."""
    import pyarrow as pa

    if body.partition(b"\n")[0].count(b",") >= _MOST_COLUMNS:
        raise UnreadableBodyError(f"The table has more than {_MOST_COLUMNS:,} columns.")
    try:
        cells = csv_cells(body, threads=False)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnreadableBodyError(_why_no_csv(body, str(error))) from None
    names = cells.column_names
    reading.demand_room(cells.num_rows)
    reading.demand_columns(names)
    columns = {
        name: _cells(cells.column(name), name, reading) for name in _declared(names, reading)
    }
    return _records(columns, cells.num_rows)


def _why_no_csv(body: bytes, error: str) -> str:
    if not body.strip():
        return "The body is empty: a table has a header at least."
    try:
        body.decode()
    except UnicodeDecodeError:
        return "The body is not in UTF-8."
    if error == OPEN_QUOTE:
        return f"The body is cut off: {OPEN_QUOTE}."
    match = _ROW_WIDTH.search(error)
    if match is None:
        return "The body cannot be read as CSV with commas and a header."
    row, expected, got = match.groups()
    cells = counted(int(got), "cell")
    return f"The body is not CSV: row {row} has {cells}, and the header {expected}."


def _cells(column: pa.ChunkedArray, name: str, reading: ReadOptions) -> list[Any]:
    schema = reading.schema
    distinct, codes = encoded_texts(column)
    parsed = [*map(cell_parser(schema[schema.aliases.get(name, name)]), distinct), None]
    return [parsed[code] for code in codes.tolist()]


def records_of_parquet(body: bytes, reading: ReadOptions) -> list[Record]:
    """The records of a Parquet file.

    The memory of a column is bounded: nested columns and strong compression are refused.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(pa.BufferReader(body))
    except (pa.ArrowException, OSError):
        raise UnreadableBodyError("The body is no Parquet file.") from None
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    reading.demand_room(max(metadata.num_rows, sum(group.num_rows for group in groups)))
    leaves = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    if any(leaf.path != leaf.name or leaf.max_repetition_level for leaf in leaves):
        raise UnreadableBodyError("The Parquet file has a nested column; a record has none.")
    codecs = {
        group.column(place).compression for group in groups for place in range(group.num_columns)
    }
    if not codecs <= _CODECS:
        raise UnreadableBodyError(
            "The Parquet file has a compression that is not read; use Snappy or none."
        )
    texts = [leaf.name for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    try:
        with parquet.ParquetFile(pa.BufferReader(body), read_dictionary=texts) as file:
            index = nameless_index(file.schema_arrow)
            names = [leaf.name for leaf in leaves if leaf.name not in index]
            reading.demand_columns(names)
            table = file.read(_declared(names, reading), use_threads=False)
        table.validate(full=True)  # texts in UTF-8, above all
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise UnreadableBodyError("The Parquet file is damaged or cut off.") from None
    columns = {name: _values(table.column(name)) for name in table.column_names}
    return _records(columns, table.num_rows)


def _values(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; equal texts of a dictionary are one object."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return values_of(column)
    values: list[Any] = []
    for chunk in column.chunks:
        distinct = [*chunk.dictionary.to_pylist(), None]
        values += [distinct[code] for code in chunk.indices.fill_null(-1).to_pylist()]
    if sum(len(text) for text in values if text is not None) > _MOST_TEXT:
        raise TooLargeError(f"A column has more than {_MOST_TEXT:,} characters of text.")
    return values


def _declared(names: list[str], reading: ReadOptions) -> list[str]:
    schema = reading.schema
    return [name for name in names if schema.aliases.get(name, name) in schema]


def _records(columns: dict[str, list[Any]], rows: int) -> list[Record]:
    if not columns:
        return [{} for _ in range(rows)]
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
