"""Recomputation: stored columns, computed anew from the fields that are stored beside them."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.errors import FunctionError
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.divergence import Divergence, failing, raising
from lockstep.parity.scales import Scales


def recompute(pipeline: Pipeline, stored: Columns) -> Comparison:
    """Compute features and labels of all stored rows anew, and compare them with the stored ones.

    Only columns that need no fitted model are compared. A column that only the stored rows or only
    the pipeline have differs.

    Args:
        pipeline: The pipeline; it need not be fitted.
        stored: Fields, features and labels, as they were stored.
    """
    graph = pipeline.graph
    wanted = (*graph.model_free, *graph.labels)
    fields = pipeline.joint_schema.names
    unlike = _unlike(graph, (*fields, *wanted), stored)
    first = min(unlike, key=lambda divergence: divergence.place, default=None)
    if first is not None:
        return Comparison(first=first)
    try:
        evaluated = pipeline.evaluate({name: stored[name] for name in fields}, wanted)
    except FunctionError as error:
        return Comparison(first=raising(graph, error))
    keys = stored[pipeline.key]
    expected = Trace(keys, stored, {})
    computed = Trace(keys, {name: evaluated[name] for name in (*fields, *wanted)}, {})
    return compare(expected, computed, graph, scales=Scales.of(expected), columns=wanted)


def _unlike(graph: Graph, names: tuple[str, ...], stored: Columns) -> Iterator[Divergence]:
    """Columns that only one side has, and fields that are stored as something else."""
    for name in names:
        if name not in stored:
            yield failing(graph, name, "is not among the stored columns")
        elif name in graph.fields and stored[name].dtype != graph.kind(name).dtype:
            held, declared = stored[name].dtype, graph.kind(name).dtype
            yield failing(graph, name, f"is stored as {held}, and declared as {declared} now")
    for name in stored:
        if name not in names:
            yield failing(graph, name, "is among the stored columns, and computed by no function")
