"""What suites and parity found, as check results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lockstep.checks.results import CheckResult
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline

if TYPE_CHECKING:
    from lockstep.parity.comparison import Comparison
    from lockstep.parity.report import ParityReport


def check_suite(suite: Mapping[str, Any], columns: Columns, key: str) -> CheckResult:
    """Validate columns: a failed critical expectation is an error, a failed warning a warning."""
    from lockstep.suites.validation import validate

    result = validate(columns, suite, key=key)
    failed = result.failed("critical", "warning")
    return CheckResult(
        passed=not failed,
        summary="; ".join(finding.summary for finding in failed[:3]) or result.summary,
        severity="ERROR" if result.failed("critical") else "WARN",
        column=failed[0].column if failed else None,
        numbers={"failed": len(failed), "expectations": len(result.findings)},
        table=result.records(),
    )


def check_locality(pipeline: Pipeline, columns: Columns) -> CheckResult:
    """Whether every feature and label depends on its own row alone."""
    from lockstep.parity.locality import locality

    return check_comparison(locality(pipeline, columns), "in every composition of the batch")


def check_comparison(found: Comparison | ParityReport, how: str) -> CheckResult:
    """Whether a comparison found every column equal; the first divergent one is named.

    Args:
        found: The comparison.
        how: How the rows were computed again, to end a sentence that begins "All columns agree".
    """
    first = found.first
    notes = {}
    if first is not None and first.reproducer is not None:
        notes = {
            "one record": f"```json\n{first.reproducer.record}\n```",
            "a test that fails while the column differs": (
                f"```python\n{first.reproducer.test}\n```"
            ),
        }
    return CheckResult(
        passed=found.ok,
        summary=f"All {len(found.compared)} columns of {found.rows:,} rows agree, {how}."
        if found.ok
        else f"{found.summary} ({how}).",
        column=first.column if first is not None else None,
        numbers={
            "rows": found.rows,
            "columns": len(found.compared),
            "divergent": sum(not column.ok for column in found.compared),
        },
        table=_examples(found) or [_compared(column) for column in found.compared],
        notes=notes,
    )


def _examples(found: Comparison | ParityReport) -> list[dict[str, Any]]:
    if found.first is None:
        return []
    return [
        {
            "column": found.first.column,
            "key": str(example.key),
            "expected": str(example.expected),
            "actual": str(example.actual),
            "inputs": ", ".join(f"{name}={value}" for name, value in example.inputs.items()),
        }
        for example in found.first.examples
    ]


def _compared(column: Any) -> dict[str, Any]:
    return {
        "column": f"matrix of {column.column}" if column.is_matrix else column.column,
        "rows": column.rows,
        "allowed ulps": column.budget,
        "largest ulps": column.ulps,
    }
