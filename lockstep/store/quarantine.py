"""Quarantine: rows that do not go on, each with its reasons and its delivered values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.columns.plain import plain
from lockstep.store.attempts import Attempt

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
        reasons: Why it was set aside, in a text.
        record: Its values as delivered.
    """

    key: str
    step: str
    fate: str
    reasons: str
    record: Mapping[str, Any]


def find_aside(attempt: Attempt, key: str) -> AsideRow | None:
    """Find the row of a key that an attempt set aside; None without one.

    Raises:
        DamagedError: A file of the attempt is not as written.
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
    """Find the row of a key that an attempt did not score, since a check blocks it.

    Args:
        attempt: The attempt.
        name: Name of the key's column.
        key: The key.

    Raises:
        DamagedError: A file of the attempt is not as written.
    """
    step, done = [*attempt.record.steps.items()][-1]
    if "batch.parquet" not in attempt.files or not done.blocked_by:
        return None
    reasons = "; ".join(f"{check}: {why}" for check, why in done.blocked_by.items())
    rows = (row for row in attempt.read("batch").to_pylist() if str(row[name]) == key)
    return next((AsideRow(key, step, "blocked", reasons, plain(row)) for row in rows), None)
