"""Records in the forms of input: texts and tables that decode to exactly the same columns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Any

import msgspec
import pyarrow as pa

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import iso
from lockstep.columns.schema import Field


def wire_record(columns: Columns, row: int, fields: Iterable[Field]) -> dict[str, Any]:
    """One row as a record of JSON values: null where missing, times in ISO 8601."""
    return {field.name: _wire_values(columns[field.name][[row]], field)[0] for field in fields}


def wire_records(columns: Columns, fields: Iterable[Field]) -> list[dict[str, Any]]:
    """All rows, each as `wire_record` gives it."""
    values = {field.name: _wire_values(columns[field.name], field) for field in fields}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def wire_text(records: dict[str, Any] | list[dict[str, Any]]) -> str:
    """A record, or an array of records, as JSON text.

    Each float is written in the shortest form that reads back as the same float.
    """
    return msgspec.json.encode(records).decode()


def wire_table(columns: Columns, fields: Iterable[Field]) -> pa.Table:
    """The fields of rows as a table, each column of the type that it has in a file."""
    arrays = {}
    for field in fields:
        cells = columns[field.name]
        if field.declared == "datetime":
            arrays[field.name] = pa.array(cells).cast(pa.timestamp("us", tz="UTC"))
        else:
            values = _wire_values(cells, field)
            arrays[field.name] = pa.array(values, type=_TYPES[field.declared])
    return pa.table(arrays)


_TYPES = {
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "str": pa.string(),
}


def _wire_values(cells: Array, field: Field) -> list[Any]:
    if cells.dtype.kind == "M":
        times = cells.astype("datetime64[us]").tolist()
        return [None if time is None else iso(time.replace(tzinfo=UTC)) for time in times]
    values = [None if value is None or value != value else value for value in cells.tolist()]
    if cells.dtype.kind == "f" and field.declared in ("int", "bool"):
        declared = int if field.declared == "int" else bool
        return [
            declared(value) if value is not None and value.is_integer() else value
            for value in values
        ]
    return values
