"""Replay: golden records, decoded anew and computed again; and stored columns, computed again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from pyarrow import csv, parquet

from lockstep.columns.decode import Decoded, decode
from lockstep.columns.files import decode_file, decode_json
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.plain import counted, verb
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import to_frame
from lockstep.errors import FunctionError, InputError
from lockstep.parity.comparison import Comparison, ParityReport, compare
from lockstep.parity.divergence import Divergence, failing, raising
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.lookup_cases import replay_cases
from lockstep.parity.scales import Scales
from lockstep.parity.wire import wire_records, wire_table, wire_text

ALONE = 8
"""Records that are also computed one at a time."""


def replay(
    pipeline: Pipeline, golden: GoldenRecords, *, version: int | None = None, alone: int = ALONE
) -> ParityReport:
    """Decode golden records anew from JSON text, compute all columns, and compare them.

    They are computed in one batch and, some of them, one at a time. All columns and matrices of the
    golden trace are compared. The report is not ok if a record is refused or the pipeline lacks a
    column. Look-ups and windows read the rows of tables that the records carry, and are asked what
    was made up for them, too.

    Args:
        version: The version whose models the pipeline has, for a reproducer to load.
        alone: Records to compute one at a time: one row by scikit-learn takes 20 ms.
    """
    cases = replay_cases(pipeline.graph, golden.cases)
    return ParityReport((*_from_json(pipeline, golden, version, alone), *cases))


def wire_formats(
    pipeline: Pipeline, golden: GoldenRecords, *, version: int | None = None
) -> ParityReport:
    """Decode golden records from every form that data comes in, and compare as `replay` does.

    The forms are JSON text (in one batch and one at a time), files of JSON lines, CSV and Parquet,
    and a DataFrame.

    Args:
        version: The version whose models the pipeline has, for a reproducer to load.
    """
    schema, fields = _asked(pipeline, golden)
    frame = to_frame({field.name: golden.records[field.name] for field in fields})
    with tempfile.TemporaryDirectory() as directory:
        files = _write_files(Path(directory), golden, fields)
        return ParityReport(
            (
                *_from_json(pipeline, golden, version),
                *(
                    _compared(
                        pipeline,
                        golden,
                        version,
                        f"from {name}",
                        partial(_decode_file, file, schema),
                    )
                    for name, file in files.items()
                ),
                _compared(
                    pipeline, golden, version, "from a DataFrame", lambda: [decode(frame, schema)]
                ),
            )
        )


def _from_json(
    pipeline: Pipeline, golden: GoldenRecords, version: int | None, alone: int = ALONE
) -> Iterator[Comparison]:
    schema, fields = _asked(pipeline, golden)
    records = wire_records(golden.records, fields)
    batch = wire_text(records)
    yield _compared(pipeline, golden, version, "in one batch", lambda: [decode_json(batch, schema)])
    if not alone:
        return
    rows = np.unique(np.linspace(0, max(len(records) - 1, 0), alone).astype(np.int64))
    some = replace(golden, trace=golden.trace.take(rows[: len(records)]))
    parts = [wire_text(records[row]) for row in rows[: len(records)]]
    yield _compared(
        pipeline,
        some,
        version,
        "one at a time",
        lambda: [decode_json(text, schema) for text in parts],
    )


def _compared(
    pipeline: Pipeline,
    golden: GoldenRecords,
    version: int | None,
    setting: str,
    decode_parts: Callable[[], Sequence[Decoded]],
) -> Comparison:
    """Compute parts one by one, and compare all with the golden trace."""
    expected, pipeline = golden.trace, golden.bind(pipeline)
    try:
        parts = decode_parts()
        traces = [
            pipeline.trace(
                part.columns,
                labels=_has_outcome(pipeline, golden),
                matrices=bool(expected.matrices),
            )
            for part in parts
            if len(part.rows)
        ]
    except InputError as error:
        return Comparison(setting=setting, failure=str(error))
    except FunctionError as error:
        return Comparison(setting=setting, first=raising(pipeline.graph, error))
    actual = Trace.joined(traces) if traces else expected.take([])
    comparison = compare(
        expected,
        actual,
        pipeline.graph,
        scales=golden.scales,
        columns=expected.columns,
        version=version,
    )
    refused = [row for part in parts for row in part.rejected]
    are = verb(len(refused), "is", "are")
    failure = f"{counted(len(refused), 'record')} {are} refused: {refused[0]}" if refused else None
    return replace(comparison, setting=setting, failure=failure)


def _has_outcome(pipeline: Pipeline, golden: GoldenRecords) -> bool:
    return set(pipeline.joint_schema.names) <= set(golden.records)


def _asked(pipeline: Pipeline, golden: GoldenRecords) -> tuple[Schema, list[Field]]:
    """The schema to decode with, and its fields that the records have."""
    has_outcome = _has_outcome(pipeline, golden)
    schema = pipeline.joint_schema if has_outcome else pipeline.record_schema
    return schema, [field for field in schema if field.name in golden.records]


def _write_files(directory: Path, golden: GoldenRecords, fields: list[Field]) -> dict[str, Path]:
    """The records as files, by the name of their form."""
    files = {
        "JSON lines": directory / "golden.jsonl",
        "CSV": directory / "golden.csv",
        "Parquet": directory / "golden.parquet",
    }
    lines = map(wire_text, wire_records(golden.records, fields))
    files["JSON lines"].write_text("\n".join(lines), encoding="utf-8")
    table = wire_table(golden.records, fields)
    csv.write_csv(table, files["CSV"])
    parquet.write_table(table, files["Parquet"])
    return files


def _decode_file(file: Path, schema: Schema) -> list[Decoded]:
    return [decode_file(file, schema)]


def recompute(pipeline: Pipeline, stored: Columns) -> Comparison:
    """Compute features and labels of all stored rows anew, and compare them with the stored ones.

    Only columns that need no fitted model are compared. A column that only the stored rows or only
    the pipeline have differs.
    """
    graph = pipeline.graph
    wanted = (*graph.model_free, *graph.labels)
    fields = pipeline.joint_schema.names
    unlike = _unlike(graph, (*fields, *wanted), stored)
    first = min(unlike, key=lambda divergence: divergence.place, default=None)
    if first is not None:
        return Comparison(first=first)
    try:
        evaluated = pipeline.evaluate({name: stored[name] for name in fields}, wanted)
    except FunctionError as error:
        return Comparison(first=raising(graph, error))
    keys = stored[pipeline.key]
    expected = Trace(keys, stored, {})
    computed = Trace(keys, {name: evaluated[name] for name in (*fields, *wanted)}, {})
    return compare(expected, computed, graph, scales=Scales.of(expected), columns=wanted)


def _unlike(graph: Graph, names: tuple[str, ...], stored: Columns) -> Iterator[Divergence]:
    """Columns that only one side has, and fields that are stored as something else."""
    for name in names:
        if name not in stored:
            yield failing(graph, name, "is not among the stored columns")
        elif name in graph.fields and stored[name].dtype != graph.kind(name).dtype:
            held, declared = stored[name].dtype, graph.kind(name).dtype
            yield failing(graph, name, f"is stored as {held}, and declared as {declared} now")
    for name in stored:
        if name not in names:
            yield failing(graph, name, "is among the stored columns, and computed by no function")
