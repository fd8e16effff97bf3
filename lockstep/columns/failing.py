"""The row at which a column's function raises, by its key and its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep.columns.kinds import Columns
from lockstep.columns.nodes import NOTHING, Bound
from lockstep.columns.plain import cut, listed, python_value, show
from lockstep.columns.tables import take_rows
from lockstep.errors import FunctionError

if TYPE_CHECKING:
    from lockstep.columns.graph import Graph

_LONGEST_KEY = 80
_MOST_VALUES = 5


def at_first_row(
    graph: Graph, columns: Columns, error: FunctionError, bound: Bound = NOTHING
) -> FunctionError:
    """The error with the first row that raises it; the same one if no row alone does."""
    rows = columns
    while (count := _count(rows)) > 1:
        halves = (take_rows(rows, slice(count // 2)), take_rows(rows, slice(count // 2, count)))
        failing = next((half for half in halves if _fails(graph, half, error.column, bound)), None)
        if failing is None:
            return error
        rows = failing
    return at_row(graph, rows, error, bound)


def at_row(
    graph: Graph, row: Columns, error: FunctionError, bound: Bound = NOTHING
) -> FunctionError:
    """The error with the key of a row, and the values that the function was given.

    It is a new one with the same cause; the same error where it tells values already, or no
    function raised it. `row` holds arrays of one element.
    """
    if error.origin is not None or error.__cause__ is None:
        return error
    inputs = graph.inputs(error.column)
    values = graph.evaluate(row, inputs, bound)
    given = listed((f"{name} {show(values[name][0])}" for name in inputs), _MOST_VALUES)
    key = graph.record.key
    at = f", at key {cut(str(python_value(row[key][0])), _LONGEST_KEY)}" if key in row else ""
    located = FunctionError(error.column, f"{error}{at}{f', of {given}' if given else ''}")
    located.__cause__ = error.__cause__
    return located


def _fails(graph: Graph, rows: Columns, column: str, bound: Bound) -> bool:
    try:
        graph.evaluate(rows, [column], bound)
    except FunctionError as error:
        return error.column == column
    return False


def _count(rows: Columns) -> int:
    return len(next(iter(rows.values())))
