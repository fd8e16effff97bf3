"""Files and texts as they arrive: CSV, Parquet, JSON lines and JSON."""

from __future__ import annotations

import codecs
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.columns.decode import Decoded, decode, decode_cells
from lockstep.columns.errors import InputError, UnavailableError, UnreadableError
from lockstep.columns.plain import one_line, show
from lockstep.columns.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa

_SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "bars"}
_DECIMAL_COMMA = re.compile(rb"[0-9],[0-9]")
_BEGINNING = 100_000
"""Bytes of a file that are looked at to tell what separates its cells."""
_OTHER_BEGINNINGS = {
    codecs.BOM_UTF16_LE: ("in UTF-16, not UTF-8", {"encoding": "utf-16"}),
    codecs.BOM_UTF16_BE: ("in UTF-16, not UTF-8", {"encoding": "utf-16"}),
    b"\x1f\x8b": ("compressed by gzip", {"compression": "gzip"}),
}
"""How a file begins that is no text in UTF-8: what it is, and how pandas reads it."""


def decode_file(path: Path | str, schema: Schema) -> Decoded:
    """Decode a file by its suffix: `.csv`, `.parquet`, or `.jsonl` (one JSON object a line).

    In CSV, an empty cell without quotes is missing and `""` is an empty text.

    Raises:
        InputError: Files of its kind are not read.
        UnavailableError: There is no such file, or the system cannot read it.
        UnreadableError: It is empty, cut off, or of another kind than its name says; or a table
            that lacks a column.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: its kind is not known; use {', '.join(READERS)}.")
    try:
        if not path.is_file():
            raise UnavailableError(f"{path}: no such file.")
        if path.stat().st_size == 0:
            said = f"{path} is empty: it has no header and no rows. Write it anew."
            raise UnreadableError(said, where=str(path))
        return reader(path, schema)
    except OSError as error:
        raise _unavailable(path, error) from error


def _unavailable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{path} cannot be read: {one_line(str(error))}")


def decode_json(text: str | bytes, schema: Schema, *, source: str = "JSON text") -> Decoded:
    """Decode a JSON object or an array of objects.

    Raises:
        UnreadableError: The text is not JSON, or holds something else than objects.
    """
    data = _parse(text, source)
    if not isinstance(data, dict | list):
        raise UnreadableError(
            f"{source}: expected an object or an array of objects, not {show(text)}.",
            where=source,
        )
    return decode(data, schema, source=source)


def read_csv(path: Path) -> pa.Table:
    """The cells of a CSV file as texts; null where a cell is empty and has no quotes.

    Raises:
        UnavailableError: The system cannot read it.
        UnreadableError: It is none, or one of another kind than Lockstep reads; the message says
            how to write it anew.
    """
    import pyarrow as pa

    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unavailable(path, error) from error
    _check_text(path, data)
    _check_separator(path, data)
    try:
        return csv_cells(data)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        if (line := _line_beyond_utf8(data)) is not None:
            raise UnreadableError(
                f"{path} is not in UTF-8 (line {line}). {anew(path, encoding='latin-1')}",
                where=f"{path}, line {line}",
            ) from error
        raise UnreadableError(
            f"{path} cannot be read as CSV: {_why_no_cells(data)}. Correct the file.",
            where=str(path),
        ) from error


def csv_cells(data: bytes, *, threads: bool = True) -> pa.Table:
    """The cells of a CSV text as texts; null where a cell is empty and has no quotes.

    Raises:
        ArrowException: It is no CSV text.
        UnicodeDecodeError: Its header is not in UTF-8.
    """
    import pyarrow as pa
    from pyarrow import csv

    text = pa.py_buffer(data + b"\n")  # pyarrow wants one after a header on its own
    parse = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(pa.BufferReader(text), parse_options=parse) as head:
        names = head.schema.names
    return csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(use_threads=threads),
        parse_options=parse,
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _why_no_cells(data: bytes) -> str:
    """What is wrong with a CSV file; pyarrow names the row where it reads with one thread."""
    import pyarrow as pa

    try:
        csv_cells(data, threads=False)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        return one_line(str(error))
    raise AssertionError("what many threads cannot read, one cannot read either")


def anew(path: Path, **options: str) -> str:
    """How to write a table anew as a CSV file with commas, decimal points and UTF-8."""
    given = "".join(f", {name}={_literal(value)}" for name, value in options.items())
    source, target = str(path), str(path.with_name(f"{path.stem}-new.csv"))
    program = (
        f"import pandas; pandas.read_csv({_literal(source)}{given})"
        f".to_csv({_literal(target)}, index=False)"
    )
    return f"Write it anew, such as by: python -c {shlex.quote(program)}"


def _literal(text: str) -> str:
    """A text as Python reads it, in double quotes: single ones are the shell's."""
    return json.dumps(text, ensure_ascii=False)


def _check_text(path: Path, data: bytes) -> None:
    """Refuse what can be no text in UTF-8 or a code page: a table of another program, an archive.

    Bytes of zero in what is otherwise UTF-8 spoil the rows that they are in, and no others.
    """
    for beginning, (what, options) in _OTHER_BEGINNINGS.items():
        if data.startswith(beginning):
            raise UnreadableError(f"{path} is {what}. {anew(path, **options)}", where=str(path))
    if b"\0" in data and _line_beyond_utf8(data) is not None:
        raise UnreadableError(f"{path} is no text. Write it anew as CSV.", where=str(path))


def _check_separator(path: Path, data: bytes) -> None:
    head, _, rest = data[:_BEGINNING].partition(b"\n")
    separator = max(_SEPARATORS, key=head.count)
    if head.count(separator) <= head.count(b","):
        return
    options = {"sep": separator.decode()}
    if _DECIMAL_COMMA.search(rest):
        options["decimal"] = ","
    if _line_beyond_utf8(data) is not None:
        options["encoding"] = "latin-1"
    raise UnreadableError(
        f"{path} separates its cells by {_SEPARATORS[separator]}, not commas. "
        f"{anew(path, **options)}",
        where=str(path),
    )


def _line_beyond_utf8(data: bytes) -> int | None:
    """The first line that is not in UTF-8, counted from 1; None if all are."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return None


def _decode_csv(path: Path, schema: Schema) -> Decoded:
    return decode_cells(read_csv(path), schema, source=str(path))


def read_parquet(path: Path) -> pa.Table:
    """The table of a Parquet file, without the nameless index of a DataFrame.

    Raises:
        UnavailableError: The system cannot read it.
        UnreadableError: It is none, or damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)  # texts in UTF-8, above all
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # none is of the content
            raise _unavailable(path, error) from error
        raise UnreadableError(
            f"{path} cannot be read as Parquet (cut off or half-written?): {one_line(str(error))}. "
            "Write it anew.",
            where=str(path),
        ) from error
    return table.drop_columns(nameless_index(table.schema))


def nameless_index(schema: pa.Schema) -> list[str]:
    """The columns in which pandas keeps an index that has no name: row numbers, not data."""
    listed = (schema.pandas_metadata or {}).get("index_columns", ())
    return [name for name in schema.names if name in listed and name.startswith("__index_level_")]


def _decode_parquet(path: Path, schema: Schema) -> Decoded:
    return decode(read_parquet(path), schema, source=str(path))


def _decode_json_lines(path: Path, schema: Schema) -> Decoded:
    records = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                record = _parse(line, f"{path}, line {number}")
                if not isinstance(record, dict):
                    raise UnreadableError(
                        f"{path}, line {number}: not a JSON object: {show(line)}. Write one record "
                        "a line.",
                        where=f"{path}, line {number}",
                    )
                records.append(record)
    return decode(records, schema, source=str(path))


def _parse(text: str | bytes, source: str) -> Any:
    import msgspec

    mark = "\ufeff" if isinstance(text, str) else codecs.BOM_UTF8
    try:
        return msgspec.json.decode(text.removeprefix(mark))  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableError(
            f"{source} is not valid JSON: {error}. Correct it.", where=source
        ) from error


READERS: dict[str, Callable[[Path, Schema], Decoded]] = {
    ".csv": _decode_csv,
    ".parquet": _decode_parquet,
    ".jsonl": _decode_json_lines,
}
"""How to read each kind of file, by suffix."""
