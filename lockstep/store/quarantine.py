"""Quarantine: rows that do not go on, each with its reasons and its delivered values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.columns.aside import record_digest
from lockstep.columns.plain import PERSONAL, plain
from lockstep.columns.schema import Schema
from lockstep.store.attempts import Attempt

_STEPS = ("batch", "scored")
"""The steps of scoring that set rows aside, in order."""


@dataclass(frozen=True)
class AsideRow:
    """A row that an attempt set aside.

    Attributes:
        step: The step that set it aside: `"batch"`, before it was computed, or `"scored"`.
        fate: `"quarantined"`; `"duplicate"` where an earlier row has its key; or `"blocked"` where
            a check blocked the whole partition.
        record: Its values as delivered, without those that are personal.
        digest: SHA-256 of all its values as delivered; empty of a blocked one.
        row: Its position in the input, from 0, or among the accepted rows; None of a blocked one.
        acceptable: Whether it can be put back as it is; None where that was not kept.
    """

    key: str | None  # None where it cannot be read
    step: str
    fate: str
    reasons: str
    record: Mapping[str, Any]
    digest: str = ""
    row: int | None = None
    acceptable: bool | None = None


def all_aside(attempt: Attempt, schema: Schema) -> Iterator[AsideRow]:
    """The rows that an attempt set aside, in the order of its steps."""
    for step in _STEPS:
        name = f"{step}_quarantine"
        for part in attempt.parts(name) if f"{name}.parquet" in attempt.files else ():
            for row in part.to_pylist():
                record = json.loads(row["record"])
                why = row["key"], step, row["fate"], row["reasons"]
                yield AsideRow(
                    *why,
                    _shown(record, schema),
                    record_digest(record),
                    row["row"],
                    row.get("acceptable"),
                )


def _shown(record: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The values of a row that people may see; of a line that is no row, nothing is known."""
    hidden = {name for field in schema if field.personal for name in (field.name, field.alias)}
    hidden |= {"text"} if hidden and {*record} == {"line", "text"} else set()
    return {name: PERSONAL if name in hidden else value for name, value in record.items()}


def find_aside(attempt: Attempt, schema: Schema, key: str) -> AsideRow | None:
    """Find the row of a key that an attempt set aside, as `all_aside`; None without one."""
    return next((row for row in all_aside(attempt, schema) if row.key == key), None)


def find_blocked(attempt: Attempt, schema: Schema, key: str) -> AsideRow | None:
    """Find the row of a key that an attempt did not score, since a check blocks it."""
    step, done = [*attempt.record.steps.items()][-1]
    if "batch.parquet" not in attempt.files or not done.blocked_by:
        return None
    reasons = "; ".join(f"{check}: {why}" for check, why in done.blocked_by.items())
    parts = (part.to_pylist() for part in attempt.parts("batch"))
    rows = (row for part in parts for row in part if str(row[schema.key]) == key)
    found = (_shown(plain(row), schema) for row in rows)
    return next((AsideRow(key, step, "blocked", reasons, row) for row in found), None)
