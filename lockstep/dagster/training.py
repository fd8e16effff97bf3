"""Training as assets: each carries out one step of `lockstep.training.candidate`."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from lockstep.checks.specs import CANDIDATE_CHECKS, HISTORY_CHECKS, TRAINING_SET_CHECKS
from lockstep.dagster.checks import results, specs
from lockstep.dagster.metadata import (
    column_lineage,
    column_schema,
    first_rows,
    picture,
    version_link,
)
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.registry.registry import Registry
from lockstep.scoring.store import Store
from lockstep.training.candidate import (
    compute_training_set,
    fit_candidate,
    ingest_history,
    read_training_set,
    training_columns,
)


def training_assets(declared: PipelineAssets) -> list[dg.AssetsDefinition]:
    """`history`, `training_set` and `candidate` of a pipeline."""
    return [_history(declared), _training_set(declared), _candidate(declared)]


def _history(declared: PipelineAssets) -> dg.AssetsDefinition:
    pipeline, key = declared.pipeline, dg.AssetKey([declared.name, "history"])

    @dg.asset(
        key=key,
        group_name=declared.name,
        kinds={"parquet"},
        check_specs=specs(HISTORY_CHECKS, key),
        description=(
            "Labelled records to train on: what was known when each row had to be predicted, "
            f"and what became of it. Read from {declared.history.describe()}."
        ),
        metadata=column_schema(pipeline, pipeline.joint_schema.names),
    )
    def history(home: dg.ResourceParam[Home]) -> Iterator[dg.MaterializeResult[Any]]:
        found = ingest_history(declared, Store(home.data / declared.name))
        yield dg.MaterializeResult(
            metadata={
                **found.ingested.counts,
                "dagster/row_count": found.ingested.accepted,
                "path": dg.MetadataValue.path(str(found.path)),
                "first rows": first_rows(found.ingested.columns),
            },
            check_results=results(found.results),
        )

    return history


def _training_set(declared: PipelineAssets) -> dg.AssetsDefinition:
    pipeline, graph = declared.pipeline, declared.pipeline.graph
    key = dg.AssetKey([declared.name, "training_set"])
    upstream = dg.AssetKey([declared.name, "history"])
    names = training_columns(declared)

    @dg.asset(
        key=key,
        deps=[upstream],
        group_name=declared.name,
        kinds={"numpy", "parquet"},
        check_specs=specs(TRAINING_SET_CHECKS, key),
        description=(
            "The history with every feature and label that the column graph computes before "
            "anything is fitted: the very functions that serve."
        ),
        metadata={
            **column_schema(pipeline, names),
            **column_lineage(graph, names, upstream, pipeline.joint_schema.names),
        },
    )
    def training_set(home: dg.ResourceParam[Home]) -> Iterator[dg.MaterializeResult[Any]]:
        found = compute_training_set(declared, Store(home.data / declared.name))
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(found.columns[pipeline.key]),
                "features": len(graph.model_free),
                "path": dg.MetadataValue.path(str(found.path)),
            },
            check_results=results(found.results),
        )

    return training_set


def _candidate(declared: PipelineAssets) -> dg.AssetsDefinition:
    pipeline, graph = declared.pipeline, declared.pipeline.graph
    key = dg.AssetKey([declared.name, "candidate"])
    upstream = dg.AssetKey([declared.name, "training_set"])

    @dg.asset(
        key=key,
        deps=[upstream],
        group_name=declared.name,
        kinds={"sklearn", "mlflow"},
        check_specs=specs(CANDIDATE_CHECKS, key),
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
        columns = read_training_set(declared, Store(home.data / declared.name))
        found = fit_candidate(declared, columns, registry, project.packages)
        number = found.version.version
        context.log.info("registered %s version %s", declared.name, number)
        yield dg.MaterializeResult(
            metadata={
                "version": number,
                "MLflow version": version_link(home, declared.name, number),
                "dagster/row_count": found.rows,
                **{title: value for title, value in found.metrics.items() if value == value},
                **{f"plot: {title}": picture(figure) for title, figure in found.plots.items()},
            },
            check_results=results(found.results),
        )

    return candidate
