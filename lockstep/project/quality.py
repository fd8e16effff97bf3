"""Quality: how well predictions agree with labels, overall and by slice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.errors import DeclarationError
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.rows import is_missing


@dataclass(frozen=True)
class Metric:
    """One way to measure predictions.

    Attributes:
        compute: From true values and predictions, without missing ones, to a figure.
        higher_is_better: Which way is up.
        needs_both: Whether it is undefined unless both outcomes occur.
    """

    compute: Callable[[Array, Array], float]
    higher_is_better: bool
    needs_both: bool = False


def _auc(truth: Array, predicted: Array) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, predicted))


def _log_loss(truth: Array, predicted: Array) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(truth, predicted, labels=[False, True]))


def _brier(truth: Array, predicted: Array) -> float:
    return float(np.mean((predicted - truth.astype(float)) ** 2))


def _accuracy(truth: Array, predicted: Array) -> float:
    return float(np.mean(truth == predicted))


def _mae(truth: Array, predicted: Array) -> float:
    return float(np.mean(np.abs(truth - predicted)))


def _rmse(truth: Array, predicted: Array) -> float:
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


METRICS = {
    "auc": Metric(_auc, higher_is_better=True, needs_both=True),
    "log_loss": Metric(_log_loss, higher_is_better=False),
    "brier": Metric(_brier, higher_is_better=False),
    "accuracy": Metric(_accuracy, higher_is_better=True),
    "mae": Metric(_mae, higher_is_better=False),
    "rmse": Metric(_rmse, higher_is_better=False),
}
"""Metrics by name: area under the ROC curve, logarithmic loss, Brier score (Brier 1950), share
of right classes, mean absolute error and root mean square error (in the label's unit)."""


@dataclass(frozen=True)
class Quality:
    """A demand on a prediction.

    Attributes:
        column: The prediction: a model's column or an output.
        label: What it predicts.
        metric: One of `METRICS`.
        threshold: What the metric must reach: at least, or at most, as the metric goes.
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
        """What is measured, such as `late_probability auc`."""
        return f"{self.column} {self.metric}"

    @property
    def rule(self) -> str:
        """What is demanded, such as `at least 0.6`."""
        way = "at least" if METRICS[self.metric].higher_is_better else "at most"
        return f"{way} {self.threshold:g}"

    def measure(self, columns: Columns, prediction: Array | None = None) -> float:
        """The metric over rows whose label is known; NaN where it is undefined.

        Args:
            columns: The label and, unless it is given apart, the prediction.
            prediction: Another prediction of the same rows to measure instead.
        """
        truth = columns[self.label]
        predicted = columns[self.column] if prediction is None else prediction
        known = ~(is_missing(truth) | is_missing(predicted))
        truth, predicted = truth[known], predicted[known]
        metric = METRICS[self.metric]
        if not len(truth) or (metric.needs_both and len(set(truth.tolist())) < 2):
            return float("nan")
        return metric.compute(truth, predicted)

    def is_met(self, value: float) -> bool:
        """Whether a measured value reaches the threshold; NaN does not."""
        return self.is_no_worse(value, self.threshold)

    def is_no_worse(self, value: float, other: float) -> bool:
        """Whether one measured value is at least as good as another; NaN is not."""
        if METRICS[self.metric].higher_is_better:
            return value >= other
        return value <= other


def by_slice(
    quality: Quality, columns: Columns, names: tuple[str, ...], at_least: int = 200
) -> list[dict[str, Any]]:
    """The metric of each slice that has enough rows to measure, the worst first.

    Args:
        quality: What to measure.
        columns: Labels, predictions and the columns to slice by.
        names: The columns to slice by.
        at_least: Smallest number of rows of a slice.
    """
    found = []
    for name in names:
        for value in sorted(set(columns[name].tolist()), key=str):
            rows = np.array([one == value for one in columns[name].tolist()], dtype=bool)
            if rows.sum() < at_least:
                continue
            part = {column: columns[column][rows] for column in (quality.label, quality.column)}
            measured = quality.measure(part)
            if not np.isnan(measured):
                found.append(
                    {"slice": f"{name} = {value}", "rows": int(rows.sum()), quality.title: measured}
                )
    better_last = METRICS[quality.metric].higher_is_better
    return sorted(found, key=lambda row: row[quality.title], reverse=not better_last)


def simple_baseline(features: Columns, target: Array, metric: str) -> Callable[[Columns], Array]:
    """A far simpler model: numbers only, means for what is missing, a linear model.

    Args:
        features: Feature columns; texts and times are left out.
        target: Labels of the same rows, none missing.
        metric: What will be measured: it decides between amounts, classes and probabilities.

    Returns:
        A function from feature columns to predictions.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    of_amounts = metric in ("mae", "rmse")
    names = [name for name, array in features.items() if array.dtype.kind in "fib"]
    linear = Ridge() if of_amounts else LogisticRegression(max_iter=200)
    constant = DummyRegressor() if of_amounts else DummyClassifier()
    imputer = SimpleImputer(keep_empty_features=True)
    estimator: Any = make_pipeline(imputer, StandardScaler(), linear) if names else constant

    def numbers(columns: Columns) -> Array:
        rows = len(next(iter(columns.values())))
        return np.array([columns[name].astype(float) for name in names]).T.reshape(rows, len(names))

    estimator.fit(numbers(features), target.astype(str) if target.dtype == object else target)

    def predict(columns: Columns) -> Array:
        if of_amounts:
            return np.asarray(estimator.predict(numbers(columns)), dtype=float)
        if metric == "accuracy":
            return np.asarray(estimator.predict(numbers(columns))).astype(target.dtype)
        return np.asarray(estimator.predict_proba(numbers(columns))[:, -1])

    return predict
