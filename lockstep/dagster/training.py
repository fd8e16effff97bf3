"""Training as assets, one for each step of `lockstep.training.candidate`."""

from collections.abc import Iterator, Set
from typing import Any

import dagster as dg

from lockstep.checks.markdown import to_markdown
from lockstep.checks.specs import declared_checks
from lockstep.dagster.checked import checked_asset, materialized, tables
from lockstep.dagster.jobs import TRAINING_POOL, table_keys
from lockstep.dagster.lookup_tables import take_in
from lockstep.dagster.metadata import (
    column_lineage,
    column_schema,
    first_rows,
    version_link,
)
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.registry.registry import Registry
from lockstep.store.parquet import Store
from lockstep.training.candidate import Candidate, fit_candidate
from lockstep.training.checks import unlabelled_in
from lockstep.training.training_set import (
    LabelledHistory,
    compute_training_set,
    ingest_history,
    training_columns,
)


def training_assets(declared: PipelineAssets) -> list[dg.AssetsDefinition]:
    """`history`, `training_set` and `candidate` of a pipeline."""
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
        yield materialized(context, labelled.results, _told(labelled, pipeline.graph.personal))

    return history


def _told(read: LabelledHistory, personal: Set[str]) -> dict[str, Any]:
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
    pipeline, graph = declared.pipeline, declared.pipeline.graph
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
        metadata={
            **column_schema(pipeline, names),
            **column_lineage(graph, names, upstream, pipeline.joint_schema.names),
        },
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
                "features": len(graph.model_free),
                "path": dg.MetadataValue.path(str(computed.path)),
            },
        )

    return training_set


def _candidate(declared: PipelineAssets) -> dg.AssetsDefinition:
    pipeline, graph = declared.pipeline, declared.pipeline.graph
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
        metadata={
            **column_schema(pipeline, graph.served),
            **column_lineage(graph, graph.served, upstream, training_columns(declared)),
        },
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
