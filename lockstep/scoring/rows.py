"""Rows whose computation fails: found one by one, so that the others go on."""

from __future__ import annotations

from lockstep.columns.decode import Reason, Rejected
from lockstep.columns.errors import FunctionError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import python_value
from lockstep.columns.records import Schema
from lockstep.columns.rows import concat, take_rows

_MOST_FAILING = 0.05
"""Share of the rows above which a failing function is taken to be broken itself."""


def evaluate_rows(pipeline: Pipeline, columns: Columns) -> tuple[Columns, dict[int, Reason]]:
    """Compute all columns of every row for which that is possible.

    Where a function raises, the rows are halved until the failing ones are found.

    Args:
        pipeline: A fitted pipeline.
        columns: The fields of the rows.

    Returns:
        All columns of the other rows, in order, and the reason of each failing row.

    Raises:
        FunctionError: So many rows fail that the function itself is broken.
    """
    total = len(columns[pipeline.key])
    most = max(1, int(total * _MOST_FAILING))
    failed: dict[int, Reason] = {}
    parts = list(_parts(pipeline, columns, 0, failed, most))
    if len(parts) == 1:
        return parts[0], failed
    graph = pipeline.graph
    return concat(parts, {name: graph.kind(name) for name in graph.served}), failed


def rejected_rows(
    columns: Columns, failed: dict[int, Reason], schema: Schema
) -> tuple[Rejected, ...]:
    """The failing rows, with their values."""
    return tuple(
        Rejected(
            row=row,
            key=str(columns[schema.key or ""][row]),
            reasons=(reason,),
            record={name: python_value(columns[name][row]) for name in schema.names},
        )
        for row, reason in sorted(failed.items())
    )


def _parts(
    pipeline: Pipeline, columns: Columns, offset: int, failed: dict[int, Reason], most: int
) -> list[Columns]:
    try:
        found = pipeline.evaluate(columns)
        return [{name: found[name] for name in pipeline.graph.served}]
    except FunctionError as error:
        count = len(columns[pipeline.key])
        if count == 0:
            raise
        if count == 1:
            failed[offset] = Reason(error.column, "function", str(error))
            if len(failed) > most:
                raise
            return []
        half = count // 2
        first = take_rows(columns, slice(half))
        second = take_rows(columns, slice(half, count))
        return _parts(pipeline, first, offset, failed, most) + _parts(
            pipeline, second, offset + half, failed, most
        )
