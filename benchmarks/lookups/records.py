"""One record: what a look-up and a window take by themselves, and add to a request."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from benchmarks.lookups.request import PIPELINE
from benchmarks.lookups.tables import Landing, Weather
from lockstep import FunctionSource, PipelineAssets, TableAssets
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.asof.readers import WindowReader
from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import from_arrow, take_rows
from lockstep.parity.wire import wire_record
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.versions import version_without_registry

DIFFERENT, ROUNDS = 2_000, 15
"""How many different records are gone through in a round, and how often."""
ROWS = (90, 110)
"""How many landings the windows of the records hold."""
_NODES = {"lookup": "weather", "window": "landings"}


def one_record(folder: Path) -> dict[str, float]:
    """Microseconds of a look-up and of a window for one record, its columns included."""
    pipeline = bound(folder)
    rows = [
        take_rows(columns_of(folder, pipeline), slice(row, row + 1)) for row in range(DIFFERENT)
    ]
    calls = {kind: pipeline.bound[node] for kind, node in _NODES.items()}
    return _medians({kind: (call, rows) for kind, call in calls.items()})


def added(folder: Path) -> dict[str, float]:
    """Microseconds that a look-up and a window add to a request of one record.

    The same version answers with all tables, and with the columns of the look-up or of the window
    given, so that nothing is searched for.
    """
    pipeline = bound(folder)
    columns = columns_of(folder, pipeline)
    schema = pipeline.record_schema
    requests = [[[wire_record(columns, row, schema)]] for row in range(DIFFERENT)]
    loaded = version(pipeline, columns, folder)
    given = {
        kind: pipeline.bind({node: _given(pipeline, node, columns)})
        for kind, node in _NODES.items()
    }
    scorers = {kind: scorer(loaded, each) for kind, each in {"all": pipeline, **given}.items()}
    took = _medians({kind: (each.answer, requests) for kind, each in scorers.items()})
    return {kind: took["all"] - took[kind] for kind in _NODES}


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


def scorer(loaded: LoadedVersion, pipeline: Pipeline) -> Scorer:
    """What answers by a version and a pipeline of its declaration."""
    compiled = Compiled.none(pipeline, "it has no model")
    return Scorer.of(replace(loaded, pipeline=pipeline), compiled)


def _given(pipeline: Pipeline, node: str, columns: Columns) -> Callable[[Columns], Columns]:
    """What gives a row's columns without a search."""
    found = pipeline.bound[node](take_rows(columns, slice(1)))
    return lambda _: found


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
