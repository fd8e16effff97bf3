"""One record: what a look-up and a window take by themselves, and add to a request."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from benchmarks.lookups.request import PIPELINE
from benchmarks.lookups.tables import Landing, Weather
from lockstep import FunctionSource, PipelineAssets, TableAssets
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import from_arrow, take_rows
from lockstep.parity.wire import wire_record
from lockstep.serving.versions.request_scorer import Scorer
from lockstep.serving.versions.served_tables import ServedTables, VersionTables
from lockstep.store.ledgers import ledger_of
from lockstep.tables.readers import readers_of
from lockstep.tables.rows import TableRows
from lockstep.tables.windows import WindowReader
from tests.fixtures.versions import version_without_registry

DIFFERENT, ROUNDS = 2_000, 15
"""How many different records are gone through in a round, and how often."""
ROWS = (90, 110)
"""How many landings the windows of the records hold."""
_NODES = {"lookup": "weather", "window": "landings"}
_TABLES = {"lookup": "weather", "window": "landing"}
"""By what is measured, the node and its table."""


def one_record(folder: Path) -> dict[str, float]:
    """Microseconds of a look-up and of a window for one record, its columns included."""
    pipeline = bound(folder)
    columns = columns_of(folder, pipeline)
    rows = [take_rows(columns, slice(row, row + 1)) for row in range(DIFFERENT)]
    calls = {kind: pipeline.bound[node] for kind, node in _NODES.items()}
    return _medians({kind: (call, rows) for kind, call in calls.items()})


def added(folder: Path) -> dict[str, float]:
    """Microseconds that a look-up and a window add to a request of one record.

    A version that is served with its tables answers, and where one or both are not to be counted,
    their columns are given: nothing is searched for.
    """
    pipeline = bound(folder)
    columns = columns_of(folder, pipeline)
    schema = pipeline.record_schema
    requests = [[[wire_record(columns, row, schema)]] for row in range(DIFFERENT)]
    loaded = version(pipeline, columns, folder)
    root = folder / "rows"
    for table in readers_of(pipeline).values():
        rows = table.rows
        ledger_of(root, rows.schema).add(rows.columns, datetime.now(UTC))
    served = ServedTables(root).of(pipeline).tables
    first = take_rows(columns, slice(1))
    given = {node: pipeline.bound[node](first) for node in _NODES.values()}

    def scorer(counted: str | None) -> Scorer:
        read = {name: table for name, table in served.items() if name == _TABLES.get(counted or "")}
        tables = VersionTables(read) if read else None
        whole = Scorer.of(loaded, Compiled.of(pipeline), tables=tables)
        constant = {
            node: _giving(columns)
            for node, columns in given.items()
            if node != _NODES.get(counted or "")
        }
        of_request = whole.pipeline.bind(constant)
        return replace(whole, compiled=replace(whole.compiled, pipeline=of_request))

    kinds = (None, *_NODES)
    took = _medians({kind or "none": (scorer(kind).answer, requests) for kind in kinds})
    return {kind: round(took[kind] - took["none"], 2) for kind in _NODES}


def bound(folder: Path) -> Pipeline:
    """The pipeline with its tables."""
    files = {"weather": "weather.parquet", "landing": "landings.parquet"}
    tables = {}
    for name, schema in PIPELINE.tables.items():
        columns = from_arrow(parquet.read_table(folder / files[name]), schema.schema.kinds)
        tables[name] = TableRows.of(schema, columns)
    return PIPELINE.with_tables(tables)


def columns_of(folder: Path, pipeline: Pipeline) -> Columns:
    """Fields of departures whose aircraft landed about a hundred times in their window."""
    asked = parquet.read_table(folder / "asked.parquet").to_pandas()
    kinds = pipeline.record_schema.kinds
    found = {
        "flight_id": asked["row"].astype(str).to_numpy(dtype=object),
        "scheduled_at": asked["as_of"].dt.tz_localize(None).to_numpy(),
        "origin": asked["origin"].to_numpy(dtype=object),
        "tail": asked["tail"].astype(object).where(asked["tail"].notna(), None).to_numpy(),
        "sched_dep_time": np.full(len(asked), 1_230),
    }
    columns: Columns = {name: found[name].astype(kinds[name].dtype) for name in kinds}
    reader = pipeline.bound["landings"]
    assert isinstance(reader, WindowReader)
    first, stop, _ = reader.slices(columns)
    right = np.flatnonzero((stop - first >= ROWS[0]) & (stop - first <= ROWS[1]))
    some = right[np.linspace(0, len(right) - 1, DIFFERENT).astype(np.int64)]
    return take_rows(columns, some)


def version(pipeline: Pipeline, columns: Columns, folder: Path) -> LoadedVersion:
    """A version of the pipeline, which has no model."""
    nothing = FunctionSource(dict)
    declared = PipelineAssets(
        pipeline=pipeline,
        history=nothing,
        tables=[TableAssets(Weather, nothing), TableAssets(Landing, nothing)],
    )
    return version_without_registry(declared, columns, folder / "version")


def _giving(columns: Columns) -> Callable[[Columns], Columns]:
    return lambda _: columns


def _medians(calls: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]]) -> dict[str, float]:
    """Microseconds a call, by turns: the median of the rounds."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (call, arguments) in calls.items():
            given = cycle(arguments)
            begun = time.perf_counter()
            for _ in range(DIFFERENT):
                call(next(given))
            took[name].append((time.perf_counter() - begun) / DIFFERENT * 1e6)
    return {name: round(statistics.median(times), 2) for name, times in took.items()}
