"""Plots of predictions against labels, drawn by scikit-learn's displays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import counted
from lockstep.project.quality import METRICS, Quality

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_CLASSES = 20
_MOST_POINTS = 2_000


def quality_plot(quality: Quality, columns: Columns) -> Figure:
    """Plot a prediction against its label, by what the metric measures.

    For probabilities and other scores, the ROC curve and the calibration, where they are defined;
    for classes, the confusion matrix; for amounts, the label over the prediction.

    Args:
        quality: The demand, with the prediction, its label and the metric.
        columns: Prediction and label, row by row; rows without a label are left out.
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


def _figure(title: str, plots: int = 0) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * max(plots, 1), 4.5), layout="constrained")
    figure.suptitle(title)
    for number in range(plots):
        figure.add_subplot(1, plots, number + 1)
    return figure


def _scores(title: str, name: str, truth: Array, predicted: Array) -> Figure:
    from sklearn.calibration import CalibrationDisplay
    from sklearn.metrics import RocCurveDisplay

    has_both = len(np.unique(truth)) == 2
    are_probabilities = bool(predicted.min() >= 0 and predicted.max() <= 1)
    figure = _figure(title, has_both + are_probabilities)
    axes = iter(figure.axes)
    if has_both:
        RocCurveDisplay.from_predictions(
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
