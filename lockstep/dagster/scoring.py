"""Scoring as assets: each carries out one step of `lockstep.scoring.partition`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dagster as dg

from lockstep.checks.pictures import findings_picture
from lockstep.checks.specs import declared_checks
from lockstep.checks.svg import in_markdown
from lockstep.dagster.checked import checked_asset, materialized
from lockstep.dagster.metadata import column_lineage, column_schema, version_link
from lockstep.dagster.partitions import stream_partitions
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.registry import Registry
from lockstep.scoring.partition import publish, published_columns
from lockstep.scoring.steps import batch_step, scored_step
from lockstep.scoring.work import Stage, Work
from lockstep.store.by_column import findings, last_partitions
from lockstep.store.live_version import Live
from lockstep.store.parquet import Store
from lockstep.store.streams import Stream

_PICTURE = "findings by column and day"
"""Metadata of the step with which a partition ends, as far as it comes."""


class BatchConfig(dg.Config):
    """What a person decides about a batch.

    Attributes:
        accept: Findings that are real and meant to stay, by name, or all findings of a field.
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
        with _told_upstream(stream, home, work.partition) as fate:
            found = batch_step(
                work,
                _live(declared, home, registry),
                partial(stream.decode, home, work.partition),
                accept=config.accept,
            )
        picture = {_PICTURE: _findings(work)} if found.blocked_by else {}  # else `scored` has it
        yield _told(context, found, "accepted", **found.counts, **fate, **picture)

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
        work = _work(declared, stream, context, home)
        with _told_upstream(stream, home, work.partition) as fate:
            found = scored_step(work, _live(declared, home, registry))
        figures = {**found.counts, **_version(home, declared, found), **found.figures, **fate}
        yield _told(context, found, "scored", **figures, **{_PICTURE: _findings(work)})

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
        work = _work(declared, stream, context, home)
        with _told_upstream(stream, home, work.partition) as fate:
            found = publish(work)
        yield _told(context, found, "published", **fate)

    return published


@contextmanager
def _told_upstream(
    stream: Stream, home: Home, partition: str
) -> Iterator[dict[str, dg.MarkdownMetadataValue]]:
    """Carry out a step, and tell whoever delivered the partition what became of it.

    Yields:
        What was told, once the step is done.
    """
    told: dict[str, dg.MarkdownMetadataValue] = {}
    try:
        yield told
    except Exception as error:
        stream.tell(home, partition, error)
        raise
    facts = stream.tell(home, partition, None)
    told.update({title: dg.MetadataValue.md(text) for title, text in facts.items()})


def _work(
    declared: PipelineAssets, stream: Stream, context: dg.AssetExecutionContext, home: Home
) -> Work:
    """What a run of Dagster's does at one partition."""
    store = Store(home.data / declared.name)
    return Work(declared, store, stream.name, context.partition_key, context.run.run_id)


def _findings(work: Work) -> dg.MarkdownMetadataValue:
    """A picture of what was found of which column in the last partitions."""
    shown = last_partitions(work.records, work.partition)
    graph = work.declared.pipeline.graph
    cells = [cell for one in shown for cell in findings(work.records, one, graph)]
    drawn = findings_picture(cells, shown)
    return dg.MetadataValue.md(in_markdown(drawn, "what was found of which column, by day"))


def _live(declared: PipelineAssets, home: Home, registry: Registry) -> Live:
    """Where it is kept which version is live."""
    return Live(registry, declared.name, home.live(declared.name))


def _version(home: Home, declared: PipelineAssets, found: Stage) -> dict[str, Any]:
    """The version that a step used, if it used one."""
    if found.version is None:
        return {}
    link = version_link(home, declared.name, found.version)
    return {"version": found.version, "MLflow version": link}


def _told(
    context: dg.AssetExecutionContext, found: Stage, rows: str, **metadata: Any
) -> dg.MaterializeResult[Any]:
    """What is told of a step: of one that had nothing to work on, what its checks found.

    Args:
        context: The run.
        found: What the step made.
        rows: Which of its counts is the number of rows that it made.
        metadata: What else is told.
    """
    if found.path is not None:
        path = dg.MetadataValue.path(str(found.path))
        metadata |= {"dagster/row_count": found.counts[rows], "path": path}
    return materialized(context, found.results, metadata)
