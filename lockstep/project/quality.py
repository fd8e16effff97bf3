"""Quality of predictions against labels, overall and by slice."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd

from lockstep.columns.estimator_fitting import estimator_of
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Model
from lockstep.columns.plain import did_you_mean, one_line
from lockstep.columns.setting_checks import Allowed, declaration, demand_setting
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import DeclarationError, InputError

FEWEST_ROWS = 200
"""The smallest slice that is measured."""
Measured = Literal["scores", "probabilities", "classes", "amounts"]


@dataclass(frozen=True)
class Metric:
    """A metric of predictions: a function of `sklearn.metrics`."""

    function: str | Callable[..., float]  # its name there, or the function
    # the kind of predictions: scores that order rows, probabilities of True, classes, or
    # amounts
    measures: Measured
    higher_is_better: bool
    options: Mapping[str, Any] = field(default_factory=dict)
    sign: int = 1  # -1 where the metric is the negative of what the function returns
    least: int = 1  # the fewest different true values of which it is defined

    @classmethod
    def of_scorer(cls, name: str) -> Metric:
        """A scorer of scikit-learn's as a metric: higher is better."""
        from sklearn.metrics import get_scorer, get_scorer_names

        if name not in get_scorer_names():
            raise KeyError(name)
        scorer = get_scorer(name)
        return cls(
            scorer._score_func,
            _measured(scorer),
            higher_is_better=True,
            options=scorer._kwargs,
            sign=scorer._sign,
            least=2,
        )

    @cached_property
    def span(self) -> tuple[float, float]:
        """The least and the largest value that it can have; infinite where no bound is known.

        It is measured on examples, from right to wrong as can be. An extreme that is the same on
        all of them is a bound: 1 of R2, which falls without end. So is 0, where nothing is beyond.
        """
        values = [self._values(truth, wrong) for truth, wrong in _EXAMPLES[self.measures]]
        if not all(values):
            return -np.inf, np.inf
        least, largest = (np.array([end(each) for each in values]) for end in (min, max))
        low = _common(least, beyond=-np.inf, is_bounded=bool(least.min() >= 0))
        high = _common(largest, beyond=np.inf, is_bounded=bool(largest.max() <= 0))
        return (low, high) if low < high else (-np.inf, np.inf)

    def can_be(self, value: float) -> bool:
        """Whether it can have a value.

        From 0 to 1 is in the span of all but negatives, which saves most from measuring theirs.
        """
        low, high = (0.0, 1.0) if self.sign > 0 and 0 <= value <= 1 else self.span
        return low <= value <= high

    def _values(self, truth: Array, predictions: Iterable[Array]) -> list[float]:
        """The metric of predictions of the same truth, where it is defined."""
        values = []
        for predicted in predictions:
            with suppress(ValueError):
                values.append(self.compute(truth, predicted))
        return [value for value in values if not np.isnan(value)]

    @property
    def worst(self) -> float:
        """The worst value that it can have; infinite where there is none."""
        return self.span[0] if self.higher_is_better else self.span[1]

    def compute(self, truth: Array, predicted: Array) -> float:
        """The metric of predictions and true values, none missing.

        Raises:
            ValueError: It is not defined of these.
        """
        from sklearn import metrics
        from sklearn.exceptions import UndefinedMetricWarning

        function: Any = self.function
        if isinstance(function, str):
            function = getattr(metrics, function)
        with warnings.catch_warnings():
            # a class that nothing is predicted to be has no precision: scikit-learn says 0
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            return self.sign * float(function(truth, predicted, **self.options))


def _measured(scorer: Any) -> Measured:
    """The kind of predictions of a scorer, by what it asks an estimator for."""
    asks = scorer._response_method
    if asks == "predict_proba":
        return "probabilities"
    if asks != "predict":
        return "scores"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            scorer._score_func([0.25, 1.5, 2.5], [0.5, 1.5, 2.25], **scorer._kwargs)
        except (ValueError, Warning):  # numbers that are no classes
            return "classes"
    return "amounts"


def _common(ends: Array, *, beyond: float, is_bounded: bool) -> float:
    """The extreme of a metric, by its extremes on examples."""
    if np.allclose(ends, ends[0]):
        return float(np.round(ends[0], 12)) + 0.0
    return 0.0 if is_bounded else beyond


def _of_classes(*truth: bool) -> tuple[Array, list[Array]]:
    """True classes, with all predictions that are sure of one class in each row."""
    sure = list(product((0.0, 1.0), repeat=len(truth)))
    return np.array(truth), [np.array(row) for row in sure]


def _of_amounts(factor: float) -> tuple[Array, list[Array]]:
    """True amounts, with predictions that are right, and that are off by a factor."""
    truth = np.array([1.0, 2.0, 4.0, 8.0])
    return truth, [truth, truth * factor, truth / factor]


_CLASSES = (_of_classes(False, False, True, True), _of_classes(False, True, True, True, True))
_EXAMPLES: Mapping[Measured, Sequence[tuple[Array, list[Array]]]] = {
    "scores": _CLASSES,
    "probabilities": _CLASSES,
    "classes": [(truth, [row > 0 for row in rows]) for truth, rows in _CLASSES],
    "amounts": (_of_amounts(10.0), _of_amounts(1_000.0)),
}
"""True values and predictions to measure the span of a metric on, by what it measures."""


class _Metrics(dict[str, Metric]):
    """Metrics by name; scorers of scikit-learn's are added when they are asked for."""

    def __missing__(self, name: str) -> Metric:
        self[name] = metric = Metric.of_scorer(name)
        return metric


METRICS = _Metrics(
    auc=Metric("roc_auc_score", "scores", higher_is_better=True, least=2),
    log_loss=Metric(
        "log_loss",
        "probabilities",
        higher_is_better=False,
        options={"labels": [False, True]},
    ),
    brier=Metric(
        "brier_score_loss",
        "probabilities",
        higher_is_better=False,
        options={"pos_label": True},
    ),
    accuracy=Metric("accuracy_score", "classes", higher_is_better=True),
    mae=Metric("mean_absolute_error", "amounts", higher_is_better=False),
    rmse=Metric("root_mean_squared_error", "amounts", higher_is_better=False),
)
"""Metrics by name: area under the ROC curve, logarithmic loss, Brier score (Brier 1950), share
of right classes, mean absolute error and root mean square error (in the label's unit)."""

SHORT_NAMES = tuple(METRICS)
"""The metrics with names of our own; any name of `sklearn.metrics.get_scorer_names` is one too."""

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


@declaration
@dataclass(frozen=True)
class Quality:
    """A demand on a prediction.

    Attributes:
        column: The prediction: a model's column or an output.
        label: The label that it predicts.
        metric: One of `METRICS`, or any scorer of scikit-learn's, such as `average_precision`.
        threshold: Least value of the metric, or largest where lower is better.
    """

    column: str
    label: str
    metric: str
    threshold: Annotated[float, Allowed(meant="a number, such as 0.85")]

    def __post_init__(self) -> None:
        try:
            METRICS[self.metric]
        except KeyError:
            from sklearn.metrics import get_scorer_names

            hint = did_you_mean(self.metric, [*SHORT_NAMES, *get_scorer_names()])
            raise DeclarationError(
                f"quality of {self.column}: {self.metric!r} is no metric; use one of "
                f"{', '.join(SHORT_NAMES)}, or a scorer of scikit-learn's "
                f"(sklearn.metrics.get_scorer_names()).{hint}"
            ) from None
        metric = METRICS[self.metric]
        if not metric.can_be(self.threshold):
            low, high = metric.span
            between = f"a value between: {self.metric} goes from {low:g} to {high:g}"
            demand_setting(False, "Quality: threshold", self.threshold, between)

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
            for name in SHORT_NAMES
            if _misfit(METRICS[name].measures, graph, self.column, self.label) is None
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

        Raises:
            InputError: A probability is below 0 or above 1, or the metric is not defined of such
                labels, as F1 of three classes.
        """
        truth, predicted = self.known(columns)
        metric = METRICS[self.metric]
        if not len(truth) or (metric.least > 1 and len(set(truth.tolist())) < metric.least):
            return float("nan")
        if metric.measures == "probabilities" and ((predicted < 0) | (predicted > 1)).any():
            raise InputError(
                f"quality of {self.column}: {self.metric} measures probabilities, but it goes from "
                f"{predicted.min():g} to {predicted.max():g}."
            )
        try:
            return metric.compute(truth, predicted)
        except ValueError as error:
            raise InputError(
                f"quality of {self.column}: {self.metric} cannot be computed of {self.label}: "
                f"{one_line(str(error))}."
            ) from error

    def is_met(self, value: float) -> bool:
        """Whether a measured value reaches the threshold; NaN does not."""
        return self.is_no_worse(value, self.threshold)

    def can_be_missed(self, columns: Columns) -> bool:
        """Whether predictions as wrong as they can be would miss the threshold."""
        truth = columns[self.label]
        known = truth[~is_missing(truth)]
        metric = METRICS[self.metric]
        if np.isfinite(metric.worst):
            return not self.is_met(metric.worst)
        if len(set(known.tolist())) < metric.least:
            return True  # nothing is measured: that says so itself
        try:
            worst = metric.compute(known, self._worst(known))
        except ValueError:
            return True
        return not self.is_met(worst)

    def _worst(self, truth: Array) -> Array:
        """Predictions that are as wrong as can be: the other class, or off by the whole range."""
        if METRICS[self.metric].measures == "amounts":
            amounts = truth.astype(float)
            return np.asarray(amounts + np.ptp(amounts))
        classes, places = np.unique(truth, return_inverse=True)
        if METRICS[self.metric].measures == "classes":
            return np.asarray(classes[(places + 1) % len(classes)])
        return np.asarray(truth != classes[-1], dtype=float)

    def is_no_worse(self, value: float, other: float) -> bool:
        """Whether a measured value is at least as good as another; NaN is not."""
        if METRICS[self.metric].higher_is_better:
            return value >= other
        return value <= other


def standard_qualities(graph: Graph) -> list[Quality]:
    """Every metric of `SHORT_NAMES` that measures a model against its label, without a demand."""
    return [
        Quality(model, label, name, METRICS[name].worst)
        for model in graph.models
        if (label := graph.nodes[model].learns) is not None
        for name in SHORT_NAMES
        if (METRICS[name].measures == "amounts") == _is_amount(graph, model)
        and _misfit(METRICS[name].measures, graph, model, label) is None
    ]


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
    return isinstance(column, Model) and not is_classifier(estimator_of(column))


def by_slice(
    quality: Quality, columns: Columns, names: tuple[str, ...], at_least: int = FEWEST_ROWS
) -> list[dict[str, Any]]:
    """The metric of each slice with enough rows, the worst first."""
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
