"""Traces: every column of the answered rows, and where each comes from."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import plain
from lockstep.columns.predictors import ReferencePredictor
from lockstep.errors import FunctionError
from lockstep.serving.versions.request_scorer import Answer, Scorer


def trace_of(scorer: Scorer, answer: Answer) -> dict[str, Any]:
    """Every column of the rows of an answer, described, with its values by scored row.

    Columns that were computed for the answer are shown as they are. Those that no output needs are
    computed by the same predictors. A model also has the matrix that its estimator was given.
    """
    tables = nullcontext() if scorer.tables is None else scorer.tables.batch(answer.scored.tables)
    with tables:
        return _traced(scorer, answer)


def _traced(scorer: Scorer, answer: Answer) -> dict[str, Any]:
    computed, failed = _computed(scorer.pipeline, answer.own) if answer.rows else ({}, {})
    columns = []
    for column in described(scorer):
        name = column["column"]
        if name in failed:
            column["failed"] = failed[name]
        else:
            column["values"] = _values(computed[name]) if answer.rows else []
            column.update(_inside(scorer, name, computed) if answer.rows else {})
        columns.append(column)
    return {"version": answer.version, "columns": columns}


def described(scorer: Scorer) -> list[dict[str, Any]]:
    """The columns of a version that need no outcome, in graph order."""
    graph = scorer.pipeline.graph
    return [
        {
            "column": name,
            "role": node.role,
            "depth": graph.depths[name],
            "inputs": list(node.inputs),
            "doc": node.doc,
            "source": node.location or None,
            "ulps": graph.ulps(name),
            **_model(scorer, node.name),
        }
        for name in graph.served
        if (node := graph.node(name)) is not None
    ]


def _model(scorer: Scorer, name: str) -> dict[str, Any]:
    """The predictor and steps of a model; empty for any other node."""
    estimator = scorer.loaded.pipeline.models_.get(name)
    if estimator is None:
        return {}
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    return {
        "predictor": "compiled" if name in scorer.compiled.models else "reference",
        "steps": [type(step).__name__ for step in steps],
    }


def _computed(pipeline: Pipeline, own: Columns) -> tuple[Columns, dict[str, str]]:
    """All columns of rows, and why some cannot be computed."""
    graph = pipeline.graph
    columns, failed = own, dict[str, str]()
    for name in graph.served:
        node = graph.node(name)
        lacking = next((column for column in graph.inputs(name) if column in failed), None)
        if lacking is not None:
            failed[name] = f"{lacking} cannot be computed"
            continue
        try:
            columns = pipeline.evaluate(columns, (name,))
        except FunctionError:
            failed[name] = f"{node.title if node is not None else name} fails"
    return columns, failed


def _inside(scorer: Scorer, name: str, columns: Columns) -> dict[str, Any]:
    """The matrix that a model's estimator was given; empty for any other column."""
    node = scorer.pipeline.graph.nodes.get(name)
    inside = node.inside(columns, scorer.pipeline.bound) if node is not None else None
    if inside is None:
        return {}
    reference = scorer.loaded.pipeline.bound.get(name)
    names = reference.matrix_names() if isinstance(reference, ReferencePredictor) else None
    return {"matrix": {"columns": names, "rows": [_values(row) for row in inside]}}


def _values(array: Array) -> list[Any]:
    """Values as JSON has them, infinities as texts; NaN and NaT are null."""
    return [plain(value) for value in array]
