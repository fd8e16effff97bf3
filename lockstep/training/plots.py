"""Plots of predictions against labels, drawn by scikit-learn's displays; and the same as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import counted
from lockstep.project.quality import METRICS, Quality

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CLASSES = 20
_MOST_POINTS = 2_000
_MOST_FEATURES = 20


def quality_plot(quality: Quality, columns: Columns) -> Figure:
    """Plot a prediction against its label, by what the metric measures.

    For probabilities and other scores, the ROC curve, precision by recall and the calibration,
    where they are defined; for classes, the confusion matrix; for amounts, the label over the
    prediction.
    """
    truth, predicted = quality.known(columns)
    title = f"{quality.column} against {quality.label}, {counted(len(truth), 'row')}"
    if not len(truth):
        return _figure(title)
    measures = METRICS[quality.metric].measures
    if measures == "amounts":
        return _amounts(_figure(title, 1), truth, predicted)
    if measures == "classes":
        return _classes(_figure(title, 1), truth.astype(predicted.dtype), predicted)
    return _scores(title, quality.column, truth.astype(bool), predicted)


def importance_plot(quality: Quality, importance: Mapping[str, float]) -> Figure:
    """Plot the most important features."""
    largest = sorted(importance.items(), key=lambda each: each[1])[-_MOST_FEATURES:]
    figure = _figure(f"What {quality.column} relies on", 1)
    axes = figure.axes[0]
    axes.barh([name for name, _ in largest], [loss for _, loss in largest])
    axes.set_xlabel(f"how much worse {quality.metric} is where it is shuffled")
    return figure


def quality_table(quality: Quality, columns: Columns) -> list[dict[str, Any]]:
    """A prediction beside its label, by tenths of the rows, the lowest predictions first.

    There is none for classes, which have no order. Rows without a label are left out.
    """
    if METRICS[quality.metric].measures == "classes":
        return []
    truth, predicted = quality.known(columns)
    parts = np.array_split(np.argsort(predicted, kind="stable"), 10)
    rows = [
        (float(predicted[part].mean()), float(truth[part].mean())) for part in parts if len(part)
    ]
    most = max((abs(label) for _, label in rows), default=0.0) or 1.0
    return [
        {"predicted": prediction, "came true": label, "▇": "▇" * round(20 * abs(label) / most)}
        for prediction, label in rows
    ]


def _figure(title: str, plots: int = 0) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * max(plots, 1), 4.5), layout="constrained")
    figure.suptitle(title)
    for number in range(plots):
        figure.add_subplot(1, plots, number + 1)
    return figure


def _scores(title: str, name: str, truth: Array, predicted: Array) -> Figure:
    from sklearn.calibration import CalibrationDisplay
    from sklearn.metrics import PrecisionRecallDisplay, RocCurveDisplay

    has_both = len(np.unique(truth)) == 2
    are_probabilities = bool(predicted.min() >= 0 and predicted.max() <= 1)
    figure = _figure(title, 2 * has_both + are_probabilities)
    axes = iter(figure.axes)
    if has_both:
        RocCurveDisplay.from_predictions(
            truth, predicted, pos_label=True, name=name, plot_chance_level=True, ax=next(axes)
        )
        PrecisionRecallDisplay.from_predictions(
            truth, predicted, pos_label=True, name=name, plot_chance_level=True, ax=next(axes)
        )
    if are_probabilities:
        CalibrationDisplay.from_predictions(
            truth,
            predicted,
            n_bins=10,
            strategy="quantile",
            pos_label=True,
            name=name,
            ax=next(axes),
        )
    return figure


def _amounts(figure: Figure, truth: Array, predicted: Array) -> Figure:
    from sklearn.metrics import PredictionErrorDisplay

    PredictionErrorDisplay.from_predictions(
        truth,
        predicted,
        kind="actual_vs_predicted",
        subsample=min(_MOST_POINTS, len(truth)),
        random_state=0,
        ax=figure.axes[0],
        scatter_kwargs={"alpha": 0.3, "s": 8},
    )
    return figure


def _classes(figure: Figure, truth: Array, predicted: Array) -> Figure:
    from sklearn.metrics import ConfusionMatrixDisplay

    commonest = pd.Series(np.r_[truth, predicted]).value_counts().index[:_MOST_CLASSES]
    ConfusionMatrixDisplay.from_predictions(
        truth,
        predicted,
        labels=sorted(commonest),
        cmap="Blues",
        colorbar=False,
        xticks_rotation=45,
        ax=figure.axes[0],
    )
    return figure
