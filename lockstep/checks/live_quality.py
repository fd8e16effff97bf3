"""Live quality: how good predictions were, by the outcomes that are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.checks.arrival import Arrival
from lockstep.checks.check_results import NOTHING_DEMANDED, carry_out, tell, with_unjudged
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import counted
from lockstep.columns.tables import is_missing
from lockstep.errors import DeclarationError
from lockstep.project.quality import METRICS, Quality
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.parity.changes import Changes
    from lockstep.parity.weekly import WeeklyFigures, Worse

QUALITY = "quality"
"""Fact of a look at outcomes: the figures of the last days; see `Watch.to_json`."""
WINDOW_DAYS = 7
"""Days whose rows are measured together: a whole week, since days of the week differ."""
LEAST_ROWS = 30
"""Known outcomes below which a metric says little about the predictions."""
_STANDARD_ERRORS = 3.0
"""Standard errors from the mean that chance alone hardly reaches: Shewhart's three sigma."""
_LEAST_BIAS = 0.05
"""Bias of a probability, or of an amount in standard deviations of the label, too small to
matter however certain it is."""


@dataclass(frozen=True)
class Demands:
    """The demands on predictions."""

    measured: tuple[Quality, ...]
    lacking: Mapping[str, str]  # the other demands by title, each with what is lacking


def demands(qualities: Sequence[Quality], graph: Graph) -> Demands:
    """Part the demands by whether a version's columns can be measured by them."""
    unfit = {quality: why for quality in qualities if (why := _lacking(quality, graph))}
    return Demands(
        measured=tuple(quality for quality in qualities if quality not in unfit),
        lacking={quality.title: why for quality, why in unfit.items()},
    )


def _lacking(quality: Quality, graph: Graph) -> str | None:
    """Why a demand cannot be measured on a version's columns; None if it can."""
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
    """Run a check of predictions if enough outcomes are known; add how many are."""
    if not arrival.is_enough:
        return CheckResult.not_judged(
            f"{arrival}, and it takes {arrival.least:.0%} to measure the predictions of a day."
        )
    result = carry_out(check)
    summary = f"{result.summary} Of this day, {arrival}."
    if left_out:
        summary += f" Days left out: {tell(left_out)}."
    return replace(
        result,
        summary=summary,
        numbers={**result.numbers, "share known": arrival.share},
        unjudged={**result.unjudged, **left_out},
    )


@dataclass(frozen=True)
class Watch:
    """The figures of the last days, compared with the weeks of the training.

    Attributes:
        changes: The figures that are lastingly outside the training's, after the day.
        ranges: By metric, the least and largest value that it can have.
        measured: The figures of the last days.
    """

    weekly: WeeklyFigures
    changes: Changes
    day: str
    ranges: Mapping[str, tuple[float, float]]
    measured: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        weekly: WeeklyFigures,
        before: Changes,
        day: str,
        qualities: Sequence[Quality],
        recent: Columns | None,
    ) -> Watch:
        """Compare the last days with the weeks of the training."""
        measured = figures(qualities, recent) if recent is not None else {}
        ranges = {quality.title: METRICS[quality.metric].span for quality in qualities}
        rows = max(map(len, recent.values()), default=0) if recent is not None else 0
        shares = weekly.shares(measured) if 2 * rows >= weekly.rows else {}
        return cls(weekly, before.after(day, shares), day, ranges, measured)

    def begins(self, figure: str) -> bool:
        """Whether a lasting change of a figure begins on the day."""
        return figure in self.changes.beginning(self.day)

    def tell(self, figure: str) -> str:
        """Since when a figure has changed, and its range in training; empty if it has not."""
        change = self.changes.columns.get(figure)
        if change is None or change.begun is None:
            return ""
        weeks = f"{counted(self.weekly.weeks, 'week')} of training"
        return f"outside what {weeks} had ({self.usual(figure)}) since {change.since}"

    def usual(self, figure: str) -> str:
        """The range of a figure in the weeks of training, in words; empty where it is not known."""
        return self.weekly.usual(figure, self._range(figure))

    def to_json(self) -> dict[str, list[float | None]]:
        """By figure that is defined, its value and the ends of its range in training."""
        return {
            figure: [value, *self.weekly.band(figure, self._range(figure))]
            for figure, value in self.measured.items()
            if np.isfinite(value)
        }

    def _range(self, figure: str) -> tuple[float, float]:
        return self.ranges.get(figure, (-np.inf, np.inf))


def figures(qualities: Sequence[Quality], columns: Columns) -> dict[str, float]:
    """Metrics of predictions, and the bias of those that are numbers; NaN where undefined."""
    measured = {quality.title: _measure(quality, columns) for quality in qualities}
    for column, label in dict.fromkeys((quality.column, quality.label) for quality in qualities):
        pairs = _numbers(columns, column, label)
        if pairs is not None:
            truth, predicted = pairs
            measured[bias_of(column)] = _bias(truth, predicted) if len(truth) else float("nan")
    return measured


def worse(qualities: Sequence[Quality]) -> dict[str, Worse]:
    """The direction in which each figure is worse."""
    directions: dict[str, Worse] = {}
    for quality in qualities:
        higher_is_better = METRICS[quality.metric].higher_is_better
        directions[quality.title] = "lower" if higher_is_better else "higher"
        directions[bias_of(quality.column)] = "either"
    return directions


def bias_of(column: str) -> str:
    """The title of a column's bias."""
    return f"bias of {column}"


def check_live_quality(
    qualities: tuple[Quality, ...],
    day: Columns,
    recent: Columns,
    lacking: Mapping[str, str] | None = None,
    watch: Watch | None = None,
) -> CheckResult:
    """Check that every metric reaches its threshold over the last days together.

    A metric that meets its threshold but begins to be worse than in training is reported once.

    Args:
        recent: Labels and predictions of the last days up to it.
        watch: The comparison with the training; None where there is none.
    """
    unjudged = dict(lacking or {})
    if not qualities and not unjudged:
        return NOTHING_DEMANDED
    lacks = {quality: _lacks(quality, recent) for quality in qualities}
    unjudged |= {quality.title: why for quality, why in lacks.items() if why}
    values = {quality: quality.measure(recent) for quality, why in lacks.items() if not why}
    if not values:
        return CheckResult.not_judged(f"Nothing can be measured: {tell(unjudged)}.", unjudged)
    missed = [
        quality
        for quality, value in values.items()
        if not quality.is_met(value) or (watch is not None and watch.begins(quality.title))
    ]
    shown = "; ".join(
        f"{quality.title} is {values[quality]:.4g} over the last {WINDOW_DAYS} days "
        f"(demanded: {quality.rule}){_outside(watch, quality.title)}"
        for quality in missed or values
    )
    named = list(dict.fromkeys(quality.column for quality in missed))
    today = {quality: _measure(quality, day) for quality in qualities}
    return CheckResult(
        passed=not missed,
        summary=with_unjudged(f"{shown}.", unjudged),
        severity="WARN",
        column=named[0] if named else None,
        also=tuple(named[1:]),
        unjudged=unjudged,
        numbers={quality.title: value for quality, value in today.items()},
        table=[
            {
                "prediction": quality.title,
                "this day": _lacks(quality, day) or today[quality],
                "last days": lacks[quality] or values[quality],
                "demanded": quality.rule,
                "in training": _usual(watch, quality.title),
            }
            for quality in qualities
        ],
    )


def _usual(watch: Watch | None, figure: str) -> str:
    return watch.usual(figure) if watch is not None else ""


def _outside(watch: Watch | None, figure: str) -> str:
    since = watch.tell(figure) if watch is not None else ""
    return f", {since}" if since else ""


def _measure(quality: Quality, columns: Columns) -> float:
    """A demand's metric; NaN where the rows say little about it."""
    return float("nan") if _lacks(quality, columns) else quality.measure(columns)


def _lacks(quality: Quality, columns: Columns) -> str:
    """What rows lack to measure a demand; empty if they lack nothing."""
    truth, _ = quality.known(columns)
    if not len(truth):
        return "no outcome is known yet"
    if len(truth) == 1:
        return f"{quality.label} of a single row is known"
    if len(truth) < LEAST_ROWS:
        return f"{len(truth)} outcomes are known, and it takes {LEAST_ROWS}"
    metric = METRICS[quality.metric]
    fewest = max(metric.least, 1 if metric.measures == "amounts" else 2)
    if len(np.unique(truth)) < fewest:
        return f"{quality.label} is the same in all rows whose outcome is known"
    return ""


def check_calibration(
    qualities: tuple[Quality, ...], recent: Columns, watch: Watch | None = None
) -> CheckResult:
    """Check that predictions agree on average with outcomes over the last days together.

    Where the bias of the training's weeks is known, a larger bias is reported once: when it begins
    to last. Elsewhere it is reported whenever chance alone hardly explains it.
    """
    table: list[dict[str, Any]] = []
    biased: list[str] = []
    for column, label in dict.fromkeys((quality.column, quality.label) for quality in qualities):
        pairs = _numbers(recent, column, label)
        if pairs is None or len(pairs[0]) < 2:
            continue
        truth, predicted = pairs
        bias = _bias(truth, predicted)
        if watch is not None and bias_of(column) in watch.weekly.names:
            if watch.begins(bias_of(column)):
                biased.append(column)
        elif _is_beyond_chance(truth, predicted, is_flag=recent[label].dtype == bool):
            biased.append(column)
        in_training = _usual(watch, bias_of(column))
        table += [
            {"prediction": column, **part, "bias of all": bias, "bias in training": in_training}
            for part in _deciles(truth, predicted)
        ]
    if not table:
        return CheckResult.not_judged("No outcome of a measured number is known yet.")
    biases = {str(row["prediction"]): float(row["bias of all"]) for row in table}
    shown = "; ".join(
        f"{name} is {bias:+.3g} off on average{_outside(watch, bias_of(name))}"
        for name, bias in biases.items()
    )
    return CheckResult(
        passed=not biased,
        summary=f"Over the last {WINDOW_DAYS} days {shown}.",
        severity="WARN",
        column=biased[0] if biased else None,
        also=tuple(biased)[1:],
        numbers={bias_of(name): bias for name, bias in biases.items()},
        table=table,
    )


def _numbers(columns: Columns, column: str, label: str) -> tuple[Array, Array] | None:
    """Known true values and predictions; None where these are no numbers."""
    truth, predicted = columns[label], columns[column]
    if predicted.dtype.kind != "f" or truth.dtype.kind not in "fib":
        return None
    known = ~(is_missing(truth) | is_missing(predicted))
    return truth[known].astype(float), predicted[known]


def _bias(truth: Array, predicted: Array) -> float:
    return float(np.mean(predicted - truth))


def _is_beyond_chance(truth: Array, predicted: Array, *, is_flag: bool) -> bool:
    bias = _bias(truth, predicted)
    error = float(np.std(predicted - truth) / np.sqrt(len(truth)))
    scale = 1.0 if is_flag else float(np.std(truth))
    return abs(bias) > _STANDARD_ERRORS * error and abs(bias) > _LEAST_BIAS * scale


def _deciles(truth: Array, predicted: Array) -> list[dict[str, float | int]]:
    """Mean prediction and mean outcome of ten equal parts of the rows, by rising prediction."""
    order = np.argsort(predicted, kind="stable")
    rows = [part for part in np.array_split(order, 10) if len(part)]
    return [
        {
            "part": number,
            "rows": len(part),
            "predicted": float(np.mean(predicted[part])),
            "observed": float(np.mean(truth[part].astype(float))),
        }
        for number, part in enumerate(rows, start=1)
    ]
