"""Scoring as assets: each carries out one step of `lockstep.scoring.partition`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from lockstep.checks.specs import BATCH_CHECKS, SCORED_CHECKS
from lockstep.dagster.checks import results, specs
from lockstep.dagster.metadata import column_lineage, column_schema, version_link
from lockstep.dagster.partitions import stream_partitions
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.scoring.partition import (
    Stage,
    ingest_batch,
    publish,
    published_columns,
    score_batch,
)
from lockstep.scoring.store import Store
from lockstep.scoring.streams import Stream


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
    partitions = stream_partitions(declared, stream)

    @dg.asset(
        key=key,
        group_name=f"{declared.name}_{stream.name}",
        kinds={"parquet"},
        partitions_def=partitions,
        check_specs=specs(BATCH_CHECKS, key, partitions),
        description=(
            f"The records of one {stream.unit} to score, from {stream.origin}. Rows that do not "
            "fit their declaration or break a critical rule are set aside with their reasons."
        ),
        metadata=column_schema(pipeline, pipeline.record_schema.names),
    )
    def batch(
        context: dg.AssetExecutionContext,
        config: BatchConfig,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store, partition = Store(home.data / declared.name), context.partition_key
        live = registry.load(declared.name, "live")
        rows = stream.decode(home, partition, live.pipeline.record_schema)
        found = ingest_batch(declared, live, store, stream, partition, rows, accept=config.accept)
        yield _materialized(found, found.counts["accepted"], **found.counts)

    return batch


def _scored(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline, key = declared.pipeline, dg.AssetKey([declared.name, stream.name, "scored"])
    upstream = dg.AssetKey([declared.name, stream.name, "batch"])
    partitions = stream_partitions(declared, stream)
    names = pipeline.graph.served

    @dg.asset(
        key=key,
        deps=[upstream, dg.AssetKey([declared.name, "champion"])],
        group_name=f"{declared.name}_{stream.name}",
        kinds={"sklearn", "parquet"},
        partitions_def=partitions,
        check_specs=specs(SCORED_CHECKS, key, partitions),
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
        live = registry.load(declared.name, "live")
        found = score_batch(declared, live, store, stream, partition)
        link = version_link(home, live.name, live.version)
        yield _materialized(
            found,
            found.counts["scored"],
            **{"version": live.version, "MLflow version": link, **found.figures},
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
        store = Store(home.data / declared.name)
        found = publish(declared, store, stream, context.partition_key)
        yield _materialized(found, found.counts["published"])

    return published


def _materialized(found: Stage, rows: int, **metadata: Any) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        metadata={
            **metadata,
            "dagster/row_count": rows,
            "path": dg.MetadataValue.path(str(found.path)),
        },
        check_results=results(found.results),
    )
