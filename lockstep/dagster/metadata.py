"""Metadata: schemas, lineage and links for Dagster's UI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import dagster as dg

from lockstep.checks.markdown import code_block
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import to_frame
from lockstep.project.home import Home

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST_ROWS = 5
_TYPES = {
    Kind.FLOAT: "float64",
    Kind.INT: "int64",
    Kind.BOOL: "bool",
    Kind.TEXT: "string",
    Kind.TIME: "timestamp[us, UTC]",
}


def field_schema(schema: Schema) -> dict[str, Any]:
    """The table schema of an asset whose columns are fields."""
    columns = [dg.TableColumn(field.name, _TYPES[field.kind], _field(field)) for field in schema]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def _field(field: Field) -> str:
    return f"{field.doc} ({field.declared_name})" if field.doc else field.declared_name


def column_schema(pipeline: Pipeline, names: Iterable[str]) -> dict[str, Any]:
    """The table schema of an asset: type and description of each column."""
    columns = [
        dg.TableColumn(name, _TYPES[pipeline.graph.kind(name)], description(pipeline, name))
        for name in names
    ]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def description(pipeline: Pipeline, name: str) -> str:
    """The description of a column, from its declaration or its function."""
    if name in pipeline.joint_schema:
        return _field(pipeline.joint_schema[name])
    column = pipeline.graph.node(name)
    if column is None:
        return ""
    if column.learns is not None and column.name != name:
        return f"Probability of one class of {column.name}. {column.doc}"
    return column.doc


def column_lineage(
    graph: Graph, names: Iterable[str], upstream: dg.AssetKey, available: Iterable[str]
) -> dict[str, Any]:
    """The columns of the upstream asset that each column comes from."""
    known = set(available)
    dependencies = {}
    for name in names:
        sources = [name] if name in known else sorted(graph.lineage(name) & known)
        dependencies[name] = [dg.TableColumnDep(upstream, source) for source in sources]
    return {"dagster/column_lineage": dg.TableColumnLineage(dependencies)}


def version_link(home: Home, name: str, version: int) -> dg.UrlMetadataValue:
    """The page of a version in MLflow's UI."""
    return dg.MetadataValue.url(f"{home.addresses.mlflow}/#/models/{name}/versions/{version}")


def first_rows(columns: Columns) -> dg.MarkdownMetadataValue:
    """The first rows, a line a column: a page is too narrow for them side by side."""
    rows = to_frame({name: array[:_FIRST_ROWS] for name, array in columns.items()})
    return dg.MetadataValue.md(code_block(rows.T.to_string(header=False)))


def picture(figure: Figure) -> dg.MarkdownMetadataValue:
    """A plot as metadata: a small PNG inside Markdown."""
    from base64 import b64encode
    from io import BytesIO

    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=70)
    encoded = b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![plot](data:image/png;base64,{encoded})")
