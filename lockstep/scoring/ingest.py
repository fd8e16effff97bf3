"""Ingest: what becomes of the rows of a source before anything is computed from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.checks.results import CheckResult
from lockstep.columns.decode import Decoded, Reason, Rejected
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import plain
from lockstep.columns.records import Schema
from lockstep.columns.tables import to_frame

if TYPE_CHECKING:
    import pyarrow as pa

    from lockstep.suites.results import SuiteResult


@dataclass(frozen=True)
class Ingested:
    """The rows of an input, parted.

    Attributes:
        schema: What the rows are declared to hold.
        columns: Accepted rows, each key once, in canonical form.
        refused: Rows that do not fit their declaration.
        broken: Rows that break a critical row rule.
        duplicates: Rows whose key an earlier row has.
        ignored: Columns of the input that are not declared.
        total: Number of rows in.
        result: What the input suite found in the rows that fit their declaration.
        max_quarantined: Largest share of rows that may be quarantined.
    """

    schema: Schema
    columns: Columns
    refused: tuple[Rejected, ...]
    broken: tuple[Rejected, ...]
    duplicates: tuple[Rejected, ...]
    ignored: tuple[str, ...]
    total: int
    result: SuiteResult
    max_quarantined: float

    @property
    def accepted(self) -> int:
        """Number of rows that go on."""
        return len(self.columns[self.schema.names[0]])

    @property
    def quarantined(self) -> int:
        """Number of rows set aside with reasons."""
        return len(self.refused) + len(self.broken)

    @cached_property
    def too_many_quarantined(self) -> bool:
        """Whether so many rows are set aside that the rest says little of the whole.

        A single one never is too many, unless it is the only row.
        """
        allowed = max(1.0, self.max_quarantined * self.total)
        return self.quarantined > allowed or self.quarantined == self.total > 0

    @property
    def counts(self) -> dict[str, int]:
        """The rows in, and what became of them."""
        return {
            "rows_in": self.total,
            "accepted": self.accepted,
            "quarantined": self.quarantined,
            "duplicates": len(self.duplicates),
        }


def ingest(
    data: Decoded, schema: Schema, suite: Mapping[str, Any], max_quarantined: float
) -> Ingested:
    """Part the decoded rows of an input: accepted, quarantined and duplicates.

    Args:
        data: The decoded input.
        schema: What the rows are declared to hold, their key among it.
        suite: What they must look like, as plain JSON.
        max_quarantined: Largest share of rows that may be quarantined.
    """
    from lockstep.rules.rules import compile_rules
    from lockstep.suites.validation import validate

    key = schema.key or ""
    result = validate(data.columns, suite, key=key)
    refusals = compile_rules(suite).apply(data.columns)
    broken = tuple(
        _rejected(data, row, refusals.reasons(row), schema, key)
        for row in np.flatnonzero(refusals.mask).tolist()
    )
    repeated = _repeated(data.columns[key], ~refusals.mask)
    duplicates = tuple(
        _rejected(
            data, row, (Reason(key, "duplicate", f"row {first} has this key already"),), schema, key
        )
        for row, first in repeated.items()
    )
    keep = ~refusals.mask
    keep[list(repeated)] = False
    return Ingested(
        schema=schema,
        columns={name: array[keep] for name, array in data.columns.items()},
        refused=data.rejected,
        broken=broken,
        duplicates=duplicates,
        ignored=data.ignored,
        total=data.total,
        result=result,
        max_quarantined=max_quarantined,
    )


def quarantine_table(ingested: Ingested) -> pa.Table:
    """The rows set aside and the duplicates, each with its reasons and its values as they came."""
    return set_aside_table(
        [
            *(("quarantined", row) for row in (*ingested.refused, *ingested.broken)),
            *(("duplicate", row) for row in ingested.duplicates),
        ]
    )


def set_aside_table(rows: Iterable[tuple[str, Rejected]]) -> pa.Table:
    """Rows that do not go on, as a table.

    Args:
        rows: For each, why it does not (`"quarantined"` or `"duplicate"`), and the row.
    """
    import pyarrow as pa

    found = list(rows)
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
            "record": pa.array([record_text(row.record) for _, row in found], pa.string()),
        }
    )


def record_text(record: dict[str, Any]) -> str:
    """A row's values as JSON, or as close to it as what came allows."""
    return json.dumps(plain(record))


def check_decoding(ingested: Ingested) -> CheckResult:
    """Whether every row fits its declaration and every column is declared."""
    problems = []
    if ingested.refused:
        columns = _columns_at_fault(ingested.refused)
        problems.append(
            f"{len(ingested.refused)} of {ingested.total} rows do not fit {ingested.schema.name} "
            f"({', '.join(columns)}) and are set aside, such as {ingested.refused[0]}"
        )
    if ingested.ignored:
        problems.append(
            f"columns that {ingested.schema.name} does not declare are ignored: "
            f"{', '.join(ingested.ignored)}; declare them or leave them out"
        )
    table = [
        {"row": row.row, "key": row.key, "column": reason.column, "reason": reason.message}
        for row in ingested.refused[:20]
        for reason in row.reasons
    ]
    return CheckResult(
        passed=not problems,
        summary="; ".join(problems)
        or f"All {ingested.total} rows fit {ingested.schema.name}, and no column is unknown.",
        severity="ERROR" if ingested.refused and ingested.too_many_quarantined else "WARN",
        column=next(iter(_columns_at_fault(ingested.refused)), next(iter(ingested.ignored), None)),
        numbers={"refused": len(ingested.refused)},
        table=table,
    )


def check_input_suite(ingested: Ingested) -> CheckResult:
    """Whether the rows meet the input suite, given that some were set aside for breaking it."""
    failed = [finding for finding in ingested.result.findings if not finding.success]
    blocking = [
        finding for finding in failed if finding.severity == "critical" and not finding.row_level
    ]
    broken = [finding for finding in failed if finding.severity == "critical" and finding.row_level]
    is_error = bool(blocking) or (bool(broken) and ingested.too_many_quarantined)
    worth_telling = [finding for finding in failed if finding.severity != "info"]
    summary = "; ".join(finding.summary for finding in (blocking or broken or worth_telling)[:3])
    if broken:
        summary += f". {len(ingested.broken)} of {ingested.total} rows are quarantined"
    if ingested.duplicates:
        summary += (
            f"{'; ' if summary else ''}{len(ingested.duplicates)} rows repeat the key of an "
            f"earlier row and are set aside, such as {ingested.duplicates[0]}"
        )
    first = next(iter((*blocking, *broken, *worth_telling)), None)
    return CheckResult(
        passed=not worth_telling and not ingested.duplicates,
        summary=summary
        or f"All {len(ingested.result.findings)} expectations hold for {ingested.total} rows.",
        severity="ERROR" if is_error else "WARN",
        column=first.column if first else (ingested.schema.key if ingested.duplicates else None),
        numbers={"quarantined": ingested.quarantined, "duplicates": len(ingested.duplicates)},
        table=ingested.result.records(),
    )


def _columns_at_fault(rows: tuple[Rejected, ...]) -> list[str]:
    return list(dict.fromkeys(reason.column for row in rows for reason in row.reasons))


def _rejected(
    data: Decoded, position: int, reasons: tuple[Reason, ...], schema: Schema, key: str
) -> Rejected:
    record = {name: data.columns[name][position] for name in schema.names}
    return Rejected(
        row=int(data.rows[position]),
        key=str(data.columns[key][position]),
        reasons=reasons,
        record=plain(record),
    )


def _repeated(keys: Array, among: Array) -> dict[int, int]:
    """Rows whose key an earlier row has, and that row; among the rows that count."""
    first: dict[Any, int] = {}
    repeated: dict[int, int] = {}
    for row in np.flatnonzero(among).tolist():
        earlier = first.setdefault(keys[row], row)
        if earlier != row:
            repeated[row] = earlier
    return repeated


def sample_rows(columns: Columns, count: int = 5) -> str:
    """The first rows as a Markdown table, for a look at what there is."""
    frame = to_frame({name: array[:count] for name, array in columns.items()})
    head = "| " + " | ".join(frame.columns) + " |\n|" + " --- |" * len(frame.columns)
    rows = ("| " + " | ".join(map(str, row)) + " |" for row in frame.itertuples(index=False))
    return "\n".join((head, *rows))
