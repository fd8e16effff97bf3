"""Records as they come in: texts and tables that decode to the very same columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from lockstep.columns.kinds import Columns
from lockstep.columns.plain import iso, python_value
from lockstep.columns.schema import Field


def wire_record(columns: Columns, row: int, fields: Iterable[Field]) -> dict[str, Any]:
    """One row as a record of JSON values: null where missing, times in ISO 8601.

    Args:
        columns: The rows.
        row: Position of the row.
        fields: What to take of it, as declared.
    """
    return {field.name: _wire_value(columns[field.name][row], field) for field in fields}


def wire_text(record: dict[str, Any]) -> str:
    """A record as JSON text.

    Python's `json` writes each float in the shortest form that reads back as the same float.
    """
    return json.dumps(record, ensure_ascii=False)


def wire_table(columns: Columns, fields: Iterable[Field]) -> pa.Table:
    """Rows as a table in which each column has the type that a file of such records would give it.

    Args:
        columns: The rows.
        fields: What to take of them, as declared.
    """
    arrays = {}
    for field in fields:
        cells = columns[field.name]
        if field.declared == "datetime":
            arrays[field.name] = pa.array(cells).cast(pa.timestamp("us", tz="UTC"))
        else:
            values = [_wire_value(cell, field) for cell in cells]
            arrays[field.name] = pa.array(values, type=_TYPES[field.declared])
    return pa.table(arrays)


_TYPES = {
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "str": pa.string(),
}


def _wire_value(cell: Any, field: Field) -> Any:
    value = python_value(cell)
    if value is None or value != value:
        return None
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, float) and value.is_integer() and field.declared in ("int", "bool"):
        return int(value) if field.declared == "int" else bool(value)
    return value
