"""Judgements: what a check found, before Dagster is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg

from transforms import LockstepError

Severity = Literal["ERROR", "WARN"]

_MOST_ROWS = 50
"""Rows shown in a table: Dagster's event log keeps them forever and shows them to everybody."""


@dataclass(frozen=True)
class Judgement:
    """What a check found.

    Attributes:
        passed: Whether all is well.
        summary: What was found, in a line for someone who has never seen the project.
        severity: How bad a failure is; an ERROR of a blocking check keeps rows unpublished.
        column: The column that it names, if it names one.
        numbers: Figures, which Dagster plots over time.
        table: Details, a row each; all rows have the same keys.
        notes: Longer texts (Markdown) by title, such as a reproducer.
    """

    passed: bool
    summary: str
    severity: Severity = "ERROR"
    column: str | None = None
    numbers: Mapping[str, float | int] = field(default_factory=dict)
    table: Sequence[Mapping[str, Any]] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_error(self) -> bool:
        """Whether it failed badly enough to block."""
        return not self.passed and self.severity == "ERROR"

    def result(self, name: str) -> dg.AssetCheckResult:
        """As Dagster records it."""
        metadata: dict[str, Any] = {
            title: value for title, value in self.numbers.items() if math.isfinite(value)
        }
        if self.column is not None:
            metadata["column"] = self.column
        if self.table:
            metadata["details"] = table_metadata(self.table)
        metadata |= {title: dg.MetadataValue.md(text) for title, text in self.notes.items()}
        return dg.AssetCheckResult(
            check_name=name,
            passed=self.passed,
            severity=dg.AssetCheckSeverity[self.severity],
            description=self.summary,
            metadata=metadata,
        )


def results(judgements: Mapping[str, Judgement]) -> list[dg.AssetCheckResult]:
    """Judgements by check, as Dagster records them."""
    return [judgement.result(name) for name, judgement in judgements.items()]


def judge(check: Callable[[], Judgement]) -> Judgement:
    """The check's judgement; a failed one that tells the error where the check itself breaks.

    Dagster records no evaluation of a check that raises, which would look like a check that
    never ran; so a broken check is recorded as a failure of the check, with its error.
    """
    try:
        return check()
    except LockstepError as error:
        return Judgement(False, f"The check could not be carried out: {error}")
    except Exception as error:  # noqa: BLE001 - recorded as a failure, with its cause
        return Judgement(
            False,
            f"The check itself broke: {type(error).__name__}: {error}",
            notes=_traceback(error),
        )


def _traceback(error: Exception) -> dict[str, str]:
    from traceback import format_exception

    return {"traceback": "```\n" + "".join(format_exception(error))[-4000:] + "\n```"}


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
