"""Outcomes: what became of the rows that were scored, and how good the predictions were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.checks.results import NOTHING_DEMANDED, CheckResult, carry_out, tell, with_unjudged
from lockstep.checks.specs import worth_telling
from lockstep.columns.errors import DeclarationError, InputError
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.schema import Schema
from lockstep.columns.tables import concat, from_arrow, is_missing
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.project.sources import Source, decode_source
from lockstep.scoring.store import Store
from lockstep.scoring.streams import stream_records

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry

_WINDOW_DAYS = 7
"""Days whose rows are measured together: a whole week, since days of the week differ."""
_STANDARD_ERRORS = 3.0
"""Distance from the mean, in standard errors, that chance alone hardly reaches (Shewhart's
three-sigma limits, 1931)."""
_LEAST_BIAS = 0.05
"""Bias of a probability, or of an amount in standard deviations of the label, too small to
matter however certain it is."""


@dataclass(frozen=True)
class Outcomes:
    """What became of a day's rows.

    Attributes:
        path: The file of those whose outcome is known.
        counts: Rows by what is known of them.
        results: What the checks found, by name.
        recent: Labels and measured predictions of the last days up to this one.
        measured: The demands that they can be measured by.
    """

    path: Path
    counts: Mapping[str, int]
    results: Mapping[str, CheckResult]
    recent: Columns
    measured: tuple[Quality, ...]


def compare_outcomes(
    declared: PipelineAssets, source: Source, registry: Registry, store: Store, day: str
) -> Outcomes:
    """Compare a day's predictions with what came of them.

    They are measured by the columns of the version that scored them. What is demanded of columns
    that it has not is not judged.

    Args:
        declared: The pipeline and the demands on its predictions.
        source: Where its outcomes come from.
        registry: Where the version is that scored the day.
        store: Where the pipeline's rows are kept.
        day: The day, in ISO form.

    Raises:
        NotStoredError: The day has not been published.
        DamagedError: What was scored is not what was recorded.
        InputError: The outcomes cannot be read, or a key has more than one.
    """
    attempt = stream_records(declared, store, "daily").demand(day)
    version = attempt.record.steps["scored"].version
    assert version is not None, "a version scores"
    served = registry.load(declared.name, version).pipeline
    arrived = decode_source(source, outcome_schema(served), date.fromisoformat(day))
    graph, key = served.graph, served.key
    kinds = {name: graph.kind(name) for name in graph.served}
    predicted = attempt.read_columns("scored", kinds)
    joined = join_outcomes(served, predicted, arrived.columns)
    columns = graph.evaluate(joined, graph.labels)
    unfit = {one: why for one in declared.quality if (why := _lacking(one, graph))}
    qualities = tuple(one for one in declared.quality if one not in unfit)
    lacking = {one.title: why for one, why in unfit.items()}
    names = measured_columns(served, qualities)
    path = store.write_columns("outcomes", {name: columns[name] for name in names}, day)
    recent = _recent(store, day, {name: graph.kind(name) for name in names})
    results = {
        "live_quality": carry_out(check_live_quality, qualities, columns, recent, lacking),
        "calibration": carry_out(check_calibration, qualities, recent),
    }
    return Outcomes(
        path=path,
        counts={
            "known": len(columns[key]),
            "unknown so far": len(predicted[key]) - len(columns[key]),
            "refused": len(arrived.rejected),
        },
        results=worth_telling(declared, "outcomes", results),
        recent=recent,
        measured=qualities,
    )


def outcome_schema(pipeline: Pipeline) -> Schema:
    """What an outcome's row holds: the key of its record, and the outcome's fields."""
    key, outcome = pipeline.record_schema[pipeline.key], pipeline.outcome_schema
    if outcome is None:  # a version from before its pipeline declared any
        return Schema(pipeline.record_schema.name, (key,))
    return Schema(outcome.name, (key, *outcome.fields))


def measured_columns(pipeline: Pipeline, qualities: Sequence[Quality]) -> tuple[str, ...]:
    """The key, the labels, and the predictions that are measured, in graph order."""
    graph = pipeline.graph
    wanted = {pipeline.key, *graph.labels, *(one.column for one in qualities)}
    return tuple(name for name in graph.order if name in wanted)


def _lacking(quality: Quality, graph: Graph) -> str | None:
    """Why a version's columns cannot be measured by a demand; None if they can."""
    for name in (quality.label, quality.column):
        if name not in graph:
            return f"the version that scored has no column {name}; train and promote one that has"
    try:
        quality.check_fit(graph)
    except DeclarationError as error:
        return f"in the version that scored, {error}"
    return None


def join_outcomes(pipeline: Pipeline, predicted: Columns, arrived: Columns) -> Columns:
    """The scored rows whose outcome has arrived, with it, in the order of the scored rows.

    Raises:
        InputError: A key has more than one outcome.
    """
    keys_arrived = arrived[pipeline.key].tolist()
    position = {key: row for row, key in enumerate(keys_arrived)}
    if len(position) < len(keys_arrived):
        repeated = [key for key, count in Counter(keys_arrived).most_common(3) if count > 1]
        raise InputError(
            f"{pipeline.name}: {len(keys_arrived) - len(position)} rows of outcomes repeat the "
            f"{pipeline.key} of another, such as {', '.join(map(repr, repeated))}, and nothing "
            "tells which one is right. Have one outcome a record delivered."
        )
    keys = predicted[pipeline.key].tolist()
    rows = np.array([row for row, key in enumerate(keys) if key in position], dtype=np.int64)
    matches = np.array([position[keys[row]] for row in rows.tolist()], dtype=np.int64)
    names = pipeline.outcome_schema.names if pipeline.outcome_schema is not None else ()
    return {
        **{name: array[rows] for name, array in predicted.items()},
        **{name: arrived[name][matches] for name in names},
    }


def check_live_quality(
    qualities: tuple[Quality, ...],
    day: Columns,
    recent: Columns,
    lacking: Mapping[str, str] | None = None,
) -> CheckResult:
    """Whether every metric reaches its threshold over the last days together.

    Args:
        qualities: What is demanded.
        day: Labels and predictions of the day.
        recent: Those of the last days up to it.
        lacking: Demands that cannot be measured by what scored the rows, each with the reason.
    """
    unjudged = dict(lacking or {})
    if not qualities and not unjudged:
        return NOTHING_DEMANDED
    table = [
        {
            "prediction": quality.title,
            "this day": quality.measure(day),
            "last days": quality.measure(recent),
            "demanded": quality.rule,
        }
        for quality in qualities
    ]
    measured = [
        (quality, row)
        for quality, row in zip(qualities, table, strict=True)
        if not np.isnan(float(str(row["last days"])))
    ]
    unjudged |= {
        quality.title: "too few outcomes are known to measure it"
        for quality in qualities
        if quality not in [one for one, _ in measured]
    }
    if not measured:
        return CheckResult.not_judged(f"Nothing can be measured: {tell(unjudged)}.", unjudged)
    missed = [
        (quality, row)
        for quality, row in measured
        if not quality.is_met(float(str(row["last days"])))
    ]
    shown = "; ".join(
        f"{row['prediction']} is {row['last days']:.4g} over the last {_WINDOW_DAYS} days "
        f"(demanded: {row['demanded']})"
        for _, row in missed or measured
    )
    return CheckResult(
        passed=not missed,
        summary=with_unjudged(f"{shown}.", unjudged),
        severity="WARN",
        column=missed[0][0].column if missed else None,
        unjudged=unjudged,
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
            for part in _deciles(truth, predicted)
        ]
    if not table:
        return CheckResult.not_judged("No outcome of a measured number is known yet.")
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


def _deciles(truth: Array, predicted: Array, parts: int = 10) -> list[dict[str, float | int]]:
    """Mean prediction and mean outcome of equal parts of the rows, by rising prediction."""
    order = np.argsort(predicted, kind="stable")
    rows = [part for part in np.array_split(order, parts) if len(part)]
    return [
        {
            "part": number,
            "rows": len(part),
            "predicted": float(np.mean(predicted[part])),
            "observed": float(np.mean(truth[part].astype(float))),
        }
        for number, part in enumerate(rows, start=1)
    ]


def _recent(store: Store, day: str, kinds: Mapping[str, Kind]) -> Columns:
    """The stored outcomes of the last days up to this one, of those that hold the columns."""
    days = [one for one in store.partitions("outcomes") if one <= day][-_WINDOW_DAYS:]
    tables = [store.read("outcomes", one) for one in days]
    same = [table for table in tables if kinds.keys() <= set(table.column_names)]
    return concat((from_arrow(table, kinds) for table in same), kinds)
