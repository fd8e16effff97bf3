"""Bodies: records out of what a request carries, read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lockstep.serving.errors import UnreadableError
from lockstep.serving.scorer import Record

_decode = msgspec.json.Decoder().decode


def parse_json(body: bytes) -> Any:
    """The value of a JSON text, in which no object has a key twice.

    Raises:
        UnreadableError: It is no JSON text (NaN and Infinity are none either), is nested too
            deeply, or has a key twice.
    """
    try:
        found = _decode(body)
    except msgspec.DecodeError as error:
        raise UnreadableError(f"The body is not JSON: {error}.") from None
    except (RecursionError, UnicodeDecodeError) as error:
        reason = "too deeply nested" if isinstance(error, RecursionError) else "not UTF-8"
        raise UnreadableError(f"The body is not JSON that is read here: it is {reason}.") from None
    # Each key of an object is followed by `":` in almost any text; where the counts differ, a
    # slower reading tells whether a key is there twice.
    if _keys(found) != body.count(b'":'):
        _demand_distinct_keys(body)
    return found


def _keys(value: Any) -> int:
    """How many keys all objects within a value have."""
    if isinstance(value, dict):
        return len(value) + sum(
            _keys(one) for one in value.values() if type(one) is dict or type(one) is list
        )
    if isinstance(value, list):
        return sum(_keys(one) for one in value if type(one) is dict or type(one) is list)
    return 0


def _demand_distinct_keys(body: bytes) -> None:
    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise UnreadableError("An object of the body has a key twice; which one counts?")
        return found

    json.loads(body, object_pairs_hook=distinct)


def records_of_split(value: Any) -> list[Record]:
    """The records of a table given by its columns and rows.

    Raises:
        UnreadableError: It is not such a table.
    """
    if not isinstance(value, Mapping) or not {"columns", "data"} <= value.keys():
        raise UnreadableError("dataframe_split is an object with `columns` and `data`.")
    columns, data = value["columns"], value["data"]
    if not isinstance(columns, list) or not isinstance(data, list):
        raise UnreadableError("`columns` and `data` of dataframe_split are lists.")
    if not all(type(name) is str for name in columns):
        raise UnreadableError("`columns` of dataframe_split are texts.")
    if len(set(columns)) < len(columns):
        raise UnreadableError("`columns` of dataframe_split holds a name twice.")
    width = len(columns)
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != width:
            raise UnreadableError(
                f"Row {place} of dataframe_split is not a list of {width} values, one a column."
            )
    return [dict(zip(columns, row, strict=True)) for row in data]


def records_of_list(value: Any, name: str) -> list[Record]:
    """The records of a list of objects.

    Raises:
        UnreadableError: It is not one.
    """
    if not isinstance(value, list) or not all(type(row) is dict for row in value):
        raise UnreadableError(f"{name} is a list of records, objects with named fields.")
    return value


def records_of_columns(value: Mapping[str, Any], name: str) -> list[Record]:
    """The records of columns, each a list of values.

    Raises:
        UnreadableError: They are not lists of one length.
    """
    if not value or not all(isinstance(column, list) for column in value.values()):
        raise UnreadableError(f"{name} is an object of columns, each a list of values.")
    if len({len(column) for column in value.values()}) > 1:
        raise UnreadableError(f"The columns of {name} are not of one length.")
    names = list(value)
    rows: Sequence[Any] = list(zip(*value.values(), strict=True))
    return [dict(zip(names, row, strict=True)) for row in rows]
