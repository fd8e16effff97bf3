"""Scoring: a partition's rows ingested, scored by the live version, and published."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.evidence import check_code, check_environment, check_replay
from lockstep.checks.parity import check_comparison, check_suite
from lockstep.checks.results import CheckResult, carry_out
from lockstep.checks.specs import BATCH_CHECKS, SCORED_CHECKS
from lockstep.columns.decode import Rejected
from lockstep.columns.errors import LockstepError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.records import Schema
from lockstep.columns.tables import to_arrow
from lockstep.dagster.checks import results, specs
from lockstep.dagster.metadata import column_lineage, column_schema, version_link
from lockstep.dagster.partitions import stream_partitions
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.scoring.batch import check_drift, check_shift, profiled, trailing_window
from lockstep.scoring.ingest import (
    check_decoding,
    check_input_suite,
    ingest,
    quarantine_table,
    set_aside_table,
)
from lockstep.scoring.records import (
    PartitionRecord,
    blocking,
    demand_unblocked,
    read_record,
    write_record,
)
from lockstep.scoring.rows import evaluate_rows, rejected_rows
from lockstep.scoring.store import Store
from lockstep.scoring.streams import Stream

if TYPE_CHECKING:
    import pyarrow as pa


class BatchConfig(dg.Config):
    """What a person decides about a batch.

    Attributes:
        accept: Columns whose sudden shift is real and meant to stay.
    """

    accept: list[str] = []  # noqa: RUF012 - pydantic copies the default


def scoring_assets(declared: PipelineAssets, stream: Stream) -> list[dg.AssetsDefinition]:
    """`batch`, `scored` and `published` of one stream of a pipeline."""
    return [_batch(declared, stream), _scored(declared, stream), _published(declared, stream)]


def _batch(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline, key = declared.pipeline, dg.AssetKey([declared.name, stream.name, "batch"])
    names = pipeline.record_schema.names

    @dg.asset(
        key=key,
        group_name=f"{declared.name}_{stream.name}",
        kinds={"parquet"},
        partitions_def=stream_partitions(declared, stream),
        check_specs=specs(BATCH_CHECKS, key, stream_partitions(declared, stream)),
        description=(
            f"The records of one {stream.unit} to score, from {stream.origin}. Rows that do not "
            "fit their declaration or break a critical rule are set aside with their reasons."
        ),
        metadata=column_schema(pipeline, names),
    )
    def batch(
        context: dg.AssetExecutionContext,
        config: BatchConfig,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        from lockstep.parity.profiles import Profile

        store, partition = Store(home.data / declared.name), context.partition_key
        live = registry.load(declared.name, "live")
        schema = live.pipeline.record_schema
        _demand_fields(config.accept, schema)
        data = stream.decode(home, partition, schema)
        ingested = ingest(data, schema, live.suites["input"], declared.max_quarantined)
        # Rows that will be quarantined count here: they may be how a shift shows.
        profile = Profile.of(data.columns, profiled(schema))
        window = trailing_window(store, stream, partition)
        check_results = {
            "decoding": carry_out(partial(check_decoding, ingested)),
            "input_suite": carry_out(partial(check_input_suite, ingested)),
            "input_drift": carry_out(partial(check_drift, live.profile, data.columns)),
            "sudden_shift": carry_out(partial(check_shift, window, profile, config.accept)),
        }
        path = store.write_columns(f"{stream.name}/batch", ingested.columns, partition)
        store.write(f"{stream.name}/batch_quarantine", quarantine_table(ingested), partition)
        store.write_json(
            f"{stream.name}/profile",
            {"accepted": config.accept, "profile": profile.to_json()},
            partition,
        )
        record = PartitionRecord(
            ingested.counts, blocking(BATCH_CHECKS, check_results), str(live.version)
        )
        write_record(store, f"{stream.name}/batch", partition, record)
        yield dg.MaterializeResult(
            metadata={
                **ingested.counts,
                "dagster/row_count": ingested.accepted,
                "path": dg.MetadataValue.path(str(path)),
            },
            check_results=results(check_results),
        )

    return batch


def _demand_fields(accepted: list[str], schema: Schema) -> None:
    """A shift can be accepted in a field only; a misspelled one would accept nothing."""
    unknown = [name for name in accepted if name not in schema]
    if unknown:
        raise LockstepError(
            f"accept names {unknown[0]!r}, which is no field of {schema.name}; it has "
            f"{', '.join(schema.names)}."
        )


def _scored(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline, key = declared.pipeline, dg.AssetKey([declared.name, stream.name, "scored"])
    upstream = dg.AssetKey([declared.name, stream.name, "batch"])
    names = pipeline.graph.served

    @dg.asset(
        key=key,
        deps=[upstream, dg.AssetKey([declared.name, "champion"])],
        group_name=f"{declared.name}_{stream.name}",
        kinds={"sklearn", "parquet"},
        partitions_def=stream_partitions(declared, stream),
        check_specs=specs(SCORED_CHECKS, key, stream_partitions(declared, stream)),
        description=(
            f"Every column of one {stream.unit}'s rows: fields, features, models and outputs, "
            "with the version that made them."
        ),
        metadata={
            **column_schema(pipeline, names),
            **column_lineage(pipeline.graph, names, upstream, pipeline.record_schema.names),
        },
    )
    def scored(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store, partition = Store(home.data / declared.name), context.partition_key
        demand_unblocked(store, f"{stream.name}/batch", partition)
        live = registry.load(declared.name, "live")
        schema = live.pipeline.record_schema
        raw = store.read_columns(f"{stream.name}/batch", schema.kinds, partition)
        columns, failed = evaluate_rows(live.pipeline, raw)
        rejected = rejected_rows(raw, failed, schema)
        _write_scored(store, stream, partition, columns, rejected, live)
        check_results = {
            **_check_scored(pipeline, live, columns),
            "row_conservation": carry_out(partial(_check_conservation, store, stream, partition)),
        }
        record = PartitionRecord(
            {"scored": len(columns[schema.key or ""]), "quarantined": len(rejected)},
            blocking(SCORED_CHECKS, check_results),
            str(live.version),
        )
        write_record(store, f"{stream.name}/scored", partition, record)
        yield dg.MaterializeResult(
            metadata={
                "version": live.version,
                "MLflow version": version_link(home, live.name, live.version),
                "dagster/row_count": record.counts["scored"],
                "path": dg.MetadataValue.path(str(store.path(f"{stream.name}/scored", partition))),
                **_output_figures(live.pipeline, columns),
            },
            check_results=results(check_results),
        )

    return scored


def _published(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline, key = declared.pipeline, dg.AssetKey([declared.name, stream.name, "published"])
    upstream = dg.AssetKey([declared.name, stream.name, "scored"])
    names = published_columns(pipeline)

    @dg.asset(
        key=key,
        deps=[upstream],
        group_name=f"{declared.name}_{stream.name}",
        kinds={"parquet"},
        partitions_def=stream_partitions(declared, stream),
        description=(
            f"What consumers read of one {stream.unit}: key, outputs, the version and the time. "
            "It is written only when every blocking check of the batch and of its scores passed."
        ),
        metadata={
            **column_schema(pipeline, names),
            **column_lineage(pipeline.graph, names, upstream, pipeline.graph.served),
        },
    )
    def published(
        context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store, partition = Store(home.data / declared.name), context.partition_key
        demand_unblocked(store, f"{stream.name}/batch", partition)
        demand_unblocked(store, f"{stream.name}/scored", partition)
        table = store.read(f"{stream.name}/scored", partition)
        wanted = [name for name in names if name in table.column_names]
        table = table.select([*wanted, "version", "scored_at"])
        path = store.write(f"{stream.name}/published", table, partition)
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(table),
                "path": dg.MetadataValue.path(str(path)),
            }
        )

    return published


def published_columns(pipeline: Pipeline) -> tuple[str, ...]:
    """Names of the columns that consumers read, besides the version and the time."""
    time = pipeline.record_schema.event_time
    return (pipeline.key, *([time] if time is not None else []), *pipeline.graph.outputs)


def _write_scored(
    store: Store,
    stream: Stream,
    partition: str,
    columns: Columns,
    rejected: tuple[Rejected, ...],
    live: LoadedVersion,
) -> None:
    table = _with_origin(to_arrow(columns), live.version)
    store.write(f"{stream.name}/scored", table, partition)
    set_aside = set_aside_table([("quarantined", row) for row in rejected])
    store.write(f"{stream.name}/scored_quarantine", set_aside, partition)


def _with_origin(table: "pa.Table", version: int) -> "pa.Table":
    import pyarrow as pa

    count = len(table)
    now = datetime.now(UTC)
    return table.append_column("version", pa.array([version] * count, pa.int64())).append_column(
        "scored_at", pa.array([now] * count, pa.timestamp("us", tz="UTC"))
    )


def _check_scored(here: Pipeline, live: LoadedVersion, columns: Columns) -> dict[str, CheckResult]:
    pipeline = live.pipeline
    outputs = {name: columns[name] for name in pipeline.graph.outputs}

    def suite(name: str) -> CheckResult:
        return check_suite(live.suites[name], columns, pipeline.key)

    return {
        "golden_replay": carry_out(partial(check_replay, live)),
        "reference_sample": carry_out(partial(_check_sample, pipeline, columns)),
        "feature_suite": carry_out(partial(suite, "features")),
        "output_suite": carry_out(partial(suite, "outputs")),
        "prediction_drift": carry_out(partial(check_drift, live.profile, outputs)),
        "code_parity": carry_out(partial(check_code, here, live, proven=True)),
        "environment_parity": carry_out(partial(check_environment, live, proven=True)),
    }


def _check_sample(pipeline: Pipeline, columns: Columns, size: int = 100) -> CheckResult:
    """Send a sample through the reference path anew: from the wire, in other company and alone.

    The rows are those whose keys have the smallest digests: the same ones at every run.
    """
    from lockstep.columns.fitting import fold_of
    from lockstep.parity.golden import GoldenRecords
    from lockstep.parity.replay import replay

    digests = fold_of(columns[pipeline.key], 2**32)
    rows = np.argsort(digests, kind="stable")[:size]
    sample = {name: columns[name][rows] for name in pipeline.graph.served}
    raw = {name: sample[name] for name in pipeline.record_schema.names}
    expected = GoldenRecords(raw, Trace(sample[pipeline.key], sample, {}))
    return check_comparison(
        replay(pipeline, expected), "sent through the reference path again, in a sample"
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


def _output_figures(pipeline: Pipeline, columns: Columns) -> dict[str, float]:
    """The mean of every output that has one, which Dagster plots over time."""
    figures = {}
    for name in pipeline.graph.outputs:
        array = columns[name]
        if len(array) and array.dtype.kind in "fib":
            mean = float(np.nanmean(array.astype(float)))
            figures[f"share of {name}" if array.dtype == bool else f"mean {name}"] = mean
    return figures
