"""Files and texts as they arrive: CSV, Parquet, JSON lines and JSON."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.decode import Decoded, decode, decode_cells
from lockstep.columns.plain import counted, one_line, show
from lockstep.columns.schema import Schema
from lockstep.errors import InputError, UnavailableError, UnreadableError

if TYPE_CHECKING:
    import pyarrow as pa

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECIMAL_COMMA = re.compile(rb"[0-9],[0-9]")
_NAMES = {"sep": "separator"}
"""Arguments of pandas that have another name here."""
_BEGINNING = 100_000
"""Bytes of a file that are searched for the separator of its cells."""
_OTHER_BEGINNINGS = {
    codecs.BOM_UTF16_LE: ("in UTF-16, not UTF-8", "read_csv", {"encoding": "utf-16"}),
    codecs.BOM_UTF16_BE: ("in UTF-16, not UTF-8", "read_csv", {"encoding": "utf-16"}),
    b"\x1f\x8b": ("compressed by gzip", "read_csv", {"compression": "gzip"}),
    b"PK\x03\x04": ("a workbook, or another archive by ZIP", "read_excel", {}),
}
"""By first bytes of a file that is no text in UTF-8: what it is, and how pandas reads it."""
_OTHER_KINDS: dict[str, tuple[str, dict[str, str]]] = {
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods"), ("read_excel", {})),
    **dict.fromkeys((".feather", ".arrow"), ("read_feather", {})),
    ".orc": ("read_orc", {}),
    ".tsv": ("read_csv", {"sep": "\t"}),
    ".gz": ("read_csv", {"compression": "gzip"}),
}
"""By suffix, how pandas reads kinds of tables that are not read here."""
_OF_CELLS = ("read_csv", "read_excel")
"""Readers of pandas that would take the cells for numbers, and some texts for missing values."""
_CSV_ERRORS = {"unexpected end of data": "begins a row with a quoted text that does not end"}
"""Errors of Python's reader, in words that follow the number of a line."""
_ODD_ROW = (
    "Correct that line: a text that holds a separator or a line break stands in double quotes, and "
    'a double quote in it is doubled ("").'
)
_CUT_OFF = (
    "It is the last line: the file is cut off, as where it was copied while it was written. Have "
    "it delivered whole."
)


def decode_file(path: Path | str, schema: Schema, written: CsvFormat = USUAL) -> Decoded:
    """Decode a file by its suffix: `.csv`, `.parquet`, or `.jsonl` (one JSON object a line).

    In CSV, an empty cell without quotes is missing and `""` is an empty text.

    Args:
        path: The file.
        schema: What the rows are declared to hold.
        written: How a CSV file is written.

    Raises:
        InputError: Its kind is not known.
        UnavailableError: There is no such file, or the system cannot read it.
        UnreadableError: It is empty, cut off, or not what its suffix says, or it lacks a column.
    """
    path = Path(path)
    kind = path.suffix.lower()
    reader = READERS.get(kind)
    if reader is None:
        raise of_unknown_kind(path)
    try:
        if not path.is_file():
            raise UnavailableError(f"{path}: no such file.")
        if path.stat().st_size == 0:
            raise UnreadableError(
                f"{path} is empty: it has no header and no rows.",
                where=str(path),
                todo="Write it anew.",
            )
        return _decode_csv(path, schema, written) if kind == ".csv" else reader(path, schema)
    except OSError as error:
        raise _unavailable(path, error) from error


def of_unknown_kind(path: Path) -> InputError:
    """The error for a file of an unknown kind, which says how to convert it."""
    message = f"{path}: its kind is not known; use {', '.join(READERS)}."
    if path.suffix.lower() not in _OTHER_KINDS:
        return InputError(message)
    reader, options = _OTHER_KINDS[path.suffix.lower()]
    return InputError(f"{message} {anew(path, reader, **options)}")


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


def read_csv(path: Path, written: CsvFormat = USUAL) -> pa.Table:
    """The cells of a CSV file as texts; null where a cell is empty and has no quotes.

    Args:
        path: The file.
        written: How it is written.

    Raises:
        UnavailableError: The system cannot read it.
        UnreadableError: It is no CSV file that Lockstep reads; the message says how to rewrite it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unavailable(path, error) from error
    return cells_of(path, data, written)


def cells_of(path: Path, data: bytes, written: CsvFormat, *, skipped: int = 0) -> pa.Table:
    """The cells of a CSV text as texts, like `read_csv`.

    Args:
        path: Its file.
        data: The text: a header, and rows.
        written: How it is written.
        skipped: Lines of the file between the header and the rows.

    Raises:
        UnreadableError: It is no CSV text that Lockstep reads.
    """
    import pyarrow as pa

    if not written.is_utf8:
        data = _in_utf8(path, data, written.encoding, skipped)
    _check_text(path, data)
    _check_separator(path, data, written.separator)
    try:
        return csv_cells(data, separator=written.separator)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        if (line := _line_beyond_utf8(data)) is not None:
            line += skipped
            raise UnreadableError(
                f"{path} is not in UTF-8 (line {line}).",
                where=f"{path}, line {line}",
                todo=anew(path, encoding="latin-1"),
            ) from error
        why = one_line(str(error))
        raise _no_cells(path, data, why, written.separator, skipped) from error


def _in_utf8(path: Path, data: bytes, encoding: str, skipped: int) -> bytes:
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = data.count(b"\n", 0, at) + 1 + skipped
        raise UnreadableError(
            f"{path} is not in {encoding} (line {line}).",
            where=f"{path}, line {line}",
            todo="Have it written in that, or declare the encoding that it has.",
        ) from error


def csv_cells(data: bytes, *, threads: bool = True, separator: str = ",") -> pa.Table:
    """The cells of a CSV text as texts; null where a cell is empty and has no quotes.

    Raises:
        ArrowException: It is no CSV text.
        UnicodeDecodeError: Its header is not in UTF-8.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    text = pa.py_buffer(data + b"\n")  # pyarrow wants one after a header on its own
    parse = arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    with arrow_csv.open_csv(pa.BufferReader(text), parse_options=parse) as head:
        names = head.schema.names
    return arrow_csv.read_csv(
        pa.BufferReader(text),
        read_options=arrow_csv.ReadOptions(use_threads=threads),
        parse_options=parse,
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _no_cells(path: Path, data: bytes, why: str, separator: str, skipped: int) -> UnreadableError:
    """The error for a CSV file without cells, with the line at fault."""
    odd = _odd_row(data, separator)
    if odd is None:
        what, where, todo = why, str(path), "Correct the file."
    else:
        is_last = odd.line > data.rstrip(b"\r\n").count(b"\n")
        line = odd.line + skipped
        what, where = f"line {line} {odd.why}", f"{path}, line {line}"
        todo = _CUT_OFF if is_last and odd.is_short else _ODD_ROW
    return UnreadableError(f"{path} cannot be read as CSV: {what}.", where=where, todo=todo)


class _OddRow(NamedTuple):
    """A row of a CSV text that has not as many cells as the header.

    Attributes:
        line: The line on which it begins, from 1: quoted cells may hold line breaks.
        why: What is wrong with it, in words that follow its line.
    """

    line: int
    why: str
    is_short: bool


def _odd_row(data: bytes, separator: str) -> _OddRow | None:
    """The first row of a CSV text that has not as many cells as its header; None if all have."""
    with io.TextIOWrapper(io.BytesIO(data), "utf-8", errors="replace", newline="") as text:
        rows = csv.reader(text, strict=True, delimiter=separator)
        begins, header = 1, 0
        try:
            for row in rows:
                header = header or len(row)
                if row and len(row) != header:
                    cells, shown = counted(len(row), "cell"), show(separator.join(row))
                    why = f"has {cells}, and the header {header}: {shown}"
                    return _OddRow(begins, why, len(row) < header)
                begins = rows.line_num + 1
        except csv.Error as error:
            why = _CSV_ERRORS.get(str(error), f"begins a row that is none: {error}")
            return _OddRow(begins, why, is_short=True)
    return None


def anew(path: Path, reader: str = "read_csv", **options: str) -> str:
    """How to write a table anew as a CSV file with commas, decimal points and UTF-8.

    Its cells are read as texts, so that texts such as `007` and `NA` stay as they are; a missing
    one stays missing.

    Args:
        path: Its file.
        reader: The function of pandas that reads it.
        options: Arguments of that function.
    """
    points = ""
    if options.pop("decimal", ".") == ",":
        points = r'.replace(r"^([+-]?\d*),(\d+)$", r"\1.\2", regex=True)'
    given = "".join(f", {name}={_literal(value)}" for name, value in options.items())
    if reader in _OF_CELLS:
        given += ', dtype=str, keep_default_na=False, na_values=[""]'
    source, target = str(path), str(path.with_name(f"{path.stem}-new.csv"))
    program = (
        f"import pandas; pandas.{reader}({_literal(source)}{given}){points}"
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
    for beginning, (what, reader, options) in _OTHER_BEGINNINGS.items():
        if data.startswith(beginning):
            todo = anew(path, reader, **options)
            raise UnreadableError(f"{path} is {what}.", where=str(path), todo=todo)
    if b"\0" in data and _line_beyond_utf8(data) is not None:
        raise UnreadableError(f"{path} is no text.", where=str(path), todo="Write it anew as CSV.")


def _check_separator(path: Path, data: bytes, declared: str) -> None:
    head, _, rest = data[:_BEGINNING].partition(b"\n")
    separator = separator_of(head)
    if separator == declared or head.count(separator.encode()) <= head.count(declared.encode()):
        return
    options = {"sep": separator}
    if separator != "," and _DECIMAL_COMMA.search(rest):
        options["decimal"] = ","
    if _line_beyond_utf8(data) is not None:
        options["encoding"] = "latin-1"
    format_too = "".join(
        f", {_NAMES.get(name, name)}={_literal(value)}" for name, value in options.items()
    )
    wanted = SEPARATORS.get(declared, repr(declared))
    raise UnreadableError(
        f"{path} separates its cells by {SEPARATORS[separator]}, not {wanted}.",
        where=str(path),
        todo=f"Declare how it is written: CsvSource(...{format_too}), or "
        f"inbox=CsvFormat({format_too[2:]}). Or: {anew(path, **options)}",
    )


def separator_of(head: bytes) -> str:
    """The separator of cells that a header has most often; a comma where it has none."""
    return max(SEPARATORS, key=lambda separator: head.count(separator.encode()))


def _line_beyond_utf8(data: bytes) -> int | None:
    """The first line that is not in UTF-8, counted from 1; None if all are."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return None


def _decode_csv(path: Path, schema: Schema, written: CsvFormat = USUAL) -> Decoded:
    return decode_cells(read_csv(path, written), schema, source=str(path), written=written)


def read_parquet(path: Path) -> pa.Table:
    """The table of a Parquet file, without the nameless index of a DataFrame.

    Raises:
        UnavailableError: The system cannot read it.
        UnreadableError: It is no Parquet file, or damaged.
    """
    from pyarrow import parquet

    with unreadable_parquet(path):
        with parquet.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)  # texts in UTF-8, above all
    return table.drop_columns(nameless_index(table.schema))


@contextmanager
def unreadable_parquet(path: Path) -> Iterator[None]:
    """Turn the errors of reading a Parquet file into what they mean.

    Raises:
        UnavailableError: The system cannot read it.
        UnreadableError: It is no Parquet file, or damaged.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # none is of the content
            raise _unavailable(path, error) from error
        raise UnreadableError(
            f"{path} cannot be read as Parquet (cut off or half-written?): {one_line(str(error))}.",
            where=str(path),
            todo="Write it anew.",
        ) from error


def nameless_index(schema: pa.Schema) -> list[str]:
    """The columns in which pandas keeps an index that has no name: row numbers, not data."""
    listed = (schema.pandas_metadata or {}).get("index_columns", ())
    return [name for name in schema.names if name in listed and name.startswith("__index_level_")]


def _decode_parquet(path: Path, schema: Schema) -> Decoded:
    return decode(read_parquet(path), schema, source=str(path))


def _decode_json_lines(path: Path, schema: Schema) -> Decoded:
    with path.open("rb") as lines:
        return decode(parse_lines(path, lines), schema, source=str(path))


def parse_lines(path: Path, lines: Iterable[bytes], *, skipped: int = 0) -> list[dict[str, Any]]:
    """The records of JSON lines.

    Args:
        path: Their file.
        lines: The lines; empty ones hold none.
        skipped: Lines of the file before them.

    Raises:
        UnreadableError: A line holds something else than an object.
    """
    records = []
    for number, line in enumerate(lines, start=skipped + 1):
        if line.strip():
            record = _parse(line, f"{path}, line {number}")
            if not isinstance(record, dict):
                raise UnreadableError(
                    f"{path}, line {number}: not a JSON object: {show(line)}.",
                    where=f"{path}, line {number}",
                    todo="Write one record a line.",
                )
            records.append(record)
    return records


def _parse(text: str | bytes, source: str) -> Any:
    import msgspec

    mark = "\ufeff" if isinstance(text, str) else codecs.BOM_UTF8
    try:
        return msgspec.json.decode(text.removeprefix(mark))  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableError(
            f"{source} is not valid JSON: {error}.", where=source, todo="Correct it."
        ) from error


READERS: dict[str, Callable[[Path, Schema], Decoded]] = {
    ".csv": _decode_csv,
    ".parquet": _decode_parquet,
    ".jsonl": _decode_json_lines,
}
"""How to read each kind of file, by suffix."""
