"""No future: look-ups and windows read nothing that was not known when the record happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lockstep.columns.kinds import Columns, Times
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.plain import plain
from lockstep.columns.tables import is_missing, take_rows
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.scales import Scales
from lockstep.tables.found import NamedRow
from lockstep.tables.readers import Reader, readers_of

_NO_TIME = "its records have no event time"
_STATIC = "its table is static"


def without_future(pipeline: Pipeline, columns: Columns) -> tuple[Comparison, NamedRow | None]:
    """Compare what look-ups and windows read with what they read where the future is not there.

    All rows of tables that were not known at the event time of a record do not count for it.

    Returns:
        The comparison, and the row that was read too early by the first record that differs; None
        where all agree, or where none was.
    """
    time = pipeline.record_schema.event_time
    judged: list[Reader] = []
    skipped: dict[str, str] = {}
    for read in readers_of(pipeline).values():
        if time is None or read.node.table.static:
            skipped |= dict.fromkeys(read.node.gives, _STATIC if time is not None else _NO_TIME)
        else:
            judged.append(read)
    if time is None or not judged:
        return Comparison(skipped=skipped), None
    names = [name for read in judged for name in read.node.gives]
    inputs = [name for read in judged for name in read.node.inputs]
    wanted = dict.fromkeys((pipeline.key, time, *inputs, *names))
    rows = take_rows({name: columns[name] for name in wanted}, ~is_missing(columns[time]))
    expected = dict(rows)
    for read in judged:
        expected |= _left_out(read, rows, rows[time])
    compared = compare(
        Trace(rows[pipeline.key], expected, {}),
        Trace(rows[pipeline.key], rows, {}),
        pipeline.graph,
        scales=Scales(),
        columns=names,
    )
    found = replace(compared, setting="without what was not known yet", skipped=skipped)
    return found, _too_early(pipeline, judged, rows, found)


def _left_out(read: Reader, rows: Columns, at: Times) -> Columns:
    keys, as_of = read.node.asked(rows)
    return read.read(keys, as_of, known_by=at if as_of is None else np.minimum(as_of, at))


def _too_early(
    pipeline: Pipeline, judged: list[Reader], rows: Columns, found: Comparison
) -> NamedRow | None:
    first, time = found.first, pipeline.record_schema.event_time
    if first is None or not first.examples or time is None:
        return None
    read = next(read for read in judged if first.column in read.node.gives)
    row = rows[pipeline.key].tolist().index(first.examples[0].key)
    record = take_rows(rows, slice(row, row + 1))
    reads = read.found(record)
    early = reads.places[read.rows.known[reads.places] > record[time].view(np.int64)]
    if not len(early):
        return None
    named = reads.named(first.examples[0].key, "early", int(early[-1]))
    return replace(named, at=str(plain(record[time][0])))
