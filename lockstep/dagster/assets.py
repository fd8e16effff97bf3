"""All assets of a pipeline: tables, training, champion, scoring, outcomes, requests, audit."""

from collections.abc import Iterator, Set
from functools import partial
from typing import Any

import dagster as dg

from lockstep.checks.specs import DIGESTS, declared_checks
from lockstep.checks.streams import streams
from lockstep.columns.markdown import to_markdown
from lockstep.dagster.checked import checked_asset, materialized, tables
from lockstep.dagster.jobs import TRAINING_POOL, table_keys
from lockstep.dagster.lookup_tables import table_assets, take_in
from lockstep.dagster.metadata import column_schema, computed_columns, first_rows, version_link
from lockstep.dagster.partitions import daily_partitions, request_partitions
from lockstep.dagster.scoring import scoring_assets
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.project.sources import Source
from lockstep.registry.registry import Registry
from lockstep.scoring.audit import audit, expected_seconds, home_parts, keep_audit
from lockstep.scoring.outcomes import compare_outcomes, compared_columns
from lockstep.scoring.request_replay import replay_segment
from lockstep.serving.requestlog.log_segments import segment_path
from lockstep.store.parquet import Store
from lockstep.training.candidate import Candidate, fit_candidate
from lockstep.training.checks import unlabelled_in
from lockstep.training.gate import go_back, pass_gate
from lockstep.training.plots import quality_table
from lockstep.training.training_set import (
    LabelledHistory,
    compute_training_set,
    ingest_history,
    training_columns,
)


def pipeline_assets(declared: PipelineAssets, code: str | None = None) -> list[dg.AssetsDefinition]:
    """All assets of a pipeline, each with its checks, under a key that begins with its name."""
    assets = [*table_assets(declared), *training_assets(declared), champion_asset(declared)]
    for stream in streams(declared):
        assets += scoring_assets(declared, stream)
    if declared.outcomes is not None and declared.calendar is not None:
        assets.append(outcomes_asset(declared, declared.outcomes, declared.calendar))
    if declared.request_log is not None:
        assets.append(requests_asset(declared))
    assets.append(audit_asset(declared))
    return [asset.map_asset_specs(partial(_labelled, declared, code)) for asset in assets]


def _labelled(declared: PipelineAssets, code: str | None, spec: dg.AssetSpec) -> dg.AssetSpec:
    """An asset with its group, owners, tags, and the code that makes it.

    The graph in Dagster's UI shows the last part of a key only, so each stream is a group. What a
    version makes is made by its own code, which its number tells.
    """
    stage = spec.key.path[1]
    stream = {"daily": "daily", "outcomes": "daily", "inbox": "inbox", "requests": "requests"}
    return spec.replace_attributes(
        group_name="__".join(filter(None, (declared.name, stream.get(stage)))),
        owners=list(declared.owners),
        tags={"pipeline": declared.name, "stage": spec.key.path[-1]},
        code_version=code if stage in ("history", "training_set", "candidate") else None,
    )


def training_assets(declared: PipelineAssets) -> list[dg.AssetsDefinition]:
    """`history`, `training_set` and `candidate`: one for each step of `lockstep.training`."""
    return [_history(declared), _training_set(declared), _candidate(declared)]


def _history(declared: PipelineAssets) -> dg.AssetsDefinition:
    pipeline = declared.pipeline

    @checked_asset(
        [declared.name, "history"],
        declared_checks(declared, "history"),
        deps=table_keys(declared),
        pool=TRAINING_POOL,
        kinds={"parquet"},
        description=(
            "Labelled records to train on: what was known when each row had to be predicted, "
            f"and what became of it. Read from {to_markdown(declared.history.describe())}."
        ),
        metadata=column_schema(pipeline, pipeline.joint_schema.names),
    )
    def history(
        context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        take_in(declared, home, context.instance, context.run)
        labelled = ingest_history(declared, Store(home.data / declared.name), context.run.run_id)
        yield materialized(
            context, labelled.results, _history_facts(labelled, pipeline.graph.personal)
        )

    return history


def _history_facts(read: LabelledHistory, personal: Set[str]) -> dict[str, Any]:
    if read.ingested is None:
        return {}
    shown = {name: array for name, array in read.columns.items() if name not in personal}
    return {
        **read.ingested.counts,
        "dagster/row_count": read.ingested.accepted,
        "path": dg.MetadataValue.path(str(read.path)),
        **tables({"first rows": first_rows(shown)}),
    }


def _training_set(declared: PipelineAssets) -> dg.AssetsDefinition:
    pipeline = declared.pipeline
    upstream = dg.AssetKey([declared.name, "history"])
    names = training_columns(declared)

    @checked_asset(
        [declared.name, "training_set"],
        declared_checks(declared, "training_set"),
        deps=[upstream.path],
        pool=TRAINING_POOL,
        kinds={"numpy", "parquet"},
        description=(
            "The history with every feature and label that the column graph computes before "
            "anything is fitted: the very functions that serve."
        ),
        metadata=computed_columns(pipeline, names, upstream, pipeline.joint_schema.names),
    )
    def training_set(
        context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
    ) -> Iterator[dg.MaterializeResult[Any]]:
        computed = compute_training_set(
            declared, Store(home.data / declared.name), context.run.run_id
        )
        yield materialized(
            context,
            computed.results,
            {
                **computed.counts,
                "dagster/row_count": computed.counts["rows"],
                "features": len(pipeline.graph.model_free),
                "path": dg.MetadataValue.path(str(computed.path)),
            },
        )

    return training_set


def _candidate(declared: PipelineAssets) -> dg.AssetsDefinition:
    pipeline = declared.pipeline
    upstream = dg.AssetKey([declared.name, "training_set"])

    @checked_asset(
        [declared.name, "candidate"],
        declared_checks(declared, "candidate"),
        deps=[upstream.path],
        pool=TRAINING_POOL,
        kinds={"sklearn", "mlflow"},
        description=(
            "A fitted version in the MLflow registry: estimators, the source of the columns, "
            "golden records, profile, suites and environment. Promote it by moving the alias "
            "@champion to it, in MLflow or with `lockstep promote`."
        ),
        metadata=computed_columns(
            pipeline, pipeline.graph.served, upstream, training_columns(declared)
        ),
    )
    def candidate(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
        project: dg.ResourceParam[Project],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store = Store(home.data / declared.name)
        fitted = fit_candidate(declared, store, context.run.run_id, registry, project.packages)
        if fitted.version is not None:
            context.log.info("registered %s version %s", declared.name, fitted.version.version)
        yield materialized(
            context,
            fitted.results,
            {
                **_registered(home, fitted),
                "dagster/row_count": fitted.rows,
                **{title: value for title, value in fitted.metrics.items() if value == value},
                **{unlabelled_in(name): rows for name, rows in fitted.unlabelled.items()},
                **tables(fitted.tables),
            },
        )

    return candidate


def _registered(home: Home, fitted: Candidate) -> dict[str, Any]:
    if fitted.version is None:
        return {}
    name, number = fitted.version.name, fitted.version.version
    return {"version": number, "MLflow version": version_link(home, name, number)}


class GateConfig(dg.Config):
    """A person's wish for the gate.

    Attributes:
        version: A version that is wanted in place of the one that `@champion` points to.
        back: Whether it is a rollback: the version goes live without the gate where it is proven in
            this environment, and the one that was live is passed over by later rollbacks.
        anyway: Why the version is wanted though a check of its quality failed.
        seen: Key of the decision that held when the person said so; a later one overtakes it.
    """

    version: int | None = None
    back: bool = False
    anyway: str = ""
    seen: str | None = None


def champion_asset(declared: PipelineAssets) -> dg.AssetsDefinition:
    """`champion` of a pipeline: the version at `@champion`, and the gate that moves `@live`."""

    @checked_asset(
        [declared.name, "champion"],
        declared_checks(declared, "champion"),
        deps=[[declared.name, "candidate"]],
        kinds={"mlflow"},
        description=(
            "The version that people want to serve (@champion), put through the gate in this very "
            "environment. Only if no check is in error does it go live, and @live moves to it. "
            "A version that another home of the registry has let serve is taken over likewise. "
            "Rolling back is moving @champion back."
        ),
    )
    def champion(
        context: dg.AssetExecutionContext,
        config: GateConfig,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store, pointer = Store(home.data / declared.name), home.live(declared.name)
        if config.back and config.version is not None:
            gate = go_back(declared, registry, store, pointer, config.version, config.seen)
        else:
            gate = pass_gate(
                declared,
                registry,
                store,
                pointer,
                wanted=config.version,
                anyway=config.anyway,
                seen=config.seen,
            )
        context.log.info(
            "%s: wanted is version %s, live is version %s",
            declared.name,
            gate.wanted.version,
            gate.live or "none",
        )
        yield materialized(
            context,
            gate.results,
            {
                "wanted": gate.wanted.version,
                "live": str(gate.live or "none"),
                "MLflow version": version_link(home, gate.wanted.name, gate.wanted.version),
            },
        )

    return champion


def outcomes_asset(
    declared: PipelineAssets, source: Source, calendar: Calendar
) -> dg.AssetsDefinition:
    """`outcomes` of a pipeline: labels that arrived later, beside the predictions."""

    @checked_asset(
        [declared.name, "outcomes"],
        declared_checks(declared, "outcomes"),
        deps=[[declared.name, "daily", "published"]],
        partitions=daily_partitions(calendar),
        kinds={"parquet"},
        description=(
            "What became of one day's published rows, beside what was predicted for them. Read "
            f"from {to_markdown(source.describe())}. The day is looked at again until enough is "
            "known."
        ),
        metadata=column_schema(
            declared.pipeline, compared_columns(declared.pipeline, declared.quality)
        ),
    )
    def outcomes(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store = Store(home.data / declared.name)
        day, run = context.partition_key, context.run.run_id
        compared = compare_outcomes(declared, source, registry, store, day, run=run)
        tenths = {
            f"{q.title}, by tenths": quality_table(q, compared.recent) for q in compared.measured
        }
        yield materialized(
            context,
            compared.results,
            {
                **compared.counts,
                "dagster/row_count": compared.arrival.known,
                "share known": compared.arrival.share,
                **compared.figures,
                "path": dg.MetadataValue.path(str(compared.path)),
                **tables(tenths),
            },
        )

    return outcomes


def requests_asset(declared: PipelineAssets) -> dg.AssetsDefinition:
    """`requests` of a pipeline: its server's logged requests, replayed."""
    pipeline = declared.pipeline
    names = (*pipeline.record_schema.names, *pipeline.graph.outputs)

    @checked_asset(
        [declared.name, "requests"],
        declared_checks(declared, "requests"),
        deps=[[declared.name, "champion"]],
        partitions=request_partitions(declared.name),
        kinds={"http"},
        description=(
            "What the server was asked and answered, a partition a sealed segment of its log. The "
            "rows stay in the segment, for as long as the log keeps it."
        ),
        metadata=column_schema(pipeline, names),
    )
    def requests(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        replayed = replay_segment(
            declared,
            Store(home.data / declared.name),
            segment_path(home.requests(declared.name), context.partition_key),
            context.run.run_id,
            partial(registry.load, declared.name),
        )
        metadata: dict[str, Any] = {**replayed.counts, **replayed.figures}
        if replayed.version is not None:
            link = version_link(home, declared.name, replayed.version)
            metadata |= {
                "dagster/row_count": replayed.counts["rows"],
                "version": replayed.version,
                "MLflow version": link,
                "path": dg.MetadataValue.path(str(replayed.path)),
            }
        yield materialized(context, replayed.results, metadata)

    return requests


def audit_asset(declared: PipelineAssets) -> dg.AssetsDefinition:
    """`audit` of a pipeline: all digests that its home keeps, verified."""

    @checked_asset(
        [declared.name, "audit"],
        declared_checks(declared, "audit"),
        description=(
            "The last audit: every record, file and version that the home keeps of the pipeline, "
            "read and compared with its digest."
        ),
    )
    def audit_of_home(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        parts = home_parts(declared, home, registry)
        context.log.info("%d parts, about %.0f s", len(parts), expected_seconds(parts))
        audited = audit(parts)
        keep_audit(declared, Store(home.data / declared.name), audited, context.run.run_id)
        facts = {"files": audited.files, "bytes": audited.bytes, "seconds": audited.seconds}
        yield materialized(context, {DIGESTS.name: audited.to_result()}, facts)

    return audit_of_home
