"""Live quality: how good predictions were, by the outcomes that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lockstep.checks.results import (
    NOTHING_DEMANDED,
    CheckResult,
    carry_out,
    others,
    tell,
    with_unjudged,
)
from lockstep.columns.errors import DeclarationError
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.tables import is_missing
from lockstep.project.quality import Quality
from lockstep.scoring.arrival import Arrival

WINDOW_DAYS = 7
"""Days whose rows are measured together: a whole week, since days of the week differ."""
_STANDARD_ERRORS = 3.0
"""Distance from the mean, in standard errors, that chance alone hardly reaches (Shewhart's
three-sigma limits, 1931)."""
_LEAST_BIAS = 0.05
"""Bias of a probability, or of an amount in standard deviations of the label, too small to
matter however certain it is."""


@dataclass(frozen=True)
class Demands:
    """What is demanded of predictions.

    Attributes:
        measured: The demands that a version's columns can be measured by.
        lacking: The others by title, each with what is lacking.
    """

    measured: tuple[Quality, ...]
    lacking: Mapping[str, str]


def demands(qualities: Sequence[Quality], graph: Graph) -> Demands:
    """Part the demands by whether a version's columns can be measured by them."""
    unfit = {one: why for one in qualities if (why := _lacking(one, graph))}
    return Demands(
        measured=tuple(one for one in qualities if one not in unfit),
        lacking={one.title: why for one, why in unfit.items()},
    )


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


def where_known(
    arrival: Arrival, left_out: Mapping[str, str], check: Callable[[], CheckResult]
) -> CheckResult:
    """What a check of predictions finds where enough is known, with how much that is.

    Args:
        arrival: How much is known of the day.
        left_out: The days before it that are not measured with it, each with the reason.
        check: The check.
    """
    if not arrival.is_enough:
        return CheckResult.not_judged(
            f"{arrival}, and it takes {arrival.least:.0%} to measure the predictions of a day."
        )
    found = carry_out(check)
    said = f"{found.summary} Of this day, {arrival}."
    if left_out:
        said += f" Days left out: {tell(left_out)}."
    return replace(
        found,
        summary=said,
        numbers={**found.numbers, "share known": arrival.share},
        unjudged={**found.unjudged, **left_out},
    )


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
        quality.title: _why_not_measured(quality, recent)
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
        f"{row['prediction']} is {row['last days']:.4g} over the last {WINDOW_DAYS} days "
        f"(demanded: {row['demanded']})"
        for _, row in missed or measured
    )
    return CheckResult(
        passed=not missed,
        summary=with_unjudged(f"{shown}.", unjudged),
        severity="WARN",
        column=missed[0][0].column if missed else None,
        where=others(list(dict.fromkeys(quality.column for quality, _ in missed))),
        unjudged=unjudged,
        numbers={str(row["prediction"]): float(str(row["this day"])) for row in table},
        table=table,
    )


def _why_not_measured(quality: Quality, recent: Columns) -> str:
    """What is lacking of a metric that is not defined."""
    truth, _ = quality.known(recent)
    if not len(truth):
        return "no outcome is known yet"
    return f"{quality.label} is {truth[0]} in all rows whose outcome is known"


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
        summary=f"Over the last {WINDOW_DAYS} days {shown}.",
        severity="WARN",
        column=biased[0] if biased else None,
        where=others(biased),
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
