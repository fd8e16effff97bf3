"""What people read about a version in MLflow's UI: description, parameters and training set."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lockstep.artifacts.snapshot import Snapshot
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, cut
from lockstep.columns.schema import Field

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_LONGEST_VALUE = 500
"""Most characters of a parameter; MLflow allows 6,000, and nobody reads them."""
_MOST_PARAMETERS = 100
"""Most parameters of an estimator."""
_LONGEST_DESCRIPTION = 5000
"""Characters that fit into MLflow's tables."""


def about(snapshot: Snapshot) -> str:
    """The docstring of the pipeline's module."""
    text = ast.get_docstring(ast.parse(snapshot.modules[snapshot.module])) or ""
    return _whole_lines(text.splitlines()).rstrip()


def describe(
    pipeline: Pipeline, snapshot: Snapshot, rows: int, metrics: Mapping[str, float]
) -> str:
    """A version in Markdown: its quality, and every column with its type and meaning."""
    graph = pipeline.graph
    lines = [
        f"Fitted on {counted(rows, 'row')} with code `{snapshot.digest[:12]}`.",
        *_table(
            "Quality", ("metric", "value"), [(name, f"{metrics[name]:.6g}") for name in metrics]
        ),
    ]
    roles = {"Outputs": graph.outputs, "Models": graph.models, "Features": graph.features}
    for title, names in roles.items():
        columns = [
            (name, graph.kind(name).value, _first_line(node.doc))
            for name in names
            if (node := graph.node(name)) is not None
        ]
        lines += _table(title, ("column", "type", "meaning"), columns)
    fields = [
        (field.name, field.declared_name, _meaning(field)) for field in pipeline.record_schema
    ]
    lines += _table("Input", ("field", "type", "meaning"), fields)
    return _whole_lines(lines)


def parameters(pipeline: Pipeline, snapshot: Snapshot, rows: int) -> dict[str, str]:
    """The parameters by which MLflow compares runs: of estimators, rows, features, code."""
    values: dict[str, Any] = {
        "rows": rows,
        "code": snapshot.digest[:12],
        "features": ", ".join(pipeline.graph.features),
        "features.count": len(pipeline.graph.features),
    }
    for name in pipeline.graph.models:
        node = pipeline.graph.nodes[name]
        values[f"{name}.learns"] = node.learns
        values[f"{name}.uses"] = ", ".join(node.inputs)
        values |= dict(_estimator_parameters(name, pipeline.models_[name]))
    return {name: cut(str(value), _LONGEST_VALUE) for name, value in values.items()}


def dataset(pipeline: Pipeline, rows: int, digest: str) -> DatasetInput:
    """The training set as MLflow lists it; the digest identifies it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    columns = [
        {"name": field.name, "type": field.declared_name, "required": not field.optional}
        for field in pipeline.joint_schema
    ]
    return DatasetInput(
        Dataset(
            name=f"{pipeline.name} training set",
            digest=digest[:12],
            source_type="lockstep",
            source=json.dumps({"asset": f"{pipeline.name}/training_set"}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": rows}),
        ),
        [InputTag("mlflow.data.context", "training")],
    )


def _estimator_parameters(name: str, estimator: Any) -> Iterator[tuple[str, Any]]:
    """The plain values among an estimator's parameters and those of its steps."""
    yield f"{name}.estimator", type(estimator).__name__
    plain = {
        key: value
        for key, value in estimator.get_params(deep=True).items()
        if value is None or isinstance(value, bool | int | float | str)
    }
    for key in sorted(plain)[:_MOST_PARAMETERS]:
        yield f"{name}.{key}", plain[key]


def _meaning(field: Field) -> str:
    if field.role == "value":
        return field.doc
    return f"{field.role.replace('_', ' ')}; {field.doc}"


def _table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield from ("", f"**{title}**", "")
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _whole_lines(lines: Iterable[str]) -> str:
    """The first lines that fit into a description."""
    kept = ""
    for line in lines:
        if len(kept) + len(line) + 2 > _LONGEST_DESCRIPTION:
            return f"{kept}…"
        kept += f"{line}\n"
    return kept


def _first_line(doc: str) -> str:
    return doc.partition("\n")[0]
