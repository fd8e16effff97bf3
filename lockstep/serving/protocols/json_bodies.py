"""JSON bodies: reads their records strictly.

No message repeats a part of a body: it can be personal, and messages end in logs.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lockstep.columns.plain import counted, listed
from lockstep.columns.schema import Field, Schema
from lockstep.errors import RefusedTableError, TooLargeError, UnreadableBodyError
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_rows import Record

_decode = msgspec.json.Decoder().decode
_NESTED = frozenset({dict, list})
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_MORE = 1000
"""Lists and objects that a body may have beside its rows, and undeclared fields of a record; a
body with more is refused without a closer look."""


class ReadOptions(msgspec.Struct, frozen=True):
    """How the rows of a request are read."""

    schema: Schema
    most: int  # rows
    strict: bool = True  # whether undeclared fields are refused, rather than left alone
    longest_text: int = RequestLimits.longest_text  # in characters

    def demand_room(self, rows: int) -> None:
        """Check the number of rows of a request."""
        if rows > self.most:
            raise TooLargeError(f"A request has at most {self.most:,} rows; send several requests.")

    def demand_simple(self, body: bytes) -> None:
        """Check that a JSON text has no more lists and objects than its rows can have.

        To parse millions of them takes seconds, in which nobody else is answered.
        """
        most = self.most * (len(self.schema.names) + 2) + _MORE
        if len(body) <= most or body.count(b"[") + body.count(b"{") <= most:
            return
        bare = _TEXT.sub(b"", body)
        if bare.count(b"[") + bare.count(b"{") > most:
            raise TooLargeError(f"The body has more lists and objects than {self.most:,} rows are.")

    def demand_columns(self, names: Sequence[Any]) -> None:
        """Check that a table has the declared columns: a forgotten column is no missing value."""
        schema = self.schema
        fields = [schema.aliases.get(name, name) for name in names]
        present = set(fields)
        if len(present) < len(fields):
            raise RefusedTableError("The table has a column twice; keep one.")
        lacking = [
            field.alias or field.name
            for field in schema
            if field.name not in present and not field.is_row_number
        ]
        strange = [place for place, name in enumerate(fields) if name not in schema]
        faults = []
        if lacking:
            faults.append(f"lacks {listed(lacking)}")
        if strange and (lacking or self.strict):
            places = listed([place + 1 for place in strange])
            faults.append(f"has columns that are not declared (number {places})")
        if faults:
            raise RefusedTableError(f"The table {' and '.join(faults)}: see {schema.name}.")

    def names_by_place(self, width: int, which: str) -> list[str]:
        """Names of the fields by their place, where rows are lists of values without names.

        A key that is the row's number may be left out. `which` names the row in messages.
        """
        fields = self._fields(width)
        if width != len(fields):
            raise RefusedTableError(f"{which} {self.misfit(width)}")
        return [field.name for field in fields]

    def misfit(self, width: int) -> str:
        """How a row without names of so many values does not have one for each field."""
        fields = self._fields(width)
        names = [field.alias or field.name for field in fields]
        fault = (
            f"value {width + 1}, of {names[width]}, is lacking"
            if width < len(names)
            else f"value {len(names) + 1} comes after the last field, {names[-1]}"
        )
        return (
            f"has {counted(width, 'value')}, and {self.schema.name} "
            f"{counted(len(names), 'field')}: "
            f"{fault}. Give one for each, in their order: see /docs."
        )

    def _fields(self, width: int) -> list[Field]:
        fields = list(self.schema)
        if width == len(fields) - 1:
            fields = [field for field in fields if not field.is_row_number]
        return fields

    def demand_short(self, records: Iterable[Record]) -> None:
        """Check that no text of a large body is too long."""
        longest = self.longest_text
        for row, record in enumerate(records):
            if any(type(value) is str and len(value) > longest for value in record.values()):
                raise TooLargeError(
                    f"A text of row {row} is too long: it has at most {longest:,} characters."
                )


class UnnamedRecords(list[Record]):
    """Records that came as lists of values; `places` are those of the fields in a row, from 1."""

    def __init__(self, names: Sequence[str], records: Iterable[Record]) -> None:
        super().__init__(records)
        self.places = {name: place for place, name in enumerate(names, 1)}


def parse_json(body: bytes, *, strict: bool = True) -> Any:
    """The value of a JSON text in UTF-8; `demand_distinct_keys` checks its keys.

    Strictly, it has no NaN and Infinity, which are Python's, not JSON's.
    """
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        if body.startswith(codecs.BOM_UTF8):
            return parse_json(body.removeprefix(codecs.BOM_UTF8), strict=strict)
        if b"NaN" not in body and b"Infinity" not in body:
            raise UnreadableBodyError(f"The body is not JSON: {error}.") from None
        if strict:
            raise UnreadableBodyError(
                f"The body is not JSON: {error}. JSON has no NaN or Infinity; send null for what "
                "is missing."
            ) from None
        return _distinct(body)
    except UnicodeDecodeError:
        raise UnreadableBodyError("The body is not in UTF-8.") from None
    except RecursionError:
        raise UnreadableBodyError("The body is nested too deeply.") from None


def demand_distinct_keys(body: bytes, value: Any) -> None:
    """Check that no object of a JSON text has a key twice, of which its value has only one."""
    # A key is followed by `":`, unless there is space between; so is the end of some texts, and
    # then a slower look decides.
    is_compact = not (b" :" in body or b"\t:" in body or b"\n:" in body or b"\r:" in body)
    if not is_compact or _keys(value) != body.count(b'":'):
        _distinct(body)


def _keys(value: Any) -> int:
    """Number of keys of all objects within a value."""
    count = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if type(item) is dict:
            count += len(item)
            waiting += [inner for inner in item.values() if type(inner) in _NESTED]
        elif type(item) is list:
            waiting += [inner for inner in item if type(inner) in _NESTED]
    return count


def _distinct(body: bytes) -> Any:
    """The value of a JSON text, read slowly by Python's reader, which shows repeated keys."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            raise UnreadableBodyError("An object of the body has a key twice; which one counts?")
        return members

    try:
        return json.loads(body, object_pairs_hook=distinct)
    except RecursionError:
        raise UnreadableBodyError("The body is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits, or no JSON at all
        where = f" (byte {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableBodyError(f"The body is not JSON that is read here{where}.") from None


def records_of_split(value: Any, reading: ReadOptions) -> list[Record]:
    """The records of a table given as columns and rows; its index is ignored.

    Columns may be the numbers from 0 on, as pandas names those of a table without names: the values
    of a row are then in the order of the declaration.
    """
    if not isinstance(value, dict):
        raise UnreadableBodyError("dataframe_split is an object with `columns` and `data`.")
    if not {"columns", "data"} <= value.keys() <= {"columns", "data", "index"}:
        raise UnreadableBodyError("dataframe_split has `columns` and `data`, and may have `index`.")
    columns, data, is_unnamed = value["columns"], value["data"], False
    if not isinstance(columns, list) or not isinstance(data, list):
        raise UnreadableBodyError("`columns` and `data` of dataframe_split are lists.")
    reading.demand_room(len(data))
    if columns and set(map(type, columns)) == {int}:
        if columns != list(range(len(columns))):
            raise UnreadableBodyError(
                "`columns` of dataframe_split are texts, or the numbers 0, 1, 2 and so on."
            )
        columns = reading.names_by_place(len(columns), "A row of dataframe_split")
        is_unnamed = True
    if not all(type(name) is str for name in columns):
        raise UnreadableBodyError("`columns` of dataframe_split are texts.")
    reading.demand_columns(columns)
    width = len(columns)
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            raise UnreadableBodyError(
                f"Row {place} of dataframe_split is not a list of {width} values, one a column."
            )
    records = (dict(zip(columns, row, strict=True)) for row in data)
    return UnnamedRecords(columns, records) if is_unnamed else list(records)


def records_of_list(value: Any, name: str, reading: ReadOptions) -> list[Record]:
    """The records of a list of objects; of `instances` and `inputs` also of lists of values."""
    if not isinstance(value, list):
        raise UnreadableBodyError(f"{name} is a list of records, objects with named fields.")
    reading.demand_room(len(value))
    if name in ("instances", "inputs") and value and type(value[0]) is list:
        for place, row in enumerate(value):
            if type(row) is not list:
                raise UnreadableBodyError(f"Row {place} of {name} is no list of values, as row 0.")
        widths = [len(row) for row in value]
        if len(set(widths)) > 1:
            fits = [width == len(reading.schema.names) for width in widths]
            place = fits.index(False)
            raise UnreadableBodyError(f"Row {place} of {name} {reading.misfit(widths[place])}")
        names = reading.names_by_place(widths[0], f"Row 0 of {name}")
        return UnnamedRecords(names, (dict(zip(names, row, strict=True)) for row in value))
    most = len(reading.schema.names) + _MORE
    for place, row in enumerate(value):
        if type(row) is not dict:
            raise UnreadableBodyError(
                f"Row {place} of {name} is no record, an object of named fields."
            )
        if len(row) > most:
            raise TooLargeError(f"Row {place} of {name} has more than {most:,} fields.")
    return value


def records_of_columns(
    value: Mapping[str, Any], name: str, reading: ReadOptions
) -> Sequence[Record]:
    """The records of an object of columns, each a list of values; or the one record that it is."""
    if len(value) > len(reading.schema.names) + _MORE:
        raise TooLargeError(f"{name} has more than {len(reading.schema.names) + _MORE:,} columns.")
    lists = [isinstance(column, list) for column in value.values()]
    if value and not any(lists):
        return [value]
    if not value or not all(lists):
        raise UnreadableBodyError(f"{name} is an object of columns, each a list of values.")
    lengths = {len(column) for column in value.values()}
    if len(lengths) > 1:
        raise UnreadableBodyError(f"The columns of {name} are not of one length.")
    reading.demand_room(max(lengths))
    reading.demand_columns(list(value))
    names = list(value)
    return [dict(zip(names, row, strict=True)) for row in zip(*value.values(), strict=True)]
