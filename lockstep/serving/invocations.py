"""MLflow's protocol: `/invocations` as MLflow's own scoring server answers it."""

from __future__ import annotations

from typing import Any

import msgspec

from lockstep.columns.plain import iso
from lockstep.serving.bodies import (
    parse_json,
    records_of_columns,
    records_of_list,
    records_of_split,
)
from lockstep.serving.errors import RefusedRowsError, ServingError, UnreadableError
from lockstep.serving.scorer import Answer, Record

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
"""The fields of which a body has exactly one."""

_encode = msgspec.json.Encoder().encode


def records_of(body: bytes) -> list[Record]:
    """The records of a JSON body.

    Raises:
        UnreadableError: It is not what MLflow's protocol says.
    """
    value = parse_json(body)
    if not isinstance(value, dict):
        raise UnreadableError(f"The body is an object with exactly one of {', '.join(FORMATS)}.")
    given = [name for name in FORMATS if name in value]
    if len(given) != 1:
        raise UnreadableError(
            f"The body has exactly one of the fields {', '.join(FORMATS)}; this one has "
            f"{len(given)}."
        )
    other = value.keys() - {*given, "params"}
    if other:
        raise UnreadableError(
            f"Beside {given[0]} a body has `params` alone; this one has {len(other)} more."
        )
    if value.get("params"):
        raise UnreadableError("This model takes no params.")
    name = given[0]
    rows = value[name]
    if name == "dataframe_split":
        return records_of_split(rows)
    if isinstance(rows, dict) and name in ("instances", "inputs"):
        return records_of_columns(rows, name)
    return records_of_list(rows, name)


def predictions(answer: Answer) -> bytes:
    """The body of an answer."""
    found = {"predictions": rows_of(answer)}
    if answer.rejected:
        found["rejected"] = reasons(answer.rejected)
    return _encode(found)


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    """The scored rows as records of plain values; a missing number is null."""
    columns = {
        name: [iso(value) if value is not None else None for value in array.tolist()]
        if array.dtype.kind == "M"
        else array.tolist()
        for name, array in answer.columns.items()
    }
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def failure(error: ServingError) -> bytes:
    """The body of an error."""
    found: dict[str, Any] = {"error_code": error.code, "message": str(error)}
    if isinstance(error, RefusedRowsError):
        found["rows"] = reasons(error.rejected)
    return _encode(found)


def reasons(rejected: Any) -> list[dict[str, Any]]:
    """Every reason by row and column. The values themselves are not among them."""
    return [
        {
            "row": row.row,
            "reasons": [
                {"column": reason.column, "rule": reason.rule, "message": reason.message}
                for reason in row.reasons
            ],
        }
        for row in rejected
    ]
