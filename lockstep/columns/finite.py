"""Finite numbers: the column from which a missing or infinite value came that fails a model."""

from __future__ import annotations

import re

import numpy as np

from lockstep.columns.kinds import Columns
from lockstep.columns.plain import show
from lockstep.columns.structure import Structure
from lockstep.errors import FunctionError

_SAYS_SO = re.compile(r"\bnan\b|finit|missing", re.IGNORECASE)
"""Errors of estimators about numbers that are not finite: scikit-learn's "Input X contains NaN."
and "contains infinity or a value too large" (`sklearn.utils.validation`), and others like them."""


def traced_to_origin(graph: Structure, columns: Columns, error: FunctionError) -> FunctionError:
    """The error with the origin of a missing or infinite value, if a model failed on one.

    The same error where it has another reason. `columns` have all inputs of the column at fault.
    """
    origin = origin_of(graph, columns, error.column, error.__cause__)
    if origin is None:
        return error
    column, said = origin
    return FunctionError(error.column, f"{said}: {error}", origin=column)


def origin_of(
    graph: Structure, columns: Columns, name: str, cause: BaseException | None
) -> tuple[str, str] | None:
    """The origin of the missing or infinite value on which a model failed; None otherwise.

    That is a column, and in a sentence its value in the first such row and the inputs of that. With
    one row, such a value is blamed whatever the error says. With many, some of which may lack
    values that the model takes, it is blamed only if the error says so.
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
        f"{source} {show(columns[source][row])}" for source in first.inputs if source in columns
    )
    words = f"{first.title} is {show(values[row])}{f', of {given}' if given else ''}"
    if count > 1:
        key = graph.record.key or ""
        at = f", first at key {columns[key][row]}" if key in columns else ""
        words += f", in {len(rows):,} of {count:,} rows{at}"
    return column, words


def not_finite(graph: Structure, columns: Columns, name: str) -> str | None:
    """The first column, in graph order, from which another gets a missing or infinite value.

    None if all its inputs are finite; only the given columns are blamed. A missing value that a
    feature replaces on the way does not count. Infinite values come before missing ones, and fields
    that are direct inputs last: transformers may replace their values.
    """
    culprits: set[str] = set()
    reached = [name]
    while reached:
        inputs = set(graph.inputs(reached.pop())) - culprits
        new = [column for column in inputs if not _is_finite(columns, column)]
        culprits.update(new)
        reached += new
    infinite = {column for column in culprits if np.isinf(columns[column]).any()}
    computed = culprits - {column for column in graph.inputs(name) if column in graph.fields}
    blamed = infinite or computed or culprits
    return next((column for column in graph.order if column in blamed), None)


def _is_finite(columns: Columns, name: str) -> bool:
    array = columns.get(name)
    return array is None or array.dtype.kind != "f" or bool(np.isfinite(array).all())
