"""A table in a file, and the values of its columns."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import chain, pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.columns.csv_format import USUAL, CsvFormat, Mark, time_by
from lockstep.columns.dates import layout_of
from lockstep.columns.files import anew, demand_file, read_csv, read_parquet, separator_of
from lockstep.columns.plain import cut, listed, one_line
from lockstep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = frozenset(
    ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?", "-", "--", ".")
)
"""Texts that stand for no value in columns of numbers, times or truth."""
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_ENCODINGS = ("utf-16", "utf-8", "cp1252", "latin-1")
"""Encodings that are tried in order; the last one has a letter for every byte."""
_GUESSED = _ENCODINGS[2:]
"""Those that nothing in a file tells for sure."""
_FINE = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPACED = re.compile(r"\s+[0-9.+-]+\s*|[0-9.+-]+\s+")
_DIGITS = 30
_LARGEST = 2**63
_LARGEST_OPTIONAL = 2**53
_NUMBER = re.compile(
    r"(?![+-]?0[0-9]+\Z)"  # no leading zero
    r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
)
_OTHER: Mapping[Mark, Mark] = {".": ",", ",": "."}
_NAMES = {".": "decimal points", ",": "decimal commas"}


@dataclass(frozen=True)
class NumberMarks:
    """How a file writes its numbers."""

    written: CsvFormat
    # by column whose numbers can be read in two ways: how they are read, in a sentence
    notes: Mapping[str, str]
    # columns whose numbers are kept as texts, since nothing tells how to read them
    texts: frozenset[str]


def number_of(text: str, written: CsvFormat) -> float | None:
    """The number that a text holds; None for all other texts, and for those with leading zeros."""
    digits = written.number(text)
    return float(digits) if digits is not None and _NUMBER.fullmatch(digits) else None


def number_marks(columns: Mapping[str, Sequence[str]], written: CsvFormat) -> NumberMarks:
    """Choose the decimal mark of a file, and that of thousands, by all its columns.

    A number such as `1.250` can be read in two ways, and one such as `1,5`, `0,125`, `1.250,5` or
    `1.250.000` in one. The latter decide for the file. Where they contradict each other, or there
    are none in a file whose cells are not separated by commas, the former are kept as texts.
    """
    by = {mark: replace(written, decimal=mark, thousands=_OTHER[mark]) for mark in _OTHER}
    read_by: dict[str, list[Mark]] = {}
    for name, texts in columns.items():
        marks = [mark for mark in by if _reads(texts, by[mark])]
        if marks and any(mark in text for text in texts for mark in _OTHER):
            read_by[name] = marks
    sure = {marks[0]: name for name, marks in read_by.items() if len(marks) == 1}
    unsure = [name for name, marks in read_by.items() if len(marks) > 1]
    is_decided = len(sure) == 1 or (not sure and written.separator == ",")
    decimal: Mark = next(iter(sure)) if len(sure) == 1 else "."
    texts_kept = [
        *(name for name, marks in read_by.items() if decimal not in marks),
        *([] if is_decided else unsure),
    ]
    plain, grouped = replace(by[decimal], thousands=None), by[decimal]
    numbers = [name for name in read_by if name not in texts_kept]
    notes = {name: _kept(name, columns[name], by, sure) for name in texts_kept}
    for name in unsure if is_decided else ():
        if not sure or any(_OTHER[decimal] in text for text in columns[name]):
            notes[name] = _read(name, columns[name], grouped, sure)
    has_thousands = any(_OTHER[decimal] in text for name in numbers for text in columns[name])
    return NumberMarks(grouped if has_thousands else plain, notes, frozenset(texts_kept))


def _reads(texts: Sequence[str], written: CsvFormat) -> bool:
    return all(number_of(text, written) is not None for text in texts)


def _example(texts: Sequence[str]) -> str:
    return next(text for text in texts if any(mark in text for mark in _OTHER))


def _kept(
    name: str, texts: Sequence[str], by: Mapping[Mark, CsvFormat], sure: Mapping[Mark, str]
) -> str:
    text = _example(texts)
    values = [value for each in by.values() if (value := number_of(text, each)) is not None]
    may_be = " or ".join(f"{value:g}" for value in sorted(values, key=abs))
    others = " and ".join(f"{column} has {_NAMES[mark]}" for mark, column in sorted(sure.items()))
    return (
        f"{name} is kept as texts: {text} may be {may_be}, and {others or 'no column tells'}. To "
        "have numbers, give decimal= and thousands= of the file, and declare a float."
    )


def _read(name: str, texts: Sequence[str], written: CsvFormat, sure: Mapping[Mark, str]) -> str:
    text = _example(texts)
    why = "".join(f", since {column} has {_NAMES[mark]}" for mark, column in sure.items())
    return f"{name}: {text} is read as {number_of(text, written):g}{why}. Is that right?"


@dataclass(frozen=True)
class TableColumn:
    """A column of a table."""

    name: str
    # its type in a record: `"float"`, `"int"`, `"bool"`, `"str"` or `"datetime"`; None for a
    # type that no field can hold
    declared: str | None
    counts: Mapping[Any, int]  # number of rows by value, without texts of missing values
    rows: int
    missing: tuple[str, ...] = ()  # its texts that stand for missing values
    has_zones: bool = False

    @cached_property
    def optional(self) -> bool:
        """Whether some row has no value."""
        return sum(self.counts.values()) < self.rows

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value."""
        return not self.counts

    @cached_property
    def is_unique(self) -> bool:
        """Whether every row has a value of its own."""
        return len(self.counts) == self.rows

    @cached_property
    def rises(self) -> bool:
        """Whether new values rise, row by row."""
        values = list(self.counts)
        return len(values) > 1 and all(earlier < later for earlier, later in pairwise(values))


@dataclass(frozen=True)
class TableFile:
    """A table in a file."""

    path: Path
    columns: tuple[TableColumn, ...]
    rows: int
    written: CsvFormat = USUAL
    notes: tuple[str, ...] = ()  # what was assumed of that, in sentences, for a person to look at

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]


def read_table(path: Path) -> TableFile:
    """Read a CSV or Parquet file and the values of its columns."""
    is_csv = path.suffix.lower() == ".csv"
    demand_file(path)
    if not is_csv and path.suffix.lower() != ".parquet":
        raise InputError(f"{path}: a table is a file whose name ends in .csv or .parquet.")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty: it has no header and no rows.")
    written = _encoded(path) if is_csv else USUAL
    table = read_csv(path, written) if is_csv else read_parquet(path)
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path} has the column {listed(twice)} more than once; rename one.")
    if is_csv:
        _check_header(path, names)
    if not table.num_rows:
        raise InputError(f"{path} has a header and no rows.")
    notes: list[str] = []
    if is_csv:
        cells = {name: _counts(table.column(name)) for name in names}
        marks = _with_values(written, cells)
        written = marks.written
        notes = [*_assumed(written.encoding, cells), *marks.notes.values()]
        columns = tuple(
            TableColumn(name, "str", counts, table.num_rows)
            if name in marks.texts
            else _column_of_cells(name, counts, table.num_rows, written)
            for name, counts in cells.items()
        )
    else:
        columns = tuple(_column(name, table.column(name)) for name in names)
    _check_spaces(path, columns)
    return TableFile(path, columns, table.num_rows, written, tuple(notes))


def _encoded(path: Path) -> CsvFormat:
    """How a CSV file is written, as far as its bytes and its header tell."""
    data = path.read_bytes()
    encoding = next(encoding for encoding in _ENCODINGS if _is_in(data, encoding))
    head = data.decode(encoding).partition("\n")[0]
    return CsvFormat(separator=separator_of(head.encode()), encoding=encoding)


def _is_in(data: bytes, encoding: str) -> bool:
    if encoding == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _with_values(written: CsvFormat, cells: Mapping[str, Mapping[str, int]]) -> NumberMarks:
    """How a CSV file is written, by its cells, too: marks of numbers, and layouts of times."""
    columns = {
        name: [text for text in counts if text not in MISSING] for name, counts in cells.items()
    }
    layouts = {name: layout for name, texts in columns.items() if (layout := _layout(texts))}
    alike = set(layouts.values())
    dates = alike.pop() if len(alike) == 1 else layouts or None
    others = {name: texts for name, texts in columns.items() if name not in layouts}
    return number_marks(others, replace(written, dates=dates))


def _assumed(encoding: str, cells: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What a reader has to look at, where the bytes fit several encodings: a text beyond ASCII."""
    if encoding not in _GUESSED:
        return
    texts = chain.from_iterable((name, *counts) for name, counts in cells.items())
    shown = next((text for text in texts if not text.isascii()), None)
    if shown is not None:
        yield (
            f"{encoding} is assumed, since the file is not UTF-8; by that it holds "
            f"{cut(one_line(shown), 40)}. If that is wrong, give encoding= as it is, such as "
            "cp1250."
        )


def _layout(texts: Sequence[str]) -> str | None:
    """The layout of a column of days or times that are not in ISO 8601; None for all others."""
    if not texts or all(_int(text) is not None or _time(text) is not None for text in texts):
        return None
    layout = layout_of(np.array(texts, dtype=object))
    if layout is None or "%d" not in layout:
        return None
    return layout if all(time_by(text, layout) or _time(text) for text in texts) else None


def _check_header(path: Path, names: Sequence[str]) -> None:
    if any(number_of(name, USUAL) is not None for name in names):
        raise InputError(
            f"{path} has no header: its first line is {listed(names, 5)}. Put a line with the "
            "names of the columns before it."
        )


def _check_spaces(path: Path, columns: Sequence[TableColumn]) -> None:
    for column in columns:
        if any(isinstance(value, str) and _SPACED.fullmatch(value) for value in column.counts):
            raise InputError(
                f"{path}: the numbers of {column.name} have spaces around them. "
                + anew(path, sep=r"\s*,\s*", engine="python")
            )


def _column(name: str, values: pa.ChunkedArray) -> TableColumn:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _column(name, values.cast(kind.value_type))
    declared = _declared(kind)
    if declared is None:
        return TableColumn(name, None, {}, len(values))
    return TableColumn(
        name=name,
        declared=declared,
        counts=_counts(values),
        rows=len(values),
        has_zones=pa.types.is_timestamp(kind) and kind.tz is not None,
    )


def _declared(kind: pa.DataType) -> str | None:
    """The declared type of a field for an Arrow type; None if no field can hold it."""
    import pyarrow as pa

    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float"
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "datetime"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "str"
    return None


def _counts(values: pa.ChunkedArray) -> dict[Any, int]:
    """Number of rows by value, without missing values and NaN."""
    counts = values.value_counts()
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    return {value: count for value, count in pairs if value is not None and value == value}


def _column_of_cells(
    name: str, counts: dict[str, int], rows: int, written: CsvFormat
) -> TableColumn:
    """A column of CSV, whose type is that of its texts."""
    missing = tuple(sorted(MISSING & counts.keys()))
    rest = {text: count for text, count in counts.items() if text not in MISSING}
    optional = sum(rest.values()) < rows
    for declared, parse in _parsers(name, written):
        values = _values(parse, rest)
        if values:
            if declared == "int" and not _fits(values, optional):
                break
            zones = declared == "datetime" and all(value.tzinfo is not None for value in values)
            parsed: dict[Any, int] = {}
            for value, count in zip(values, rest.values(), strict=True):
                parsed[value] = parsed.get(value, 0) + count
            return TableColumn(name, declared, parsed, rows, missing, has_zones=zones)
    return TableColumn(name, "str", counts, rows)


def _values(parse: Callable[[str], Any], texts: Collection[str]) -> list[Any]:
    """What texts hold; nothing where one of them holds something else."""
    values = list(takewhile(lambda value: value is not None, map(parse, texts)))
    return values if len(values) == len(texts) else []


def _fits(integers: Sequence[Any], optional: bool) -> bool:
    most = _LARGEST_OPTIONAL if optional else _LARGEST - 1
    return all(-most <= integer <= most for integer in integers)


def _bool(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _int(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) and len(text) < _DIGITS else None


def _time(text: str) -> datetime | None:
    if not _DATE.match(text) or _FINE.search(text):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if 1 < time.year < 9999 else None


def _parsers(name: str, written: CsvFormat) -> tuple[tuple[str, Callable[[str], Any]], ...]:
    """How to read the cells of a column, by the type that they may have."""
    layout = written.layout(name)

    def whole(text: str) -> int | None:
        return _int(written.number(text) or "")

    def time(text: str) -> datetime | None:
        return (time_by(text, layout) if layout is not None else None) or _time(text)

    return (
        ("bool", _bool),
        ("int", whole),
        ("float", lambda text: number_of(text, written)),
        ("datetime", time),
    )
