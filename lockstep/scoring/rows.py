"""Rows: computed and kept where that is possible, and set aside with their reasons where not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lockstep.columns.aside import set_aside
from lockstep.columns.decode import Reason, Rejected
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import concat, take_rows
from lockstep.errors import FailingFunctionError, FunctionError
from lockstep.rules.parting import part
from lockstep.rules.row_rules import RowRules


@dataclass(frozen=True)
class ComputedRows:
    """Rows with all their columns, parted.

    Attributes:
        columns: All columns of every row that could be computed, in order.
        kept: Those of the rows that no row rule refuses.
        failing: Rows on which a function raises.
        broken: Rows that could be computed, and that a row rule refuses.
    """

    columns: Columns
    kept: Columns
    failing: tuple[Rejected, ...]
    broken: tuple[Rejected, ...]

    @property
    def aside(self) -> tuple[Rejected, ...]:
        """All rows that do not go on."""
        return (*self.failing, *self.broken)


def compute_rows(
    pipeline: Pipeline, columns: Columns, most: int, rules: Iterable[RowRules] = ()
) -> ComputedRows:
    """Compute all columns of rows, and part the rows by rules about these columns.

    Args:
        pipeline: A fitted pipeline.
        columns: The fields of the rows.
        most: On how many rows functions may fail.
        rules: What each computed row must keep to go on.

    Raises:
        FailingFunctionError: They fail on more.
        SuiteError: The rules ask something that the columns cannot answer.
    """
    computed, failing = evaluate_rows(pipeline, columns, most)
    origins = np.delete(np.arange(len(columns[pipeline.key])), [row.row for row in failing])
    parted = part(computed, rules)
    broken = set_aside(computed, parted.refused, pipeline.record_schema, origins)
    return ComputedRows(computed, parted.kept, failing, broken)


def evaluate_rows(
    pipeline: Pipeline, columns: Columns, most: int
) -> tuple[Columns, tuple[Rejected, ...]]:
    """Compute all columns of every row for which that is possible.

    Where a function raises, the rows are halved until the failing ones are found, or too many are.

    Args:
        pipeline: A fitted pipeline.
        columns: The fields of the rows.
        most: On how many rows functions may fail.

    Returns:
        All columns of the other rows, in order, and the failing rows.

    Raises:
        FailingFunctionError: They fail on more.
    """
    failed: dict[int, tuple[Reason, ...]] = {}
    parts = _parts(pipeline, columns, 0, failed, most)
    if len(parts) == 1:
        return parts[0], set_aside(columns, failed, pipeline.record_schema)
    graph = pipeline.graph
    found = concat(parts, {name: graph.kind(name) for name in graph.served})
    return found, set_aside(columns, failed, pipeline.record_schema)


def _parts(
    pipeline: Pipeline,
    columns: Columns,
    offset: int,
    failed: dict[int, tuple[Reason, ...]],
    most: int,
) -> list[Columns]:
    try:
        found = pipeline.evaluate(columns)
        return [{name: found[name] for name in pipeline.graph.served}]
    except FunctionError as error:
        count = len(columns[pipeline.key])
        if count == 0:
            raise
        if count == 1:
            reason = failed.setdefault(offset, (Reason.of_function(error),))[0]
            if len(failed) > most:
                raise FailingFunctionError(
                    reason.column, len(failed), offset + 1, reason.message, computed=error.column
                ) from error
            return []
        half = count // 2
        first = take_rows(columns, slice(half))
        second = take_rows(columns, slice(half, count))
        return _parts(pipeline, first, offset, failed, most) + _parts(
            pipeline, second, offset + half, failed, most
        )
