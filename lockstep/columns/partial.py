"""Partial rows: what can be computed of a row on which a function fails."""

from __future__ import annotations

from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import FunctionError


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
