"""Traces: every column of the rows that were answered, and where each comes from."""

from __future__ import annotations

from typing import Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import plain
from lockstep.columns.predictors import ReferencePredictor
from lockstep.errors import FunctionError
from lockstep.serving.versions.request_scorer import Answer, Scorer


def trace_of(scorer: Scorer, answer: Answer) -> dict[str, Any]:
    """Every column of the rows of an answer that a version gave.

    What was computed for the answer is told as it is. The columns that no output needs are
    computed by the same predictors.

    Args:
        scorer: The version.
        answer: Its answer.

    Returns:
        The version and its columns as they are described, each with its values, one a scored row.
        A model has also what its estimator was given.
    """
    pipeline = scorer.pipeline
    found, failed = _computed(pipeline, answer.own) if answer.rows else ({}, {})
    columns = []
    for told in described(scorer):
        name = told["column"]
        if name in failed:
            told["failed"] = failed[name]
        else:
            told["values"] = _values(found[name]) if answer.rows else []
            told.update(_inside(scorer, name, found) if answer.rows else {})
        columns.append(told)
    return {"version": answer.version, "columns": columns}


def described(scorer: Scorer) -> list[dict[str, Any]]:
    """The columns of a version that need no outcome, in graph order.

    Returns:
        Of each its name, role, depth, inputs, documentation and, where they are known, the file
        and line of its function; its exactness; and, of a model, what computes it.
    """
    return [_described(scorer, name) for name in scorer.pipeline.graph.served]


def _described(scorer: Scorer, name: str) -> dict[str, Any]:
    graph = scorer.pipeline.graph
    node = graph.node(name)
    assert node is not None, "every column has a node that gives it"
    return {
        "column": name,
        "role": node.role,
        "depth": graph.depths[name],
        "inputs": list(node.inputs),
        "doc": node.doc,
        "source": node.location or None,
        "ulps": graph.ulps(name),
        **_model(scorer, node.name),
    }


def _model(scorer: Scorer, name: str) -> dict[str, Any]:
    """What a model is made of and what computes it; nothing of any other node."""
    estimator = scorer.loaded.pipeline.models_.get(name)
    if estimator is None:
        return {}
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    return {
        "predictor": "compiled" if name in scorer.compiled.models else "reference",
        "steps": [type(step).__name__ for step in steps],
    }


def _computed(pipeline: Pipeline, own: Columns) -> tuple[Columns, dict[str, str]]:
    """All columns of some rows, and by column that cannot be computed: why."""
    graph = pipeline.graph
    found, failed = own, dict[str, str]()
    for name in graph.served:
        node = graph.node(name)
        lacking = next((one for one in graph.inputs(name) if one in failed), None)
        if lacking is not None:
            failed[name] = f"{lacking} cannot be computed"
            continue
        try:
            found = pipeline.evaluate(found, (name,))
        except FunctionError:
            failed[name] = f"{node.title if node is not None else name} fails"
    return found, failed


def _inside(scorer: Scorer, name: str, found: Columns) -> dict[str, Any]:
    """What a model's estimator was given; nothing of any other column."""
    node = scorer.pipeline.graph.nodes.get(name)
    inside = node.inside(found, scorer.pipeline.bound) if node is not None else None
    if inside is None:
        return {}
    reference = scorer.loaded.pipeline.bound.get(name)
    names = reference.matrix_names() if isinstance(reference, ReferencePredictor) else None
    return {"matrix": {"columns": names, "rows": [_values(row) for row in inside]}}


def _values(array: Array) -> list[Any]:
    """Values as JSON has them, infinities as texts; NaN and NaT are null."""
    return [plain(value) for value in array]
