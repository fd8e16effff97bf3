"""Outcomes: what became of the rows that were scored, and how good the predictions were."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import numpy as np

from lockstep.checks.results import CheckResult, carry_out
from lockstep.checks.specs import OUTCOME_CHECKS
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import Schema
from lockstep.columns.rows import concat, is_missing
from lockstep.dagster.checks import result, specs
from lockstep.dagster.metadata import column_schema, picture
from lockstep.dagster.partitions import daily_partitions
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.project.quality import Quality
from lockstep.project.sources import Source, decode_source
from lockstep.registry.registry import Registry
from lockstep.scoring.store import Store
from lockstep.training.candidate import nothing_demanded
from lockstep.training.plots import deciles, quality_plot

_WINDOW_DAYS = 7
"""Days whose rows are measured together: a whole week, since days of the week differ."""
_STANDARD_ERRORS = 3.0
"""Distance from the mean, in standard errors, that chance alone hardly reaches (Shewhart's
three-sigma limits, 1931)."""
_LEAST_BIAS = 0.05
"""Bias of a probability, or of an amount in standard deviations of the label, too small to
matter however certain it is."""


def outcomes_asset(
    declared: PipelineAssets, source: Source, calendar: Calendar
) -> dg.AssetsDefinition:
    """`outcomes` of a pipeline: labels that arrived later, beside what was predicted."""
    pipeline, key = declared.pipeline, dg.AssetKey([declared.name, "outcomes"])
    partitions = daily_partitions(calendar)
    names = measured_columns(declared)

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([declared.name, "daily", "scored"])],
        group_name=f"{declared.name}_daily",
        kinds={"parquet"},
        partitions_def=partitions,
        check_specs=specs(OUTCOME_CHECKS, key, partitions),
        description=(
            "What became of one day's rows, beside what was predicted for them. Read from "
            f"{source.describe()}."
        ),
        metadata=column_schema(pipeline, names),
    )
    def outcomes(
        context: dg.AssetExecutionContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.MaterializeResult[Any]]:
        store, partition = Store(home.data / declared.name), context.partition_key
        arrived = decode_source(source, outcome_schema(pipeline), date.fromisoformat(partition))
        version = store.read("daily/scored", partition).column("version")
        loaded = registry.load(declared.name, version[0].as_py()) if len(version) else None
        served = loaded.pipeline if loaded is not None else pipeline
        predicted = store.read_columns(
            "daily/scored",
            {name: served.graph.kind(name) for name in served.graph.served},
            partition,
        )
        joined = join_outcomes(served, predicted, arrived.columns)
        columns = served.graph.evaluate(joined, served.graph.labels)
        path = store.write_columns("outcomes", {name: columns[name] for name in names}, partition)
        recent = _recent(store, partition, {name: served.graph.kind(name) for name in names})
        qualities = tuple(declared.quality)
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(columns[pipeline.key]),
                "unknown so far": len(predicted[pipeline.key]) - len(columns[pipeline.key]),
                "refused": len(arrived.rejected),
                "path": dg.MetadataValue.path(str(path)),
                **{
                    f"plot: {quality.title}": picture(quality_plot(quality, recent))
                    for quality in qualities
                    if len(recent[quality.label])
                },
            },
            check_results=[
                result(
                    "live_quality",
                    carry_out(partial(check_live_quality, qualities, columns, recent)),
                ),
                result("calibration", carry_out(partial(check_calibration, qualities, recent))),
            ],
        )

    return outcomes


def outcome_schema(pipeline: Pipeline) -> Schema:
    """What an outcome's row holds: the key of its record, and the outcome's fields."""
    assert pipeline.outcome_schema is not None, "a pipeline with outcomes declares their type"
    key = pipeline.record_schema[pipeline.key]
    return Schema(pipeline.outcome_schema.name, (key, *pipeline.outcome_schema.fields))


def measured_columns(declared: PipelineAssets) -> tuple[str, ...]:
    """The key, the labels, and the predictions that are measured, in graph order."""
    graph = declared.pipeline.graph
    wanted = {declared.pipeline.key, *graph.labels, *(one.column for one in declared.quality)}
    return tuple(name for name in graph.order if name in wanted)


def join_outcomes(pipeline: Pipeline, predicted: Columns, arrived: Columns) -> Columns:
    """The scored rows whose outcome has arrived, with it, in the order of the scored rows."""
    position = {key: row for row, key in enumerate(arrived[pipeline.key].tolist())}
    keys = predicted[pipeline.key].tolist()
    rows = np.array([row for row, key in enumerate(keys) if key in position], dtype=np.int64)
    matches = np.array([position[keys[row]] for row in rows.tolist()], dtype=np.int64)
    names = pipeline.outcome_schema.names if pipeline.outcome_schema is not None else ()
    return {
        **{name: array[rows] for name, array in predicted.items()},
        **{name: arrived[name][matches] for name in names},
    }


def check_live_quality(
    qualities: tuple[Quality, ...], day: Columns, recent: Columns
) -> CheckResult:
    """Whether every metric reaches its threshold over the last days together."""
    if not qualities:
        return nothing_demanded()
    table = [
        {
            "prediction": quality.title,
            "this day": quality.measure(day),
            "last days": quality.measure(recent),
            "demanded": quality.rule,
        }
        for quality in qualities
    ]
    missed = [
        (quality, row)
        for quality, row in zip(qualities, table, strict=True)
        if not quality.is_met(float(str(row["last days"])))
    ]
    shown = "; ".join(
        f"{row['prediction']} is {row['last days']:.4g} over the last {_WINDOW_DAYS} days "
        f"(demanded: {row['demanded']})"
        for row in [row for _, row in missed] or table
    )
    return CheckResult(
        passed=not missed,
        summary=f"{shown}.",
        severity="WARN",
        column=missed[0][0].column if missed else None,
        numbers={str(row["prediction"]): float(str(row["this day"])) for row in table},
        table=table,
    )


def check_calibration(qualities: tuple[Quality, ...], recent: Columns) -> CheckResult:
    """Whether predictions agree on average with what came, over the last days together."""
    table: list[dict[str, Any]] = []
    biased: list[str] = []
    for column, label in dict.fromkeys((one.column, one.label) for one in qualities):
        truth, predicted = recent[label], recent[column]
        if predicted.dtype.kind != "f" or truth.dtype.kind not in "fib":
            continue
        known = ~(is_missing(truth) | is_missing(predicted))
        truth, predicted = truth[known].astype(float), predicted[known]
        if len(truth) < 2:
            continue
        bias = float(np.mean(predicted - truth))
        error = float(np.std(predicted - truth) / np.sqrt(len(truth)))
        scale = 1.0 if recent[label].dtype == bool else float(np.std(truth))
        if abs(bias) > _STANDARD_ERRORS * error and abs(bias) > _LEAST_BIAS * scale:
            biased.append(column)
        table += [
            {"prediction": column, **part, "bias of all": bias}
            for part in deciles(truth, predicted)
        ]
    if not table:
        return CheckResult(
            False, "Nothing to compare: no outcome of a measured number is known yet.", "WARN"
        )
    biases = {str(row["prediction"]): float(row["bias of all"]) for row in table}
    shown = "; ".join(f"{name} is {bias:+.3g} off on average" for name, bias in biases.items())
    return CheckResult(
        passed=not biased,
        summary=f"Over the last {_WINDOW_DAYS} days {shown}.",
        severity="WARN",
        column=biased[0] if biased else None,
        numbers={f"bias of {name}": bias for name, bias in biases.items()},
        table=table,
    )


def _recent(store: Store, partition: str, kinds: dict[str, Any]) -> Columns:
    """The stored outcomes of the last days up to this one."""
    days = [day for day in store.partitions("outcomes") if day <= partition][-_WINDOW_DAYS:]
    return concat((store.read_columns("outcomes", kinds, day) for day in days), kinds)
