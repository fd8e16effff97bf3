"""What people read about a version in MLflow's UI: its model card, parameters and training set."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from lockstep.artifacts.snapshot import Snapshot
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, cut
from lockstep.columns.schema import Field
from lockstep.columns.syntax import parse
from lockstep.registry.sites import user

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.entities import DatasetInput

_LONGEST_VALUE = 500
"""Most characters of a parameter; MLflow allows 6,000, and nobody reads them."""
_MOST_PARAMETERS = 100
"""Most parameters of an estimator."""
_LONGEST_DESCRIPTION = 5000
"""Characters that fit into MLflow's tables."""
_LONGEST_NAME = 250
"""Characters of a metric's name that fit there."""
TextTable: TypeAlias = Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Presentation:
    """What people see of a version in MLflow beside what it carries."""

    # Facts in a word, such as the window of time of the fit.
    tags: Mapping[str, str] = field(default_factory=dict)
    plots: Mapping[str, Figure] = field(default_factory=dict)  # by name
    # Further ones than those of its demands, by name (see `metric_name`).
    metrics: Mapping[str, float] = field(default_factory=dict)
    # Of its model card, by title: a head, and rows of cells in Markdown.
    tables: Mapping[str, TextTable] = field(default_factory=dict)
    limits: Sequence[str] = ()  # what it is not to be relied on for, in sentences


def metric_name(group: str, name: str) -> str:
    """A metric's name that MLflow takes; it plots the metrics of a group beside each other."""
    taken = [re.sub(r"[^\w. :-]", "_", part).strip(" .") or "_" for part in (group, name)]
    return "/".join(taken)[:_LONGEST_NAME].rstrip(" .")


def about(snapshot: Snapshot) -> str:
    """The docstring of the pipeline's module."""
    text = ast.get_docstring(parse(snapshot.modules[snapshot.module])) or ""
    return _whole_lines(text.splitlines()).rstrip()


def model_card(
    pipeline: Pipeline, snapshot: Snapshot, rows: int, shown: Presentation, links: Mapping[str, str]
) -> str:
    """A version in Markdown: what it predicts, how well, its limits, and every column.

    `links` has addresses of pages about it, by title.
    """
    graph, head = pipeline.graph, ("column", "type", "meaning")

    def described(names: Iterable[str]) -> TextTable:
        nodes = {name: node for name in names if (node := graph.node(name)) is not None}
        meanings = ((name, _first_line(node.doc)) for name, node in nodes.items())
        return [head, *((name, graph.kind(name).value, meaning) for name, meaning in meanings)]

    fields = [(f.name, f.declared_name, _meaning(f)) for f in pipeline.looked_up_schema]
    ends = [shown.tags[name] for name in ("trained_from", "trained_until") if name in shown.tags]
    window = f", from {' to '.join(ends)}" if ends else ""
    above = {"Outputs": described(graph.outputs), "Models": described(graph.models), **shown.tables}
    below = {"Features": described(graph.features), "Input": [("field", *head[1:]), *fields]}
    lines = [
        about(snapshot).partition("\n\n")[0],
        f"\nFitted on {counted(rows, 'row')}{window}, by {user()} with code "
        f"`{snapshot.digest[:12]}`.\n",
        " · ".join(f"[{title}]({address})" for title, address in links.items()),
        *chain.from_iterable(_table(*each) for each in above.items()),
        *("", "**Limits**", "", *(f"- {limit}" for limit in shown.limits)),
        *chain.from_iterable(_table(*each) for each in below.items()),
    ]
    return "\n".join(lines) + "\n"


def description(card: str) -> str:
    """As much of a model card as fits into MLflow's tables, in whole lines."""
    return _whole_lines(card.splitlines())


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
    """The steps of an estimator, and the plain parameters that are not as they are by default."""
    steps = (type(step).__name__ for _, step in getattr(estimator, "steps", [("", estimator)]))
    yield f"{name}.estimator", " → ".join(steps)
    parameters = estimator.get_params(deep=True)
    owners = {key: part for key, part in parameters.items() if hasattr(part, "get_params")}
    given = []
    for key, value in sorted(parameters.items()):
        owner, _, own = key.rpartition("__")
        accepted = inspect.signature(type(owners.get(owner, estimator))).parameters
        default = accepted[own].default if own in accepted else inspect.Parameter.empty
        is_plain = value is None or isinstance(value, bool | int | float | str)
        if is_plain and repr(value) != repr(default):
            given.append((f"{name}.{key}", value))
    yield from given[:_MOST_PARAMETERS]


def _meaning(field: Field) -> str:
    if field.role == "value":
        return field.doc
    return f"{field.role.replace('_', ' ')}; {field.doc}"


def _table(title: str, table: TextTable) -> Iterator[str]:
    """The lines of a table; none where it has a head alone."""
    if len(table) > 1:
        cells = [[cell.replace("|", "\\|") for cell in row] for row in table]
        cells.insert(1, ["---"] * len(table[0]))
        yield from ("", f"**{title}**", "", *("| " + " | ".join(row) + " |" for row in cells))


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
