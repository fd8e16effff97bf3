"""Finite numbers: where what is missing or infinite began, on which a model fails."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lockstep.columns.kinds import Columns
from lockstep.columns.plain import show
from lockstep.errors import FunctionError

if TYPE_CHECKING:
    from lockstep.columns.graph import Graph

_SAYS_SO = re.compile(r"\bnan\b|finit|missing", re.IGNORECASE)
"""What estimators say of numbers that are not finite: scikit-learn's "Input X contains NaN." and
"contains infinity or a value too large" (`sklearn.utils.validation`), and others in like words."""


@dataclass(frozen=True)
class NonFiniteOrigin:
    """The first column, in graph order, of which a model gets what is missing or infinite.

    Attributes:
        column: Its name.
        said: What it is, in the first row in which it is so, and what it was computed from.
    """

    column: str
    said: str


def traced_to_origin(graph: Graph, columns: Columns, error: FunctionError) -> FunctionError:
    """An error that tells where what is not finite began, if that is what a model failed on.

    Args:
        graph: The columns.
        columns: What is known of some rows: all that the column at fault is computed from.
        error: What evaluating them raised.

    Returns:
        Another error with the same cause; the same one where it has another reason.
    """
    origin = origin_of(graph, columns, error.column, error.__cause__)
    if origin is None:
        return error
    return FunctionError(error.column, f"{origin.said}: {error}", origin=origin.column)


def origin_of(
    graph: Graph, columns: Columns, name: str, cause: BaseException | None
) -> NonFiniteOrigin | None:
    """Where what is not finite began of which a model gets something, if it failed on that.

    Of one row it is taken to have failed on that whatever it says; of many, in which others may be
    missing that it takes, only if it says so.

    Args:
        graph: The columns.
        columns: What is known of some rows.
        name: A column that could not be computed.
        cause: What its estimator raised.
    """
    node = graph.node(name)
    count = len(next(iter(columns.values()), ()))
    if node is None or node.learns is None or not count:
        return None
    if count > 1 and not _SAYS_SO.search(str(cause)):
        return None
    column = not_finite(graph, columns, name)
    first = graph.node(column) if column is not None else None
    if column is None or first is None:
        return None
    values = columns[column]
    is_infinite = np.isinf(values)
    rows = np.flatnonzero(is_infinite if is_infinite.any() else np.isnan(values))
    row = rows[0]
    given = " and ".join(
        f"{one} {show(columns[one][row])}" for one in first.inputs if one in columns
    )
    said = f"{first.title} is {show(values[row])}{f', of {given}' if given else ''}"
    if count > 1:
        key = graph.record.key or ""
        at = f", first at key {columns[key][row]}" if key in columns else ""
        said += f", in {len(rows):,} of {count:,} rows{at}"
    return NonFiniteOrigin(column, said)


def not_finite(graph: Graph, columns: Columns, name: str) -> str | None:
    """The first column, in graph order, of which a column gets what is missing or infinite.

    Only what reaches that one counts: a missing value that a feature replaces does not. What is
    infinite comes before what is missing, and a field that is a model's own input last: its
    transformers may replace what is missing there.

    Args:
        graph: The columns.
        columns: Of some rows, what `name` is computed from; what is not among them is not blamed.
        name: The column.

    Returns:
        Its name; None if all inputs of the column are finite.
    """
    found: set[str] = set()
    reached = [name]
    while reached:
        inputs = graph.inputs(reached.pop())
        new = [one for one in inputs if one not in found and not _is_finite(columns, one)]
        found.update(new)
        reached += new
    infinite = {one for one in found if np.isinf(columns[one]).any()}
    computed = found - {one for one in graph.inputs(name) if one in graph.fields}
    blamed = infinite or computed or found
    return next((one for one in graph.order if one in blamed), None)


def _is_finite(columns: Columns, name: str) -> bool:
    array = columns.get(name)
    return array is None or array.dtype.kind != "f" or bool(np.isfinite(array).all())
