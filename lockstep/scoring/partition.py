"""A partition, scored: from the rows of a day or file to what consumers read, in three steps.

    ingest_batch   part the rows, and compare them with training and with the batches before
    score_batch    compute every column by the live version, and check what came of it
    publish        let consumers read it, if nothing blocks it

`score` carries out all three. Each reads from the store what the one before left there, so that
they can also be carried out one at a time, as Dagster's assets do. A version that is live, a
store and rows are all they need: a process of a pool does without registry and orchestrator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.evidence import (
    check_code,
    check_drift,
    check_environment,
    check_replay,
    check_sample,
    check_suite,
)
from lockstep.checks.results import CheckResult, carry_out
from lockstep.checks.specs import BATCH_CHECKS, SCORED_CHECKS, worth_telling
from lockstep.columns.decode import Decoded
from lockstep.columns.errors import LockstepError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.schema import Schema
from lockstep.columns.tables import to_arrow
from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.age import check_age, scoring_time
from lockstep.scoring.ingest import check_decoding, check_input_suite, ingest
from lockstep.scoring.records import (
    PartitionRecord,
    blocking,
    demand_unblocked,
    read_record,
    write_record,
)
from lockstep.scoring.rows import evaluate_rows, quarantine_table
from lockstep.scoring.store import Store
from lockstep.scoring.streams import Stream
from lockstep.scoring.window import check_shift, profiled, trailing_window

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Stage:
    """What a step made of a partition.

    Attributes:
        path: The file that it wrote.
        counts: Rows by what became of them.
        results: What its checks found, by name.
        blocked_by: Blocking checks that are in error, each with what it found.
        figures: Means and shares of the outputs, by title.
    """

    path: Path
    counts: Mapping[str, int]
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    blocked_by: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoredPartition:
    """What became of a partition: plain data, to be sent between processes.

    Attributes:
        partition: The day or file.
        version: Number of the version that was live.
        batch: Its rows, ingested.
        scored: Its rows, scored; None where a check of the batch blocks it.
        published: What consumers read; None where a check blocks it.
    """

    partition: str
    version: int
    batch: Stage
    scored: Stage | None = None
    published: Stage | None = None

    @property
    def results(self) -> dict[str, CheckResult]:
        """What all checks found, by name."""
        return {**self.batch.results, **(self.scored.results if self.scored else {})}


def score(
    declared: PipelineAssets,
    live: LoadedVersion,
    store: Store,
    stream: Stream,
    partition: str,
    rows: Decoded,
    *,
    accept: Sequence[str] = (),
) -> ScoredPartition:
    """Score a partition and publish it, as far as its blocking checks let it.

    Args:
        declared: The pipeline and the demands on its rows.
        live: The version that serves.
        store: Where the pipeline's rows are kept; what was kept of the partition is replaced.
        stream: The stream that it is a partition of.
        partition: The day or file.
        rows: Its rows, decoded as the version's record type declares them.
        accept: Columns whose sudden shift is real and meant to stay.

    Raises:
        LockstepError: `accept` names no field of the record.
        FunctionError: A function of a column fails on so many rows that it is broken itself.
    """
    batch = ingest_batch(declared, live, store, stream, partition, rows, accept=accept)
    if batch.blocked_by:
        return ScoredPartition(partition, live.version, batch)
    scored = score_batch(declared, live, store, stream, partition)
    if scored.blocked_by:
        return ScoredPartition(partition, live.version, batch, scored)
    published = publish(declared, store, stream, partition)
    return ScoredPartition(partition, live.version, batch, scored, published)


def ingest_batch(
    declared: PipelineAssets,
    live: LoadedVersion,
    store: Store,
    stream: Stream,
    partition: str,
    rows: Decoded,
    *,
    accept: Sequence[str] = (),
    now: datetime | None = None,
) -> Stage:
    """Part a partition's rows, and compare them with training and the batches before.

    Args:
        declared: The pipeline and the demands on its rows.
        live: The version that serves.
        store: Where the pipeline's rows are kept.
        stream: The stream that it is a partition of.
        partition: The day or file.
        rows: Its rows, decoded as the version's record type declares them.
        accept: Columns whose sudden shift is real and meant to stay.
        now: When it is scored; by the clock if it is not said.

    Raises:
        LockstepError: `accept` names no field of the record.
    """
    from lockstep.parity.profiles import Profile

    schema = live.pipeline.record_schema
    _demand_fields(accept, schema)
    ingested = ingest(rows, schema, live.suites["input"], declared.max_quarantined)
    # Rows that will be quarantined count here: they may be how a shift shows.
    profile = Profile.of(rows.columns, profiled(schema))
    window = trailing_window(store, stream, partition)
    at = scoring_time(declared, stream, partition, now or datetime.now(UTC))
    found = {
        "decoding": carry_out(check_decoding, ingested),
        "input_suite": carry_out(check_input_suite, ingested),
        "input_drift": carry_out(check_drift, live.profile, rows.columns),
        "sudden_shift": carry_out(check_shift, window, profile, accept),
        "live_age": carry_out(check_age, live, at, declared.max_age),
    }
    results = worth_telling(declared, "batch", found)
    name = f"{stream.name}/batch"
    path = store.write_columns(name, ingested.columns, partition)
    aside = quarantine_table((*ingested.refused, *ingested.broken), ingested.duplicates)
    store.write(f"{name}_quarantine", aside, partition)
    store.write_json(
        f"{stream.name}/profile",
        {"accepted": list(accept), "profile": profile.to_json()},
        partition,
    )
    record = PartitionRecord(ingested.counts, blocking(BATCH_CHECKS, results), str(live.version))
    write_record(store, name, partition, record)
    return Stage(path, record.counts, results, record.blocked_by)


def score_batch(
    declared: PipelineAssets, live: LoadedVersion, store: Store, stream: Stream, partition: str
) -> Stage:
    """Compute every column of an ingested partition by the live version.

    Raises:
        BlockedError: The partition has not been ingested, or a check blocks it.
        FunctionError: A function of a column fails on so many rows that it is broken itself.
    """
    demand_unblocked(store, f"{stream.name}/batch", partition)
    pipeline = live.pipeline
    raw = store.read_columns(f"{stream.name}/batch", pipeline.record_schema.kinds, partition)
    columns, rejected = evaluate_rows(pipeline, raw)
    name = f"{stream.name}/scored"
    path = store.write(name, _with_origin(to_arrow(columns), live.version), partition)
    store.write(f"{name}_quarantine", quarantine_table(rejected), partition)
    found = {
        "golden_replay": carry_out(check_replay, live),
        "reference_sample": carry_out(check_sample, live, columns),
        "feature_suite": carry_out(check_suite, live.suites["features"], columns, pipeline.key),
        "output_suite": carry_out(check_suite, live.suites["outputs"], columns, pipeline.key),
        "prediction_drift": carry_out(check_drift, live.profile, _outputs(pipeline, columns)),
        "row_conservation": carry_out(_check_conservation, store, stream, partition),
        "code_parity": carry_out(check_code, declared.pipeline, live, proven=True),
        "environment_parity": carry_out(check_environment, live, proven=True),
    }
    results = worth_telling(declared, "scored", found)
    counts = {"scored": len(columns[pipeline.key]), "quarantined": len(rejected)}
    record = PartitionRecord(counts, blocking(SCORED_CHECKS, results), str(live.version))
    write_record(store, name, partition, record)
    return Stage(path, counts, results, record.blocked_by, _figures(_outputs(pipeline, columns)))


def publish(declared: PipelineAssets, store: Store, stream: Stream, partition: str) -> Stage:
    """Let consumers read a scored partition.

    Raises:
        BlockedError: The partition has not been scored, or a check blocks it.
    """
    for name in ("batch", "scored"):
        demand_unblocked(store, f"{stream.name}/{name}", partition)
    table = store.read(f"{stream.name}/scored", partition)
    wanted = [name for name in published_columns(declared.pipeline) if name in table.column_names]
    table = table.select([*wanted, "version", "scored_at"])
    path = store.write(f"{stream.name}/published", table, partition)
    return Stage(path, {"published": len(table)})


def published_columns(pipeline: Pipeline) -> tuple[str, ...]:
    """Names of the columns that consumers read, besides the version and the time."""
    time = pipeline.record_schema.event_time
    return (pipeline.key, *([time] if time is not None else []), *pipeline.graph.outputs)


def _demand_fields(accepted: Sequence[str], schema: Schema) -> None:
    """A shift can be accepted in a field only; a misspelled one would accept nothing."""
    unknown = [name for name in accepted if name not in schema]
    if unknown:
        raise LockstepError(
            f"accept names {unknown[0]!r}, which is no field of {schema.name}; it has "
            f"{', '.join(schema.names)}."
        )


def _with_origin(table: pa.Table, version: int) -> pa.Table:
    """The rows with the version that scored them, and when."""
    import pyarrow as pa

    count = len(table)
    now = datetime.now(UTC)
    return table.append_column("version", pa.array([version] * count, pa.int64())).append_column(
        "scored_at", pa.array([now] * count, pa.timestamp("us", tz="UTC"))
    )


def _check_conservation(store: Store, stream: Stream, partition: str) -> CheckResult:
    """Count the rows in the files themselves."""
    rows_in = read_record(store, f"{stream.name}/batch", partition).counts["rows_in"]
    scored = store.row_count(f"{stream.name}/scored", partition)
    fates = [
        fate
        for stage in ("batch", "scored")
        for fate in store.read(f"{stream.name}/{stage}_quarantine", partition)
        .column("fate")
        .to_pylist()
    ]
    quarantined, duplicates = fates.count("quarantined"), fates.count("duplicate")
    out = scored + quarantined + duplicates
    return CheckResult(
        passed=rows_in == out,
        summary=f"{rows_in} rows in = {scored} scored + {quarantined} quarantined + {duplicates} "
        "duplicates."
        if rows_in == out
        else f"{rows_in} rows came in, but {scored} scored + {quarantined} quarantined + "
        f"{duplicates} duplicates make {out}.",
        numbers={
            "rows_in": rows_in,
            "scored": scored,
            "quarantined": quarantined,
            "duplicates": duplicates,
        },
    )


def _outputs(pipeline: Pipeline, columns: Columns) -> Columns:
    return {name: columns[name] for name in pipeline.graph.outputs}


def _figures(outputs: Columns) -> dict[str, float]:
    """The mean of every output that has one, and the share of every output that is yes or no."""
    figures = {}
    for name, array in outputs.items():
        if len(array) and array.dtype.kind in "fib":
            mean = float(np.nanmean(array.astype(float)))
            figures[f"share of {name}" if array.dtype == bool else f"mean {name}"] = mean
    return figures
