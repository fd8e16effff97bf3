"""Checks as Dagster declares and records them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from numbers import Integral
from typing import Any
from warnings import catch_warnings, simplefilter

import dagster as dg

from lockstep.checks.messages import Message, Place, told_of
from lockstep.checks.results import CheckResult
from lockstep.checks.specs import Check

_MESSAGE = "message"
"""Metadata of a check that did not pass: what was found, where, and what to do."""
_MOST_ROWS = 50
"""Rows shown in a table: Dagster's event log keeps them forever and shows them to everybody."""


def specs(
    checks: Iterable[Check],
    asset: dg.AssetKey,
    partitions: dg.PartitionsDefinition[str] | None = None,
) -> list[dg.AssetCheckSpec]:
    """The checks as Dagster declares them on an asset."""
    place = Place(asset.to_user_string())
    with catch_warnings():
        # Partitioned checks are in preview; tests/upstream pins how they behave.
        simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=asset,
                description=f"{check.meaning}\n\n**When it fails:** {told_of(check.remedy, place)}",
                blocking=check.blocking,
                partitions_def=partitions,
            )
            for check in checks
        ]


def to_result(name: str, found: CheckResult, place: Place) -> dg.AssetCheckResult:
    """What a check found, as Dagster records it: of one that did not pass, the whole message."""
    metadata: dict[str, Any] = {
        title: _plain(value) for title, value in found.numbers.items() if math.isfinite(value)
    }
    if found.column is not None:
        metadata["column"] = found.column
    if found.table:
        metadata["details"] = table_metadata(found.table)
    if found.unjudged:
        lacking = [{"column": name, "lacking": why} for name, why in found.unjudged.items()]
        metadata["not judged"] = table_metadata(lacking)
    metadata |= {title: dg.MetadataValue.md(text) for title, text in found.notes.items()}
    message = None if found.passed else Message.of(name, found, place)
    if message is not None:
        metadata[_MESSAGE] = dg.MetadataValue.json(asdict(message))
    return dg.AssetCheckResult(
        check_name=name,
        passed=found.passed,
        severity=dg.AssetCheckSeverity[found.severity],
        description=found.summary if message is None else message.paragraphs,
        metadata=metadata,
    )


def message_of(metadata: Mapping[str, Any]) -> Message | None:
    """The message of a check that did not pass, from its metadata; None of one that passed."""
    told = metadata.get(_MESSAGE)
    return None if told is None else Message(**told.value)


def _plain(number: Any) -> float:
    """A number as one of Python's own: Dagster stores none of NumPy's, of floats either."""
    return int(number) if isinstance(number, Integral) else float(number)


def table_metadata(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """A table for Dagster's UI, cut to a bounded number of rows."""
    records = [dg.TableRecord({key: _cell(value) for key, value in row.items()}) for row in rows]
    columns = [dg.TableColumn(key, _type(rows, key)) for key in rows[0]]
    return dg.MetadataValue.table(records[:_MOST_ROWS], dg.TableSchema(columns))


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    return str(value)


def _type(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    types = {type(row[key]) for row in rows if row[key] is not None}
    if types in ({int}, {bool}):
        return types.pop().__name__
    return "float" if types and types <= {int, float} else "string"
