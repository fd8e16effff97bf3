"""Files and texts as they arrive: CSV, Parquet, JSON lines and JSON.

CSV and JSON lines may be compressed. A malformed line of them is one row that is refused. A file
that ends within a line is cut off: it is refused as a whole, since rows after it are lacking.
"""

from __future__ import annotations

import codecs
import io
import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.decode import Decoded, decode, decode_cells
from lockstep.columns.kinds import Array
from lockstep.columns.malformed import CsvRows, Malformed, among, csv_rows, has_csv_row
from lockstep.columns.plain import one_line, show
from lockstep.columns.schema import Schema
from lockstep.errors import InputError, UnavailableError, UnreadableError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.csv import ParseOptions

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
}
"""By suffix, how pandas reads kinds of tables that are not read here."""
_OF_CELLS = ("read_csv", "read_excel")
"""Readers of pandas that would take the cells for numbers, and some texts for missing values."""
_LEAST_BLOCK, _MOST_BLOCK = 2**20, 2**31 - 1
"""Fewest and most bytes that pyarrow reads at a time."""
_CODECS = {".gz": "gzip", ".zst": "zstd"}
"""By suffix, how a file is compressed, as pyarrow names it."""
_ODD_ROW = (
    "Correct that line: a text that holds a separator or a line break stands in double quotes, and "
    'a double quote in it is doubled ("").'
)
_CUT_OFF = (
    "The file is cut off, as where it was copied while it was written: have it delivered whole. "
    "Or, if it is whole, correct that line."
)
_LAST_CELL = "x"
"""The last cell of the row that is put after a text: one that stays open has more in it."""
OPEN_QUOTE = "it ends within a quoted text"
"""What `csv_cells` says of a text that is cut off there."""


def kind_of(path: Path) -> str:
    """The suffix that tells the kind of a file, such as `.csv` or `.csv.gz`; empty if unknown."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kinds = ("".join(suffixes[-count:]) for count in (2, 1))
    return next((kind for kind in kinds if kind in SUFFIXES), "")


def decode_file(
    path: Path | str, schema: Schema, written: CsvFormat = USUAL, *, first: int = 0
) -> Decoded:
    """Decode a file by its suffix: `.csv`, `.parquet`, or `.jsonl` (one JSON object a line).

    CSV and JSON lines may be compressed, as in `.csv.gz` or `.jsonl.zst`. In CSV, an empty cell
    without quotes is missing and `""` is an empty text. A malformed line is a refused row. The
    first row has the position `first`.

    Raises:
        InputError: Its kind is not known.
        UnavailableError: There is no such file, or the system cannot read it.
        UnreadableError: It is empty, cut off, or not what its suffix says, or it lacks a column.
    """
    path = Path(path)
    with reading(path):
        demand_file(path)
        kind = kind_of(path)
        if not kind:
            raise of_unknown_kind(path)
        read = READERS[f".{kind.split('.')[1]}"]
        if path.stat().st_size == 0:
            raise UnreadableError(
                f"{path} is empty: it has no header and no rows.",
                where=str(path),
                todo="Write it anew.",
            )
        return read(path, schema, written, first)


def demand_file(path: Path) -> None:
    """Raise `UnavailableError` where there is no such file, or it is a folder."""
    if not path.is_file():
        why = "it is a folder; name a file in it" if path.is_dir() else "no such file"
        raise UnavailableError(f"{path}: {why}.")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn the errors of the system into an `UnavailableError` that names the file."""
    try:
        yield
    except OSError as error:
        raise _unavailable(path, error) from error


def of_unknown_kind(path: Path) -> InputError:
    """The error for a file of an unknown kind, which says how to convert it."""
    message = f"{path}: its kind is not known; use {', '.join(READERS)}."
    suffix = path.suffix.lower()
    if suffix in _CODECS:
        kinds = ", ".join(kind for kind in SUFFIXES if kind.endswith(suffix))
        return InputError(f"{message} Compressed files end in {kinds}: name it by what it holds.")
    if suffix not in _OTHER_KINDS:
        return InputError(message)
    reader, options = _OTHER_KINDS[suffix]
    return InputError(f"{message} {anew(path, reader, **options)}")


def _unavailable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{path} cannot be read: {one_line(str(error))}")


def decode_json(text: str | bytes, schema: Schema, *, source: str = "JSON text") -> Decoded:
    """Decode a JSON object or an array of objects; `UnreadableError` for anything else."""
    data = _parse(text, source)
    if not isinstance(data, dict | list):
        what = f"{source}: expected an object or an array of objects, not {show(text)}."
        raise _untold(UnreadableError(what, where=source), schema)
    return decode(data, schema, source=source)


@dataclass(frozen=True, eq=False)
class TextRows:
    """A CSV or JSON lines file, or some rows of one."""

    path: Path
    data: bytes  # of some rows, these, after the header of a CSV file
    first: int = 0  # the position of the first row
    skipped: int = 0  # lines of the file before the first row that are not in `data`
    is_part: bool = False  # whether the file has other rows


class _Cells(NamedTuple):
    """The cells of a CSV text as texts; null where a cell is empty and has no quotes."""

    table: pa.Table  # the well-formed rows
    positions: Array  # int64: of each of them in the input
    malformed: list[Malformed]


def read_csv(path: Path, written: CsvFormat = USUAL) -> pa.Table:
    """The cells of a CSV file as texts; null where a cell is empty and has no quotes.

    Raises:
        UnavailableError: The system cannot read it.
        UnreadableError: It is no CSV file that Lockstep reads, or has a malformed line; the message
            says how to rewrite it.
    """
    cells = _cells(TextRows(path, _content(path)), written)
    if cells.malformed:
        raise _not_csv(path, cells.malformed[0], written)
    return cells.table


def _cells(part: TextRows, written: CsvFormat) -> _Cells:
    """The cells of a CSV text, without its malformed lines, unless these are all that it has."""
    import pyarrow as pa

    data, text = _in_utf8(part, written)
    error: Exception | None = None
    if text is None:
        try:
            table = csv_cells(data, separator=written.separator)
        except (pa.ArrowException, UnicodeDecodeError) as raised:
            error = raised
        else:
            if table.num_rows == data.count(b"\n", 0, len(data.rstrip(b"\r\n"))):
                return _Cells(table, np.arange(table.num_rows, dtype=np.int64) + part.first, [])
    # A row spans lines, as by a quote that is not closed, or a line is no row.
    rows = csv_rows(_without_mark(part, data, text), written.separator)
    return _well_formed(part, rows, written, error)


def has_row(part: TextRows, kind: str, written: CsvFormat) -> bool:
    """Whether a text, `.csv` or `.jsonl`, has a well-formed row; it is read up to the first one."""
    if kind == ".csv":
        text = _without_mark(part, *_in_utf8(part, written))
        return has_csv_row(text, written.separator)
    return any(_is_object(line) for _, line in _lines(part))


def _in_utf8(part: TextRows, written: CsvFormat) -> tuple[bytes, str | None]:
    """A CSV text in UTF-8; and as a text, where bytes of it are not in the encoding of the file."""
    path, data, text = part.path, part.data, None
    if not written.is_utf8:
        try:
            data = data.decode(written.encoding).encode()
        except UnicodeError:
            text = _decoded(path, data, written.encoding)
            data = text.encode(errors="replace")
    _check_text(path, data)
    _check_separator(path, data, written.separator)
    return data, text


def _without_mark(part: TextRows, data: bytes, text: str | None) -> str:
    """The text that `_in_utf8` gives, without a byte order mark."""
    text = _decoded(part.path, data, "utf-8") if text is None else text
    return text.removeprefix("\ufeff")


def _well_formed(
    part: TextRows, rows: CsvRows | None, written: CsvFormat, error: Exception | None
) -> _Cells:
    """The cells of the well-formed rows of a text; its `rows` are None where its header is none.

    `error` is what pyarrow says of the text as a whole.
    """
    import pyarrow as pa

    path, malformed = part.path, [] if rows is None else rows.malformed
    malformed = [
        replace(line, row=line.row + part.first, line=line.line + part.skipped)
        for line in malformed
    ]
    if rows is not None and malformed and not len(rows.positions) and not part.is_part:
        raise _not_csv(path, malformed[0], written) from error
    if malformed and malformed[-1].is_open:
        raise _not_csv(path, malformed[-1], written) from error
    try:
        if rows is None:
            raise pa.ArrowInvalid("its first line is no header")
        table = csv_cells(f"\ufeff{rows.text}".encode(), separator=written.separator)
        if table.num_rows != len(rows.positions):
            raise pa.ArrowInvalid("its rows cannot be told apart")
    except (pa.ArrowException, UnicodeError) as raised:
        header = Malformed(0, 1, "is not in the encoding of the file", "", is_undecoded=True)
        if isinstance(error, UnicodeError):
            raise _not_csv(path, header, written) from error
        raise UnreadableError(
            f"{path} cannot be read as CSV: {one_line(str(error or raised))}.",
            where=str(path),
            todo="Correct the file.",
        ) from raised
    return _Cells(table, rows.positions + part.first, malformed)


def _not_csv(path: Path, line: Malformed, written: CsvFormat) -> UnreadableError:
    """The error for a file that is refused for a line."""
    where = f"{path}, line {line.line}"
    if line.is_undecoded:
        encoding = "UTF-8" if written.is_utf8 else written.encoding
        return UnreadableError(
            f"{path} is not in {encoding} (line {line.line}).",
            where=where,
            todo=anew(path, encoding="latin-1")
            if written.is_utf8
            else "Have it written in that, or declare the encoding that it has.",
        )
    if line.is_open:
        what = f"{path} ends in the middle of row {line.row}: {line}."
        return UnreadableError(what, where=where, todo=_CUT_OFF)
    return UnreadableError(f"{path} cannot be read as CSV: {line}.", where=where, todo=_ODD_ROW)


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    """A text with the bytes that are not in its encoding, as `surrogateescape` keeps them."""
    try:
        return data.decode(encoding, "surrogateescape")
    except UnicodeError as error:  # in an encoding of several bytes a character
        raise UnreadableError(
            f"{path} is not in {encoding}: {one_line(str(error))}.",
            where=str(path),
            todo="Have it written in that, or declare the encoding that it has.",
        ) from error


def _content(path: Path) -> bytes:
    """The content of a file, uncompressed; raises as `uncompressing` does."""
    with uncompressing(path) as stream:
        return bytes(stream.read())


def is_compressed(path: Path) -> bool:
    """Whether a file is compressed, by its suffix."""
    return path.suffix.lower() in _CODECS


@contextmanager
def uncompressing(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read its content, uncompressed.

    Raises `UnavailableError` where the system cannot read it, and `UnreadableError` where it is cut
    off, or not compressed as its suffix says.
    """
    import pyarrow as pa

    codec = _CODECS.get(path.suffix.lower())
    todo = "Have it delivered whole, and compressed as its name says."
    with _reading_content(path, f"uncompressed ({codec})", todo), path.open("rb") as file:
        if codec is None:
            yield file
        else:
            with pa.CompressedInputStream(file, codec) as stream:
                yield stream


def csv_cells(data: bytes, *, threads: bool = True, separator: str = ",") -> pa.Table:
    """The cells of a CSV text as texts; null where a cell is empty and has no quotes.

    Raises:
        ArrowException: It is no CSV text, or is cut off within a quoted text.
        UnicodeDecodeError: Its header is not in UTF-8.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    parse = arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True)
    block = min(max(len(data), _LEAST_BLOCK), _MOST_BLOCK)
    try:
        names = _names(data, parse, _LEAST_BLOCK)
    except pa.ArrowException:  # as where a row is longer
        names = _names(data, parse, block)
    last_row = f"\n{separator * (len(names) - 1)}{_LAST_CELL}\n".encode()
    table = arrow_csv.read_csv(
        pa.BufferReader(pa.py_buffer(data + last_row)),
        read_options=arrow_csv.ReadOptions(use_threads=threads, block_size=block),
        parse_options=parse,
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    if not table.num_rows or table.column(-1)[-1].as_py() != _LAST_CELL:
        raise pa.ArrowInvalid(OPEN_QUOTE)
    names[0] = names[0].lstrip("\ufeff")  # pyarrow takes one away, at the very beginning
    return table.slice(0, table.num_rows - 1).rename_columns(names)


def _names(data: bytes, parse: ParseOptions, block: int) -> list[str]:
    """The names in the header of a CSV text, of which pyarrow reads a block."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ended = data if data.endswith(b"\n") else data + b"\n"  # as it wants a header on its own
    read = arrow_csv.ReadOptions(use_threads=False, block_size=block)
    text = pa.BufferReader(pa.py_buffer(ended))
    with arrow_csv.open_csv(text, read_options=read, parse_options=parse) as head:
        return list(head.schema.names)


def anew(path: Path, reader: str = "read_csv", **options: str) -> str:
    """How to write a table anew as a CSV file with commas, decimal points and UTF-8.

    Its cells are read as texts, so that texts such as `007` and `NA` stay as they are; a missing
    one stays missing. `reader` is the function of pandas that reads it, with these `options`.
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
    if b"\0" in data and _line_beyond_utf8(data.partition(b"\n")[0]) is not None:
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


def decode_csv(part: TextRows, schema: Schema, written: CsvFormat) -> Decoded:
    """Decode a CSV text; a malformed line is a refused row."""
    try:
        cells = _cells(part, written)
    except UnreadableError as error:
        raise _untold(error, schema) from None
    decoded = decode_cells(
        cells.table, schema, source=str(part.path), written=written, positions=cells.positions
    )
    return among(decoded, cells.malformed, schema)


def _untold(error: UnreadableError, schema: Schema) -> UnreadableError:
    """The error; without what the text holds where that tells of persons."""
    hidden = UnreadableError(f"{error.where} cannot be read.", where=error.where, todo=error.todo)
    return hidden if schema.personal else error


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
    """Turn the errors of reading a Parquet file into those that `read_parquet` raises."""
    with _reading_content(path, "read as Parquet (cut off or half-written?)", "Write it anew."):
        yield


@contextmanager
def _reading_content(path: Path, how: str, todo: str) -> Iterator[None]:
    """Turn the errors of Arrow into one that says that a file cannot be read in a way."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # none is of the content
            raise _unavailable(path, error) from error
        what = f"{path} cannot be {how}: {one_line(str(error))}."
        raise UnreadableError(what, where=str(path), todo=todo) from error


def nameless_index(schema: pa.Schema) -> list[str]:
    """The columns in which pandas keeps an index that has no name: row numbers, not data."""
    listed = (schema.pandas_metadata or {}).get("index_columns", ())
    return [name for name in schema.names if name in listed and name.startswith("__index_level_")]


def decode_table(table: pa.Table, schema: Schema, path: Path, first: int) -> Decoded:
    """Decode rows of a Parquet file, the first of which has the position `first`."""
    positions = np.arange(first, first + table.num_rows, dtype=np.int64)
    return decode(table, schema, source=str(path), positions=positions)


def decode_json_lines(part: TextRows, schema: Schema) -> Decoded:
    """Decode JSON lines; a malformed one is a refused row, unless all of them are."""
    records: list[dict[str, Any]] = []
    positions: list[int] = []
    malformed: list[Malformed] = []
    refused: UnreadableError | None = None
    for number, line in _lines(part):
        row = part.first + len(records) + len(malformed)
        source = f"{part.path}, line {number}"
        try:
            records.append(_parse_object(line, source))
            positions.append(row)
        except UnreadableError as raised:
            error = _untold(raised, schema)
            text = line.decode(errors="replace").rstrip("\r\n")
            why = error.what.removeprefix(source).lstrip(": ").rstrip(".")
            malformed.append(Malformed(row, number, why, text))
            refused = refused or error
            if (records or part.is_part) and not line.endswith(b"\n"):  # the file is cut off
                raise error from None
    if refused is not None and not records and not part.is_part:
        raise refused
    decoded = decode(
        records, schema, source=str(part.path), positions=np.array(positions, dtype=np.int64)
    )
    return among(decoded, malformed, schema)


def _parse_object(line: bytes, source: str) -> dict[str, Any]:
    record = _parse(line, source)
    if not isinstance(record, dict):
        raise UnreadableError(
            f"{source}: not a JSON object: {show(line)}.",
            where=source,
            todo="Write one record a line.",
        )
    return record


def _lines(part: TextRows) -> Iterator[tuple[int, bytes]]:
    """The lines of a text that are not blank, each with its number in the file."""
    data = part.data if part.skipped else part.data.removeprefix(codecs.BOM_UTF8)
    for number, line in enumerate(io.BytesIO(data), start=part.skipped + 1):
        if line.strip():
            yield number, line


def _is_object(line: bytes) -> bool:
    try:
        _parse_object(line, "a line")
    except UnreadableError:
        return False
    return True


def _parse(text: str | bytes, source: str) -> Any:
    import msgspec

    mark = "\ufeff" if isinstance(text, str) else codecs.BOM_UTF8
    try:
        return msgspec.json.decode(text.removeprefix(mark))  # type: ignore[arg-type]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UnreadableError(
            f"{source} is not valid JSON: {error}.", where=source, todo="Correct it."
        ) from error


READERS: dict[str, Callable[[Path, Schema, CsvFormat, int], Decoded]] = {
    ".csv": lambda path, schema, written, first: decode_csv(
        TextRows(path, _content(path), first), schema, written
    ),
    ".parquet": lambda path, schema, _, first: decode_table(
        read_parquet(path), schema, path, first
    ),
    ".jsonl": lambda path, schema, _, first: decode_json_lines(
        TextRows(path, _content(path), first), schema
    ),
}
"""How to read each kind of file, by suffix."""
SUFFIXES = (*READERS, *(f"{kind}{codec}" for kind in (".csv", ".jsonl") for codec in _CODECS))
"""The kinds of files that are read: CSV and JSON lines may be compressed."""
