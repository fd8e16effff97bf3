"""The reference of look-ups and windows: the rows of the keys, put in order anew.

It uses neither the order in which rows are held nor their index: the rows that have one of the keys
are picked by their values, and searched as a table of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Array, Columns, Kind, Times
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.tables import WITHDRAWN, stacked, take_rows
from lockstep.parity.comparison import ParityReport, compare
from lockstep.parity.scales import Scales
from lockstep.tables.readers import readers_of
from lockstep.tables.rows import TableRows


def compare_with_reference(pipeline: Pipeline, columns: Columns) -> ParityReport:
    """Compare what look-ups and windows read for some rows with what they read in a new order.

    Args:
        columns: The rows, with all columns of look-ups and windows as they were computed in
            company. They are read alone, too.
    """
    expected, alone = dict(columns), dict(columns)
    names: list[str] = []
    for read in readers_of(pipeline).values():
        expected |= _anew(read.node, read.rows, *read.node.asked(columns))
        rows = range(len(columns[pipeline.key]))
        alone |= stacked([read(take_rows(columns, slice(row, row + 1))) for row in rows])
        names += read.node.gives
    keys = columns[pipeline.key]
    scales = Scales.of(Trace(keys, {name: expected[name] for name in names}, {}))
    return ParityReport(
        tuple(
            compare(
                Trace(keys, expected, {}),
                Trace(keys, actual, {}),
                pipeline.graph,
                scales=scales,
                columns=names,
                setting=setting,
            )
            for setting, actual in {"in company": columns, "one at a time": alone}.items()
        )
    )


def _anew(node: FromTable, rows: TableRows, keys: Sequence[Array], as_of: Times | None) -> Columns:
    """What is read of the rows of some keys by themselves.

    A row that was recorded as known before its table says so is known when the table says.
    """
    schema = rows.schema
    is_wanted = np.ones(len(rows), dtype=np.bool_)
    for name, values in zip(schema.keys, keys, strict=True):
        array = rows.columns[name]
        is_wanted &= pd.Series(array, dtype=array.dtype).isin(values.tolist()).to_numpy()
    known: Times = rows.known.view(Kind.TIME.dtype)
    if schema.valid is not None and schema.known_after is not None:
        known = np.maximum(known, rows.columns[schema.valid] + np.timedelta64(schema.known_after))
    columns = take_rows({**rows.columns, WITHDRAWN: rows.withdrawn}, is_wanted)
    return node.reader(TableRows.of(schema, columns, known[is_wanted])).read(keys, as_of)
