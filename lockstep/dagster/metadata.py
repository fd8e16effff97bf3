"""Metadata: schemas, lineage and links for Dagster's UI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import dagster as dg

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import show
from lockstep.columns.schema import Field, Schema
from lockstep.dagster.narrow import fitted
from lockstep.project.home import Home
from lockstep.registry.versions import version_page

_ROWS = 3
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


def computed_columns(
    pipeline: Pipeline, names: Iterable[str], upstream: dg.AssetKey, available: Iterable[str]
) -> dict[str, Any]:
    """The table schema of an asset, and the columns upstream that each column comes from."""
    names = tuple(names)
    return {
        **column_schema(pipeline, names),
        **column_lineage(pipeline.graph, names, upstream, available),
    }


def version_link(home: Home, name: str, version: int) -> dg.UrlMetadataValue | dg.TextMetadataValue:
    """The page of a version in MLflow's UI; where nobody serves it, how to."""
    if home.was_served or home.tracking_uri.is_http:
        return dg.MetadataValue.url(f"{home.addresses.mlflow}/{version_page(name, version)}")
    return dg.MetadataValue.text(f"{version}: `lockstep up` serves its page")


def first_rows(columns: Columns) -> list[dict[str, Any]]:
    """The first rows, a line a column: a page is too narrow for them side by side."""
    return fitted(
        [
            {"column": name, **{f"row {at}": show(value) for at, value in enumerate(array[:_ROWS])}}
            for name, array in columns.items()
        ]
    )
