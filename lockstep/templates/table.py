"""A table in a file, and the values of its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.columns.files import anew, read_csv, read_parquet
from lockstep.columns.plain import listed
from lockstep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = frozenset(
    ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?", "-", "--", ".")
)
"""Texts that stand for no value in columns of numbers, times or truth."""
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
_FINE = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPACED = re.compile(r"\s+[0-9.+-]+\s*|[0-9.+-]+\s+")
_DIGITS = 30
_LARGEST = 2**63
_LARGEST_OPTIONAL = 2**53


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Attributes:
        name: Its name in the table.
        declared: Its type in a record: `"float"`, `"int"`, `"bool"`, `"str"` or `"datetime"`; None
            for a type that no field can hold.
        counts: Number of rows by value, without texts of missing values.
        rows: Number of rows.
        missing: Its texts that stand for missing values.
        has_zones: Whether its times have a zone.
    """

    name: str
    declared: str | None
    counts: Mapping[Any, int]
    rows: int
    missing: tuple[str, ...] = ()
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
    """A table in a file.

    Attributes:
        path: The file.
        columns: Its columns, in order.
        rows: Number of rows.
    """

    path: Path
    columns: tuple[TableColumn, ...]
    rows: int

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]


def read_table(path: Path) -> TableFile:
    """Read a CSV or Parquet file and the values of its columns.

    Raises:
        InputError: It cannot be read; the message says what to do.
    """
    read = {".csv": read_csv, ".parquet": read_parquet}.get(path.suffix.lower())
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    if read is None:
        raise InputError(f"{path}: a table is a file whose name ends in .csv or .parquet.")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty: it has no header and no rows.")
    table = read(path)
    names = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path} has the column {listed(twice)} more than once; rename one.")
    is_csv = path.suffix.lower() == ".csv"
    if is_csv:
        _check_header(path, names)
    if not table.num_rows:
        raise InputError(f"{path} has a header and no rows.")
    columns = tuple(_column(name, table.column(name), is_csv) for name in names)
    _check_spaces(path, columns)
    return TableFile(path, columns, table.num_rows)


def _check_header(path: Path, names: Sequence[str]) -> None:
    if any(_NUMBER.fullmatch(name) for name in names):
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


def _column(name: str, values: pa.ChunkedArray, is_csv: bool) -> TableColumn:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _column(name, values.cast(kind.value_type), is_csv)
    if is_csv:
        return _column_of_cells(name, _counts(values), len(values))
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


def _column_of_cells(name: str, counts: dict[str, int], rows: int) -> TableColumn:
    """A column of CSV, whose type is that of its texts."""
    missing = tuple(sorted(MISSING & counts.keys()))
    rest = {text: count for text, count in counts.items() if text not in MISSING}
    optional = sum(rest.values()) < rows
    for declared, parse in _PARSERS:
        values = [parse(text) for text in rest]
        if rest and None not in values:
            if declared == "int" and not _fits(values, optional):
                break
            zones = declared == "datetime" and all(value.tzinfo is not None for value in values)
            parsed: dict[Any, int] = {}
            for value, count in zip(values, rest.values(), strict=True):
                parsed[value] = parsed.get(value, 0) + count
            return TableColumn(name, declared, parsed, rows, missing, has_zones=zones)
    return TableColumn(name, "str", counts, rows)


def _fits(integers: Sequence[Any], optional: bool) -> bool:
    most = _LARGEST_OPTIONAL if optional else _LARGEST - 1
    return all(-most <= integer <= most for integer in integers)


def _bool(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _int(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) and len(text) < _DIGITS else None


def _float(text: str) -> float | None:
    if not _NUMBER.fullmatch(text) or _LEADING_ZERO.fullmatch(text):
        return None
    return float(text)


def _time(text: str) -> datetime | None:
    if not _DATE.match(text) or _FINE.search(text):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if 1 < time.year < 9999 else None


_PARSERS: tuple[tuple[str, Callable[[str], Any]], ...] = (
    ("bool", _bool),
    ("int", _int),
    ("float", _float),
    ("datetime", _time),
)
