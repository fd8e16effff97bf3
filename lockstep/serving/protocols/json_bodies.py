"""Bodies: records out of what a request carries, read strictly.

No message repeats anything of a body: what its client sent can be personal, and ends in logs.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lockstep.columns.plain import listed
from lockstep.columns.schema import Schema
from lockstep.errors import RefusedTableError, TooLargeError, UnreadableBodyError
from lockstep.serving.versions.request_rows import Record

_decode = msgspec.json.Decoder().decode
_NESTED = frozenset({dict, list})
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_MORE = 1000
"""Lists and objects that a body may have beside its rows, and fields that a record may have beside
those that are declared, before it is refused without a closer look."""


class ReadOptions(msgspec.Struct, frozen=True):
    """How the rows of a request are read.

    Attributes:
        schema: What they are declared to hold.
        most: How many there may be.
        strict: Whether what is not declared is refused, rather than left alone.
    """

    schema: Schema
    most: int
    strict: bool = True

    def demand_room(self, rows: int) -> None:
        """Check that a request has no more rows than it may.

        Raises:
            TooLargeError: It has more.
        """
        if rows > self.most:
            raise TooLargeError(f"A request has at most {self.most:,} rows; send several requests.")

    def demand_simple(self, body: bytes) -> None:
        """Check that a JSON text has no more lists and objects than so many rows could be.

        To make millions of them takes seconds, in which nobody else is answered.

        Raises:
            TooLargeError: It has more.
        """
        most = self.most * (len(self.schema.names) + 2) + _MORE
        if len(body) <= most or body.count(b"[") + body.count(b"{") <= most:
            return
        bare = _TEXT.sub(b"", body)
        if bare.count(b"[") + bare.count(b"{") > most:
            raise TooLargeError(f"The body has more lists and objects than {self.most:,} rows are.")

    def demand_columns(self, names: Sequence[Any]) -> None:
        """Check that a table has the declared columns: a forgotten one is no missing value.

        Args:
            names: Names of its columns.

        Raises:
            RefusedTableError: One is lacking, there twice, or not declared.
        """
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
        said = []
        if lacking:
            said.append(f"lacks {listed(lacking)}")
        if strange and (lacking or self.strict):
            places = listed([place + 1 for place in strange])
            said.append(f"has columns that are not declared (number {places})")
        if said:
            raise RefusedTableError(f"The table {' and '.join(said)}: see {schema.name}.")


def parse_json(body: bytes, *, strict: bool = True) -> Any:
    """The value of a JSON text; see `demand_distinct_keys` for what else is to be looked at.

    Args:
        body: The text, in UTF-8.
        strict: Whether NaN and Infinity are refused, which Python writes and JSON has not.

    Raises:
        UnreadableBodyError: It is no JSON text, or is nested too deeply.
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
    """Check that no object of a JSON text has a key twice, of which one was lost.

    Args:
        body: The text.
        value: What it was read as.

    Raises:
        UnreadableBodyError: One has; or it is nested too deeply to tell.
    """
    # A key is followed by `":`, unless there is space between; so is the end of some texts, and
    # then a slower look tells.
    is_compact = not (b" :" in body or b"\t:" in body or b"\n:" in body or b"\r:" in body)
    if not is_compact or _keys(value) != body.count(b'":'):
        _distinct(body)


def _keys(value: Any) -> int:
    """How many keys all objects within a value have."""
    found = 0
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if type(one) is dict:
            found += len(one)
            waiting += [inner for inner in one.values() if type(inner) in _NESTED]
        elif type(one) is list:
            waiting += [inner for inner in one if type(inner) in _NESTED]
    return found


def _distinct(body: bytes) -> Any:
    """The value of a JSON text, read slowly: Python's reader shows each key that is there."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise UnreadableBodyError("An object of the body has a key twice; which one counts?")
        return found

    try:
        return json.loads(body, object_pairs_hook=distinct)
    except RecursionError:
        raise UnreadableBodyError("The body is nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits, or no JSON at all
        where = f" (byte {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableBodyError(f"The body is not JSON that is read here{where}.") from None


def records_of_split(value: Any, reading: ReadOptions) -> list[Record]:
    """The records of a table given by its columns and rows; what its index says is left alone.

    Raises:
        UnreadableBodyError: It is not such a table.
        RefusedTableError: Its columns are not those that are declared.
        TooLargeError: It has too many rows.
    """
    if not isinstance(value, dict):
        raise UnreadableBodyError("dataframe_split is an object with `columns` and `data`.")
    if not {"columns", "data"} <= value.keys() <= {"columns", "data", "index"}:
        raise UnreadableBodyError("dataframe_split has `columns` and `data`, and may have `index`.")
    columns, data = value["columns"], value["data"]
    if not isinstance(columns, list) or not isinstance(data, list):
        raise UnreadableBodyError("`columns` and `data` of dataframe_split are lists.")
    if not all(type(name) is str for name in columns):
        raise UnreadableBodyError("`columns` of dataframe_split are texts.")
    reading.demand_room(len(data))
    reading.demand_columns(columns)
    width = len(columns)
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            raise UnreadableBodyError(
                f"Row {place} of dataframe_split is not a list of {width} values, one a column."
            )
    return [dict(zip(columns, row, strict=True)) for row in data]


def records_of_list(value: Any, name: str, reading: ReadOptions) -> list[Record]:
    """The records of a list of objects.

    Raises:
        UnreadableBodyError: It is not one.
        TooLargeError: It has too many rows, or a row far too many fields.
    """
    if not isinstance(value, list):
        raise UnreadableBodyError(f"{name} is a list of records, objects with named fields.")
    reading.demand_room(len(value))
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
    """The records of columns, each a list of values; or the one whose fields are given.

    Raises:
        UnreadableBodyError: They are not lists of one length.
        RefusedTableError: Its columns are not those that are declared.
        TooLargeError: It has too many rows.
    """
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
