"""Rows that are set aside: each with its reasons and its values as they came."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lockstep.columns.decode import Reason, Rejected
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import plain, python_value
from lockstep.columns.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa


def set_aside(
    columns: Columns,
    reasons: Mapping[int, tuple[Reason, ...]],
    schema: Schema,
    origins: Array | None = None,
) -> tuple[Rejected, ...]:
    """Return the rows to set aside, with their values and reasons.

    Args:
        columns: All rows.
        reasons: Why a row is set aside, by its position.
        schema: The fields to keep, their key among them.
        origins: The position of each row in the input; its position here by default.
    """
    return tuple(
        Rejected(
            row=position if origins is None else int(origins[position]),
            key=str(columns[schema.key or ""][position]),
            reasons=why,
            record={name: python_value(columns[name][position]) for name in schema.names},
        )
        for position, why in reasons.items()
    )


def record_digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of the values of a row that was set aside, as kept or as they come."""
    text = json.dumps(plain(record), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def quarantine_table(
    quarantined: Iterable[Rejected], duplicates: Iterable[Rejected] = ()
) -> pa.Table:
    """Return a table of rows that were set aside, with their reasons and original values.

    Args:
        quarantined: Rows that are wrong.
        duplicates: Rows whose key an earlier row has.
    """
    import pyarrow as pa

    rows = [
        *(("quarantined", row) for row in quarantined),
        *(("duplicate", row) for row in duplicates),
    ]
    return pa.table(
        {
            "fate": pa.array([fate for fate, _ in rows], pa.string()),
            "row": pa.array([row.row for _, row in rows], pa.int64()),
            "key": pa.array([row.key for _, row in rows], pa.string()),
            "columns": pa.array(
                [[reason.column for reason in row.reasons if reason.column] for _, row in rows],
                pa.list_(pa.string()),
            ),
            "reasons": pa.array(["; ".join(map(str, row.reasons)) for _, row in rows], pa.string()),
            "record": pa.array([json.dumps(plain(row.record)) for _, row in rows], pa.string()),
        }
    )
