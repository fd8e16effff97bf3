"""Rows of tables in files: those that some records may be looked up in, without the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lockstep.columns.asof.lookup_nodes import FromTable
from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.asof.table_types import TableSchema
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import from_arrow, take_rows, to_arrow

if TYPE_CHECKING:
    from lockstep.columns.pipeline import Pipeline

_KNOWN = "(known)"
"""Name of the column of known times: no field can have it."""
_DECLARATION = "declaration"


def rows_of_keys(pipeline: Pipeline, columns: Columns) -> dict[str, TableRows]:
    """All rows of the keys for which look-ups and windows ask, by table.

    Args:
        pipeline: The pipeline, with its tables.
        columns: The columns of some records, with the inputs of its look-ups and windows.
    """
    asked: dict[str, set[int]] = {}
    tables: dict[str, TableRows] = {}
    for node in pipeline.graph.columns.values():
        if isinstance(node, FromTable):
            rows: TableRows = pipeline.bound[node.name].rows  # type: ignore[attr-defined]
            tables[node.table.name] = rows
            groups = rows.index.groups_of(node.asked(columns)[0])
            asked.setdefault(node.table.name, set()).update(groups[groups >= 0].tolist())
    return {name: _of_groups(tables[name], groups) for name, groups in asked.items()}


def write_rows(directory: Path, tables: Mapping[str, TableRows]) -> None:
    """Write the rows of tables into a directory, a file each."""
    from pyarrow import parquet

    for name, rows in tables.items():
        directory.mkdir(parents=True, exist_ok=True)
        table = to_arrow({**rows.columns, _KNOWN: rows.known.view(Kind.TIME.dtype)})
        facts = {"declaration": rows.schema.to_json(), "version": rows.version}
        table = table.replace_schema_metadata({_DECLARATION: json.dumps(facts)})
        parquet.write_table(table, directory / f"{name}.parquet")


def read_rows(directory: Path) -> dict[str, TableRows]:
    """Read what `write_rows` wrote; nothing where there is no directory."""
    return {path.stem: _read(path) for path in sorted(directory.glob("*.parquet"))}


def _read(path: Path) -> TableRows:
    from pyarrow import parquet

    table = parquet.ParquetFile(path).read()
    facts = json.loads(table.schema.metadata[_DECLARATION.encode()])
    schema = TableSchema.from_json(facts["declaration"])
    columns = from_arrow(table, {**schema.schema.kinds, _KNOWN: Kind.TIME})
    known = columns.pop(_KNOWN)
    return TableRows.of(schema, columns, known, version=facts["version"])


def _of_groups(rows: TableRows, groups: set[int]) -> TableRows:
    places = rows.places(np.array(sorted(groups), dtype=np.int64))
    known = rows.known[places].view(Kind.TIME.dtype)
    return TableRows.of(rows.schema, take_rows(rows.columns, places), known, version=rows.version)
