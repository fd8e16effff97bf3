"""Quality of predictions against labels, overall and by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Model
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import DeclarationError, InputError
from lockstep.project.keywords import known_keywords

Measured = Literal["scores", "probabilities", "classes", "amounts"]


@dataclass(frozen=True)
class Metric:
    """A metric of predictions: a function of `sklearn.metrics`.

    Attributes:
        function: Its name there.
        measures: The kind of predictions: scores that order rows, probabilities of True, classes,
            or amounts.
        higher_is_better: Whether a higher value is better.
        options: Further arguments of the function.
        most: Its largest possible value; the least one is 0.
    """

    function: str
    measures: Measured
    higher_is_better: bool
    options: Mapping[str, Any] = field(default_factory=dict)
    most: float = np.inf

    def compute(self, truth: Array, predicted: Array) -> float:
        """The metric of predictions and true values, none missing."""
        from sklearn import metrics

        return float(getattr(metrics, self.function)(truth, predicted, **self.options))


METRICS = {
    "auc": Metric("roc_auc_score", "scores", higher_is_better=True, most=1.0),
    "log_loss": Metric(
        "log_loss", "probabilities", higher_is_better=False, options={"labels": [False, True]}
    ),
    "brier": Metric(
        "brier_score_loss",
        "probabilities",
        higher_is_better=False,
        options={"pos_label": True},
        most=1.0,
    ),
    "accuracy": Metric("accuracy_score", "classes", higher_is_better=True, most=1.0),
    "mae": Metric("mean_absolute_error", "amounts", higher_is_better=False),
    "rmse": Metric("root_mean_squared_error", "amounts", higher_is_better=False),
}
"""Metrics by name: area under the ROC curve, logarithmic loss, Brier score (Brier 1950), share
of right classes, mean absolute error and root mean square error (in the label's unit)."""

_WORST = {"auc": 0.0, "log_loss": -np.log(np.finfo(np.float64).eps), "brier": 1.0, "accuracy": 0.0}
"""Metrics of predictions that are as wrong as can be; scikit-learn's logarithmic loss clips
probabilities at this distance from 0."""

_LABELS: Mapping[Measured, tuple[Kind, ...]] = {
    "scores": (Kind.BOOL,),
    "probabilities": (Kind.BOOL,),
    "classes": (Kind.BOOL, Kind.INT, Kind.TEXT),
    "amounts": (Kind.FLOAT, Kind.INT),
}
_PREDICTIONS: Mapping[Measured, tuple[Kind, ...]] = {
    "scores": (Kind.FLOAT, Kind.INT),
    "probabilities": (Kind.FLOAT,),
    "classes": (Kind.BOOL, Kind.INT, Kind.TEXT),
    "amounts": (Kind.FLOAT, Kind.INT),
}
"""Kinds of labels and of predictions that fit each kind of metric."""


@known_keywords
@dataclass(frozen=True)
class Quality:
    """A demand on a prediction.

    Attributes:
        column: The prediction: a model's column or an output.
        label: The label that it predicts.
        metric: One of `METRICS`.
        threshold: Least value of the metric, or largest where lower is better.
    """

    column: str
    label: str
    metric: str
    threshold: float

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise DeclarationError(
                f"quality of {self.column}: {self.metric!r} is no metric; use one of "
                f"{', '.join(METRICS)}."
            )

    @property
    def title(self) -> str:
        """The prediction and the metric, such as `late_probability auc`."""
        return f"{self.column} {self.metric}"

    @property
    def rule(self) -> str:
        """The demand, such as `at least 0.6`."""
        way = "at least" if METRICS[self.metric].higher_is_better else "at most"
        return f"{way} {self.threshold:g}"

    def check_fit(self, graph: Graph) -> None:
        """Check that the metric can measure this column against this label.

        Raises:
            DeclarationError: It cannot; the message names the metrics that can.
        """
        wrong = _misfit(METRICS[self.metric].measures, graph, self.column, self.label)
        if wrong is None:
            return
        fitting = [
            name
            for name, metric in METRICS.items()
            if _misfit(metric.measures, graph, self.column, self.label) is None
        ]
        instead = f"use {' or '.join(fitting)}" if fitting else "name another column or label"
        raise DeclarationError(f"quality of {self.column}: {self.metric} {wrong}; {instead}.")

    def known(self, columns: Columns) -> tuple[Array, Array]:
        """The true values and the predictions of the rows that have both."""
        truth, predicted = columns[self.label], columns[self.column]
        known = ~(is_missing(truth) | is_missing(predicted))
        return truth[known], predicted[known]

    def measure(self, columns: Columns) -> float:
        """The metric over rows whose label is known; NaN where it is undefined.

        Args:
            columns: The label and the prediction.

        Raises:
            InputError: A probability is below 0 or above 1.
        """
        truth, predicted = self.known(columns)
        metric = METRICS[self.metric]
        if not len(truth) or (metric.measures == "scores" and len(np.unique(truth)) < 2):
            return float("nan")
        if metric.measures == "probabilities" and ((predicted < 0) | (predicted > 1)).any():
            raise InputError(
                f"quality of {self.column}: {self.metric} measures probabilities, but it goes from "
                f"{predicted.min():g} to {predicted.max():g}."
            )
        return metric.compute(truth, predicted)

    def is_met(self, value: float) -> bool:
        """Whether a measured value reaches the threshold; NaN does not."""
        return self.is_no_worse(value, self.threshold)

    def can_be_missed(self, columns: Columns) -> bool:
        """Whether predictions as wrong as they can be would miss the threshold.

        Args:
            columns: The label of the measured rows.
        """
        truth = columns[self.label]
        known = truth[~is_missing(truth)]
        if METRICS[self.metric].measures == "amounts":
            return not (len(known) and self.is_met(float(np.ptp(known.astype(float)))))
        return not self.is_met(_WORST[self.metric])

    def is_no_worse(self, value: float, other: float) -> bool:
        """Whether a measured value is at least as good as another; NaN is not."""
        if METRICS[self.metric].higher_is_better:
            return value >= other
        return value <= other


def _misfit(measures: Measured, graph: Graph, column: str, label: str) -> str | None:
    """Why a column cannot be measured against a label as this kind; None if it can."""
    held, truth = graph.kind(column), graph.kind(label)
    if held not in _PREDICTIONS[measures]:
        return (
            f"needs {_any_of(_PREDICTIONS[measures])} to measure, and {column} holds {held.alias}"
        )
    if truth not in _LABELS[measures] and (
        measures == "amounts" or not _holds_classes(graph, label)
    ):
        return f"needs a label of {_any_of(_LABELS[measures])}, and {label} holds {truth.alias}"
    if measures in ("scores", "probabilities") and _is_amount(graph, column):
        return f"measures {measures}, and {column} is an amount that a regressor predicts"
    return None


def _any_of(kinds: Iterable[Kind]) -> str:
    return " or ".join(kind.alias for kind in kinds)


def _holds_classes(graph: Graph, label: str) -> bool:
    """Whether a label's numbers are classes: only a classifier that learns it tells."""
    learners = [name for name in graph.models if graph.nodes[name].learns == label]
    return graph.kind(label) is Kind.FLOAT and not all(
        _is_amount(graph, learner) for learner in learners
    )


def _is_amount(graph: Graph, name: str) -> bool:
    from sklearn.base import is_classifier

    column = graph.columns.get(name)
    return isinstance(column, Model) and not is_classifier(column.make())


def by_slice(
    quality: Quality, columns: Columns, names: tuple[str, ...], at_least: int = 200
) -> list[dict[str, Any]]:
    """The metric of each slice with enough rows, the worst first.

    Args:
        quality: The demand to measure.
        columns: Labels, predictions and the columns to slice by.
        names: The columns to slice by.
        at_least: Smallest number of rows of a slice.
    """
    needed = {name: columns[name] for name in (quality.label, quality.column)}
    slices = []
    for name in names:
        codes, values = pd.factorize(columns[name], use_na_sentinel=False)
        counts = np.bincount(codes, minlength=len(values))
        parts = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
        for value, rows in zip(values.tolist(), parts, strict=True):
            if len(rows) < at_least:
                continue
            measured = quality.measure(take_rows(needed, rows))
            if not np.isnan(measured):
                slices.append(
                    {"slice": f"{name} = {value}", "rows": len(rows), quality.title: measured}
                )
    better_last = METRICS[quality.metric].higher_is_better
    return sorted(slices, key=lambda row: row[quality.title], reverse=not better_last)
