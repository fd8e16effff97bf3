"""Rows of tables in files: those that some records may be looked up in, without the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lockstep.columns.kinds import Columns, Ints, Kind
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import WITHDRAWN, from_arrow, to_arrow
from lockstep.tables.readers import readers_of
from lockstep.tables.rows import TableRows

if TYPE_CHECKING:
    from lockstep.columns.pipeline import Pipeline

_KNOWN = "(known)"
"""Name of the column of known times: no field can have it."""
_DECLARATION = "declaration"


def rows_around(pipeline: Pipeline, columns: Columns) -> dict[str, TableRows]:
    """By table, the rows that look-ups and windows read for some records, and a few beside."""
    tables: dict[str, TableRows] = {}
    depths: dict[str, Ints] = {}
    for read in readers_of(pipeline).values():
        rows, name = read.rows, read.node.table.name
        depth = depths.setdefault(name, np.zeros(len(rows) + 1, dtype=np.int64))
        first, stop = read.around(columns)
        np.add.at(depth, first, 1)
        np.subtract.at(depth, stop, 1)
        tables[name] = rows
    return {
        name: rows.taken(np.flatnonzero(np.cumsum(depths[name][:-1])))
        for name, rows in tables.items()
    }


def count_around(pipeline: Pipeline, columns: Columns) -> Ints:
    """The number of rows that `rows_around` takes for each of some records by itself."""
    counts = np.zeros(len(columns[pipeline.key]), dtype=np.int64)
    for read in readers_of(pipeline).values():
        first, stop = read.around(columns)
        counts += stop - first
    return counts


def write_rows(directory: Path, tables: Mapping[str, TableRows]) -> None:
    """Write the rows of tables into a directory, a file each."""
    from pyarrow import parquet

    for name, rows in tables.items():
        directory.mkdir(parents=True, exist_ok=True)
        table = to_arrow({**rows.columns, _KNOWN: rows.known.view(Kind.TIME.dtype)})
        if rows.withdrawn.any():
            table = table.append_column(WITHDRAWN, [rows.withdrawn])
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
    marks = {WITHDRAWN: Kind.BOOL} if WITHDRAWN in table.column_names else {}
    columns = from_arrow(table, {**schema.schema.kinds, _KNOWN: Kind.TIME, **marks})
    known = columns.pop(_KNOWN)
    return TableRows.of(schema, columns, known, version=facts["version"])
