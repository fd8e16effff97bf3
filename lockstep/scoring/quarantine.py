"""Quarantine: rows that do not go on, each with its reasons and its values as they came."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.columns.decode import Reason, Rejected
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import plain, python_value
from lockstep.columns.schema import Schema
from lockstep.scoring.attempts import Attempt

if TYPE_CHECKING:
    import pyarrow as pa

_STEPS = ("batch", "scored")
"""The steps of scoring that set rows aside, in order."""


@dataclass(frozen=True)
class AsideRow:
    """A row that an attempt set aside.

    Attributes:
        key: Its key.
        step: The step that set it aside: `"batch"`, before it was computed, or `"scored"`.
        fate: `"quarantined"`; `"duplicate"` where an earlier row has its key; or `"blocked"` where
            a check blocked the whole partition.
        reasons: All that is held against it.
        record: Its values as they came.
    """

    key: str
    step: str
    fate: str
    reasons: str
    record: Mapping[str, Any]


def find_aside(attempt: Attempt, key: str) -> AsideRow | None:
    """The row of this key that an attempt set aside, if it set one aside.

    Raises:
        DamagedError: A file of the attempt is not what was written.
    """
    for step in _STEPS:
        name = f"{step}_quarantine"
        if f"{name}.parquet" not in attempt.files:
            continue
        for row in attempt.read(name).to_pylist():
            if row["key"] == key:
                return AsideRow(key, step, row["fate"], row["reasons"], json.loads(row["record"]))
    return None


def find_blocked(attempt: Attempt, name: str, key: str) -> AsideRow | None:
    """The row of this key that an attempt accepted and did not score, since a check blocks it.

    Args:
        attempt: The attempt.
        name: Name of the key's column.
        key: The key.

    Raises:
        DamagedError: A file of the attempt is not what was written.
    """
    step, done = [*attempt.record.steps.items()][-1]
    if "batch.parquet" not in attempt.files or not done.blocked_by:
        return None
    reasons = "; ".join(f"{check}: {why}" for check, why in done.blocked_by.items())
    rows = (row for row in attempt.read("batch").to_pylist() if str(row[name]) == key)
    return next((AsideRow(key, step, "blocked", reasons, plain(row)) for row in rows), None)


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
