"""Answers: outputs that were given before, compared with outputs of the same rows now."""

from __future__ import annotations

from collections.abc import Mapping

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.errors import FunctionError
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.divergence import raising
from lockstep.parity.scales import Scales


def replay_answers(
    pipeline: Pipeline,
    given: Trace,
    *,
    scales: Scales,
    redacted: Mapping[str, str],
    version: int | None = None,
    looked_up: Columns | None = None,
) -> tuple[Comparison | None, dict[str, str]]:
    """Compute outputs anew from the fields that they were computed from, and compare them.

    Args:
        redacted: By field or output whose value is no longer known: what became of it, to end a
            sentence. Outputs that depend on such a field are not compared.
        version: The version whose models the pipeline has, for a reproducer to load.
        looked_up: Columns of look-ups and windows, by the tables with which it was answered.

    Returns:
        The comparison of the outputs that could be compared, None if none could; and why not, by
        output that could not be.
    """
    graph = pipeline.graph
    unjudged = {
        name: why
        for name in graph.outputs
        if (why := _lacking(graph, name, redacted, given)) is not None
    }
    judged = tuple(name for name in graph.outputs if name not in unjudged)
    if not judged:
        return None, unjudged
    fields = {
        name: given.columns[name]
        for name in pipeline.record_schema.names
        if name in given.columns and name not in redacted
    }
    try:
        columns = pipeline.evaluate({**fields, **(looked_up or {})}, judged)
    except FunctionError as error:
        return Comparison(first=raising(graph, error)), unjudged
    computed = Trace(given.keys, {name: columns[name] for name in (*fields, *judged)}, {})
    compared = compare(given, computed, graph, scales=scales, columns=judged, version=version)
    return compared, unjudged


def _lacking(graph: Graph, name: str, redacted: Mapping[str, str], given: Trace) -> str | None:
    """Why an output cannot be computed anew and compared; None if it can."""
    if name in redacted:
        return f"it is {redacted[name]}"
    if name not in given.columns:
        return "it was not given"
    lineage = sorted(graph.lineage(name), key=graph.order.index)
    return next((f"{field} is {redacted[field]}" for field in lineage if field in redacted), None)
