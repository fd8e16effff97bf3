"""Rows that are set aside: each with its reasons and its values as they came."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

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
    """Rows that do not go on, with their values and reasons.

    Args:
        columns: All rows.
        reasons: Why a row is set aside, by its position.
        schema: The fields to keep, their key among them.
        origins: Where in the input each row was, if not at its position.
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


def quarantine_table(
    quarantined: Iterable[Rejected], duplicates: Iterable[Rejected] = ()
) -> pa.Table:
    """Rows that do not go on as a table, each with its reasons and its values as they came.

    Args:
        quarantined: Rows that something is wrong with.
        duplicates: Rows whose key an earlier row has.
    """
    import pyarrow as pa

    found = [
        *(("quarantined", row) for row in quarantined),
        *(("duplicate", row) for row in duplicates),
    ]
    return pa.table(
        {
            "fate": pa.array([fate for fate, _ in found], pa.string()),
            "row": pa.array([row.row for _, row in found], pa.int64()),
            "key": pa.array([row.key for _, row in found], pa.string()),
            "columns": pa.array(
                [[reason.column for reason in row.reasons] for _, row in found],
                pa.list_(pa.string()),
            ),
            "reasons": pa.array(
                ["; ".join(map(str, row.reasons)) for _, row in found], pa.string()
            ),
            "record": pa.array([json.dumps(plain(row.record)) for _, row in found], pa.string()),
        }
    )
