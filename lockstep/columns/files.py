"""Files and texts as they arrive: CSV, Parquet, JSON lines and JSON."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lockstep.columns.decode import Decoded, decode, decode_cells
from lockstep.columns.errors import InputError
from lockstep.columns.plain import one_line, show
from lockstep.columns.records import Schema


def decode_file(path: Path | str, schema: Schema) -> Decoded:
    """Decode a file by its suffix: `.csv`, `.parquet`, or `.jsonl` (one JSON object a line).

    In CSV, an empty cell without quotes is missing and `""` is an empty text.

    Raises:
        InputError: The file is empty, cut off, no such file, or of another kind; or a table
            that lacks a column.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: its kind is not known; use {', '.join(READERS)}.")
    try:
        if not path.is_file():
            raise InputError(f"{path}: no such file.")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty: it has no header and no rows.")
        return reader(path, schema)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {one_line(str(error))}") from error


def decode_json(text: str | bytes, schema: Schema, *, source: str = "JSON text") -> Decoded:
    """Decode a JSON object or an array of objects.

    Raises:
        InputError: The text is not JSON, or holds something else than objects.
    """
    data = _parse(text, source)
    if not isinstance(data, dict | list):
        raise InputError(f"{source}: expected an object or an array of objects, not {show(text)}.")
    return decode(data, schema, source=source)


def _decode_csv(path: Path, schema: Schema) -> Decoded:
    import pyarrow as pa
    from pyarrow import csv

    text = pa.py_buffer(path.read_bytes() + b"\n")  # pyarrow wants one after a header on its own
    parse = csv.ParseOptions(newlines_in_values=True)
    try:
        with csv.open_csv(pa.BufferReader(text), parse_options=parse) as head:
            names = head.schema.names
        table = csv.read_csv(
            pa.BufferReader(text),
            parse_options=parse,
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as CSV: {one_line(str(error))}. Correct the file."
        ) from error
    return decode_cells(table, schema, source=str(path))


def _decode_parquet(path: Path, schema: Schema) -> Decoded:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)  # texts in UTF-8, above all
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet (cut off or half-written?): {one_line(str(error))}. "
            "Write it anew."
        ) from error
    return decode(table, schema, source=str(path))


def _decode_json_lines(path: Path, schema: Schema) -> Decoded:
    records = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                record = _parse(line, f"{path}, line {number}")
                if not isinstance(record, dict):
                    raise InputError(f"{path}, line {number}: not a JSON object: {show(line)}")
                records.append(record)
    return decode(records, schema, source=str(path))


def _parse(text: str | bytes, source: str) -> Any:
    import msgspec

    mark = "\ufeff" if isinstance(text, str) else codecs.BOM_UTF8
    try:
        return msgspec.json.decode(text.removeprefix(mark))  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(f"{source} is not valid JSON: {error}") from error


READERS: dict[str, Callable[[Path, Schema], Decoded]] = {
    ".csv": _decode_csv,
    ".parquet": _decode_parquet,
    ".jsonl": _decode_json_lines,
}
"""How to read each kind of file, by suffix."""
