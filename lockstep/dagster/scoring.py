"""Scoring as assets: each carries out one step of `lockstep.scoring.partition`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from lockstep.checks.specs import declared_checks
from lockstep.dagster.checked import checked_asset, materialized
from lockstep.dagster.metadata import column_lineage, column_schema, version_link
from lockstep.dagster.partitions import stream_partitions
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.scoring.partition import (
    Stage,
    Work,
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
    pipeline = declared.pipeline

    @checked_asset(
        [declared.name, stream.name, "batch"],
        declared_checks(declared, "batch"),
        partitions=stream_partitions(declared, stream),
        group_name=f"{declared.name}_{stream.name}",
        kinds={"parquet"},
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
        work = _work(declared, stream, context, home)
        work.records.begin(work.partition, work.run)  # a run that fails from here on left a trace
        live = registry.load(declared.name, "live")
        rows = stream.decode(home, work.partition, live.pipeline.record_schema)
        found = ingest_batch(work, live, rows, accept=config.accept)
        yield _told(context, found, found.counts["accepted"], **found.counts)

    return batch


def _scored(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline = declared.pipeline
    upstream = dg.AssetKey([declared.name, stream.name, "batch"])
    names = pipeline.graph.served

    @checked_asset(
        [declared.name, stream.name, "scored"],
        declared_checks(declared, "scored"),
        deps=[upstream.path, [declared.name, "champion"]],
        partitions=stream_partitions(declared, stream),
        group_name=f"{declared.name}_{stream.name}",
        kinds={"sklearn", "parquet"},
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
        live = registry.load(declared.name, "live")
        found = score_batch(_work(declared, stream, context, home), live)
        link = version_link(home, live.name, live.version)
        yield _told(
            context,
            found,
            found.counts["scored"],
            **{"version": live.version, "MLflow version": link, **found.figures},
        )

    return scored


def _published(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline = declared.pipeline
    upstream = dg.AssetKey([declared.name, stream.name, "scored"])
    names = published_columns(pipeline)

    @checked_asset(
        [declared.name, stream.name, "published"],
        deps=[upstream.path],
        partitions=stream_partitions(declared, stream),
        group_name=f"{declared.name}_{stream.name}",
        kinds={"parquet"},
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
        found = publish(_work(declared, stream, context, home))
        yield _told(context, found, found.counts["published"])

    return published


def _work(
    declared: PipelineAssets, stream: Stream, context: dg.AssetExecutionContext, home: Home
) -> Work:
    """What a run of Dagster's does at one partition."""
    store = Store(home.data / declared.name)
    pointer = home.live(declared.name)
    return Work(declared, store, stream.name, context.partition_key, context.run.run_id, pointer)


def _told(
    context: dg.AssetExecutionContext, found: Stage, rows: int, **metadata: Any
) -> dg.MaterializeResult[Any]:
    path = dg.MetadataValue.path(str(found.path))
    return materialized(
        context, found.results, {**metadata, "dagster/row_count": rows, "path": path}
    )
