"""Partial rows: what can be computed of a row on which a function fails, and where that began."""

from __future__ import annotations

import numpy as np

from lockstep.columns.errors import FunctionError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline


def computable(pipeline: Pipeline, columns: Columns) -> Columns:
    """Every column of some rows, in graph order, that can be computed of all of them.

    Args:
        pipeline: A fitted pipeline.
        columns: The fields of the rows.
    """
    found = dict(columns)
    for name in pipeline.graph.served:
        try:
            found = pipeline.evaluate(found, (name,))
        except FunctionError:  # of it, or of one that it is computed from
            continue
    return {name: found[name] for name in pipeline.graph.served if name in found}


def not_finite(pipeline: Pipeline, columns: Columns, name: str) -> str | None:
    """The first column, in graph order, of which a column gets what is missing or infinite.

    Only what reaches that one counts: a missing value that a feature replaces does not. What is
    infinite comes before what is missing, and a field that is a model's own input last: its
    transformers may replace what is missing there.

    Args:
        pipeline: A fitted pipeline.
        columns: The fields of a row, and all columns that `name` is computed from.
        name: The column.

    Returns:
        Its name; None if all inputs of the column are finite.
    """
    graph = pipeline.graph
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
    array = columns[name]
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())
