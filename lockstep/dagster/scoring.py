"""Scoring as assets, one for each step of `lockstep.scoring.partition`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import dagster as dg

from lockstep.checks.messages import Place
from lockstep.checks.specs import declared_checks
from lockstep.checks.streams import Stream
from lockstep.columns.markdown import to_markdown
from lockstep.dagster.backfill import score_days
from lockstep.dagster.checked import Made, Materialized, NothingMade, checked_asset, materialized
from lockstep.dagster.jobs import table_keys
from lockstep.dagster.lookup_tables import take_in
from lockstep.dagster.metadata import column_schema, computed_columns
from lockstep.dagster.partition_events import (
    data_version,
    step_metadata,
)
from lockstep.dagster.partitions import published_by, stream_partitions
from lockstep.dagster.shown_partitions import ShownPartitions
from lockstep.dagster.tries import is_automatic
from lockstep.errors import LockstepError, SupersededError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.live import Live
from lockstep.registry.registry import Registry
from lockstep.scoring.executors import executor_of
from lockstep.scoring.partition import publish, published_columns
from lockstep.scoring.steps import batch_step, scored_step
from lockstep.scoring.work import Stage, Work
from lockstep.store.parquet import Store


class BatchConfig(dg.Config):
    """A person's decisions about a batch.

    Attributes:
        accept: Findings that are real and meant to stay, by name, or all findings of a field.
    """

    accept: list[str] = []  # noqa: RUF012 - pydantic copies the default


def scoring_assets(declared: PipelineAssets, stream: Stream) -> list[dg.AssetsDefinition]:
    """`batch`, `scored` and `published` of a pipeline's stream."""
    return [_batch(declared, stream), _scored(declared, stream), _published(declared, stream)]


def _batch(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline = declared.pipeline

    @checked_asset(
        [declared.name, stream.name, "batch"],
        declared_checks(declared, "batch"),
        deps=table_keys(declared),
        partitions=stream_partitions(declared, stream),
        backfill_policy=_backfill_policy(stream),
        kinds={"parquet"},
        description=(
            f"The records of one {stream.unit} to score, from {to_markdown(stream.origin)}. Rows "
            "that do not fit their declaration or break a critical rule are set aside with their "
            "reasons."
        ),
        metadata=column_schema(pipeline, pipeline.record_schema.names),
    )
    def batch(
        context: dg.AssetExecutionContext,
        config: BatchConfig,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Materialized:
        shown = ShownPartitions(declared, stream, home, context.instance, context.run)
        if _is_range(context):
            days = context.partition_keys
            take_in(declared, home, context.instance, context.run)
            score_days(declared, stream, home, registry, shown, days, config.accept)
            return  # all that there is to show is shown: Dagster skips the steps after it
        shown.catch_up()
        shown.hand_over()
        work = _work(declared, stream, context, home)
        stage: Stage | None = None
        with (
            _published_once(context, work),
            _told_upstream(stream, home, work.partition) as fate,
            executor_of(home) as executor,
        ):
            take_in(declared, home, context.instance, context.run)
            stage = batch_step(
                replace(work, executor=executor),
                _live(declared, home, registry),
                partial(stream.read, home, work.partition),
                accept=config.accept,
            )
        if stage is not None:
            yield _told(context, home, work, "batch", stage, fate)

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
        backfill_policy=_backfill_policy(stream),
        kinds={"sklearn", "parquet"},
        description=(
            f"Every column of one {stream.unit}'s rows: fields, features, models and outputs, "
            "with the version that made them."
        ),
        metadata=computed_columns(pipeline, names, upstream, pipeline.record_schema.names),
    )
    def scored(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Materialized:
        _demand_batch(context)
        work = _work(declared, stream, context, home)
        with _told_upstream(stream, home, work.partition) as fate, executor_of(home) as executor:
            stage = scored_step(replace(work, executor=executor), _live(declared, home, registry))
        yield _told(context, home, work, "scored", stage, fate)

    return scored


def _published(declared: PipelineAssets, stream: Stream) -> dg.AssetsDefinition:
    pipeline = declared.pipeline
    upstream = dg.AssetKey([declared.name, stream.name, "scored"])
    names = published_columns(pipeline)
    calendar = declared.calendar if stream.name == "daily" else None

    @checked_asset(
        [declared.name, stream.name, "published"],
        declared_checks(declared, "published"),
        deps=[upstream.path],
        partitions=stream_partitions(declared, stream),
        backfill_policy=_backfill_policy(stream),
        kinds={"parquet"},
        skippable=True,  # where another run has published it
        freshness_policy=published_by(calendar) if calendar is not None else None,
        description=(
            f"What consumers read of one {stream.unit}: key, outputs, the version and the time. "
            "It is written only when every blocking check of the batch and of its scores passed."
        ),
        metadata=computed_columns(pipeline, names, upstream, pipeline.graph.served),
    )
    def published(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> Materialized:
        _demand_batch(context)
        work = _work(declared, stream, context, home)
        stage: Stage | None = None
        with _published_once(context, work), _told_upstream(stream, home, work.partition) as fate:
            stage = publish(work)
        if stage is not None:
            yield _told(context, home, work, "published", stage, fate)

    return published


def _backfill_policy(stream: Stream) -> dg.BackfillPolicy | None:
    """Days that are selected together are one run, and files one each."""
    return dg.BackfillPolicy.single_run() if stream.name == "daily" else None


def _is_range(context: dg.AssetExecutionContext) -> bool:
    """Whether the run is one of several days, in which the step of `batch` scores each to its end.

    Each day is compared with those before it, which have to be published by then.
    """
    return context.has_partition_key_range and not context.has_partition_key


def _demand_batch(context: dg.AssetExecutionContext) -> None:
    if _is_range(context):
        raise LockstepError(
            "Days that are selected together are scored one after the other, from batch to "
            "published: select batch, scored and published, or one day alone."
        )


@contextmanager
def _told_upstream(
    stream: Stream, home: Home, partition: str
) -> Iterator[dict[str, dg.MarkdownMetadataValue]]:
    """Carry out a step, and tell whoever delivered the partition its fate; yields what was told."""
    metadata: dict[str, dg.MarkdownMetadataValue] = {}
    try:
        yield metadata
    except SupersededError:
        stream.tell(home, partition, None)
        raise
    except Exception as error:
        stream.tell(home, partition, error)
        raise
    facts = stream.tell(home, partition, None)
    metadata.update(
        {title: dg.MetadataValue.md(to_markdown(text)) for title, text in facts.items()}
    )


@contextmanager
def _published_once(context: dg.AssetExecutionContext, work: Work) -> Iterator[None]:
    """End a step of a run that nobody waits for where another run has published its partition."""
    try:
        yield
    except SupersededError as error:
        if not work.once:
            raise
        context.log.warning(str(error))


def _work(
    declared: PipelineAssets, stream: Stream, context: dg.AssetExecutionContext, home: Home
) -> Work:
    store = Store(home.data / declared.name)
    return Work(
        declared,
        store,
        stream.name,
        context.partition_key,
        context.run.run_id,
        once=is_automatic(context.run),
    )


def _live(declared: PipelineAssets, home: Home, registry: Registry) -> Live:
    return Live(registry, declared.name, home.live(declared.name))


def _told(
    context: dg.AssetExecutionContext,
    home: Home,
    work: Work,
    step: str,
    stage: Stage,
    fate: Mapping[str, dg.MarkdownMetadataValue],
) -> Made:
    """The result of a step, with what was told to whoever delivered the partition."""
    place = Place(f"{work.declared.name}/{work.records.stream}/{step}", work.partition)
    metadata = step_metadata(work.declared, home, place, stage)
    made = materialized(context, stage.results, {**metadata, **fate}, data_version(stage.record))
    return NothingMade(made) if stage.blocked_by else made
