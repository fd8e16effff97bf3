"""Training: history, the training set, and the candidate that is fitted on it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg

from lockstep.checks.parity import check_locality, check_suite
from lockstep.checks.results import carry_out
from lockstep.checks.specs import CANDIDATE_CHECKS, HISTORY_CHECKS, TRAINING_SET_CHECKS
from lockstep.columns.kinds import Columns
from lockstep.dagster.checks import results, specs
from lockstep.dagster.metadata import column_lineage, column_schema, picture, version_link
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.sources import decode_source
from lockstep.registry.registry import Registry
from lockstep.scoring.batch import write_history_profiles
from lockstep.scoring.ingest import (
    check_decoding,
    check_input_suite,
    ingest,
    quarantine_table,
    sample_rows,
)
from lockstep.scoring.store import Store
from lockstep.training.candidate import Candidate, fit_candidate


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
        store = Store(home.data / declared.name)
        data = decode_source(declared.history, pipeline.joint_schema)
        ingested = ingest(
            data,
            pipeline.joint_schema,
            declared.suites.to_json("input"),
            declared.max_quarantined,
        )
        store.write("history_quarantine", quarantine_table(ingested))
        path = store.write_columns("history", ingested.columns)
        calendar = declared.calendar
        if calendar is not None:
            write_history_profiles(
                store,
                ingested.columns,
                pipeline.record_schema,
                calendar.timezone,
                calendar.start.isoformat(),
            )
        yield dg.MaterializeResult(
            metadata={
                **ingested.counts,
                "dagster/row_count": ingested.accepted,
                "path": dg.MetadataValue.path(str(path)),
                "first rows": dg.MetadataValue.md(sample_rows(ingested.columns)),
            },
            check_results=results(
                {
                    "decoding": carry_out(partial(check_decoding, ingested)),
                    "input_suite": carry_out(partial(check_input_suite, ingested)),
                }
            ),
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
        store = Store(home.data / declared.name)
        raw = store.read_columns("history", pipeline.joint_schema.kinds)
        columns = graph.evaluate(raw, names)
        path = store.write_columns("training_set", {name: columns[name] for name in names})
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(columns[pipeline.key]),
                "features": len(graph.model_free),
                "path": dg.MetadataValue.path(str(path)),
            },
            check_results=results(
                {
                    "feature_suite": carry_out(
                        partial(
                            check_suite,
                            declared.suites.to_json("features"),
                            columns,
                            pipeline.key,
                        )
                    ),
                    "row_locality": carry_out(partial(check_locality, pipeline, raw)),
                }
            ),
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
    ) -> Iterator[dg.MaterializeResult[Any]]:
        columns = read_training_set(declared, Store(home.data / declared.name))
        fitted = fit_candidate(declared, columns, registry)
        context.log.info("registered %s version %s", declared.name, fitted.version.version)
        yield dg.MaterializeResult(
            metadata=_candidate_metadata(fitted, home),
            check_results=results(fitted.check_results()),
        )

    return candidate


def training_columns(declared: PipelineAssets) -> tuple[str, ...]:
    """Names of the training set's columns: fields, features and labels."""
    graph = declared.pipeline.graph
    known = {*declared.pipeline.joint_schema.names, *graph.model_free, *graph.labels}
    return tuple(name for name in graph.order if name in known)


def read_training_set(declared: PipelineAssets, store: Store) -> Columns:
    """The training set as it was stored.

    Raises:
        NotStoredError: It has not been materialized.
    """
    graph = declared.pipeline.graph
    return store.read_columns(
        "training_set", {name: graph.kind(name) for name in training_columns(declared)}
    )


def _candidate_metadata(fitted: Candidate, home: Home) -> dict[str, Any]:
    version = fitted.version
    return {
        "version": version.version,
        "MLflow version": version_link(home, version.name, version.version),
        "dagster/row_count": fitted.rows,
        **{title: value for title, value in fitted.metrics.items() if value == value},
        **{f"plot: {title}": picture(figure) for title, figure in fitted.plots.items()},
    }
