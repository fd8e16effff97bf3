"""Plots of how well predictions agree with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.rows import is_missing
from lockstep.project.quality import Quality
from lockstep.scoring.outcomes import deciles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def quality_plot(quality: Quality, columns: Columns) -> Figure:
    """One plot of a prediction against its label: calibration, amounts or classes.

    Args:
        quality: Which prediction and which label.
        columns: Both, row by row.
    """
    truth, predicted = columns[quality.label], columns[quality.column]
    known = ~(is_missing(truth) | is_missing(predicted))
    truth, predicted = truth[known], predicted[known]
    if truth.dtype == bool and predicted.dtype.kind == "f":
        return _calibration_plot(quality, truth, predicted)
    if truth.dtype.kind in "fi":
        return _amounts_plot(quality, truth, predicted)
    return _classes_plot(quality, truth, predicted)


def _figure(title: str, x: str, y: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _calibration_plot(quality: Quality, truth: Array, predicted: Array) -> Figure:
    figure, axes = _figure(
        f"Does {quality.column} mean what it says?",
        f"mean {quality.column} of a tenth of the rows",
        f"share that was {quality.label}",
    )
    points = deciles(truth, predicted)
    draw = axes.plot
    draw([0, 1], [0, 1], color="grey", linestyle="--", label="perfect")
    draw(
        [p["predicted"] for p in points], [p["observed"] for p in points], marker="o", label="seen"
    )
    axes.legend()
    return figure


def _amounts_plot(quality: Quality, truth: Array, predicted: Array) -> Figure:
    figure, axes = _figure(
        f"{quality.column} against {quality.label}",
        f"mean {quality.column} of a tenth of the rows",
        f"mean {quality.label}",
    )
    points = deciles(truth, predicted)
    x = [p["predicted"] for p in points]
    draw = axes.plot
    draw(x, x, color="grey", linestyle="--", label="perfect")
    draw(x, [p["observed"] for p in points], marker="o", label="seen")
    axes.legend()
    return figure


def _classes_plot(quality: Quality, truth: Array, predicted: Array) -> Figure:
    classes = sorted({str(value) for value in (*truth.tolist(), *predicted.tolist())})[:20]
    counts = np.array(
        [
            [np.sum((truth.astype(str) == t) & (predicted.astype(str) == p)) for p in classes]
            for t in classes
        ]
    )
    figure, axes = _figure(f"{quality.column} against {quality.label}", "predicted", "true")
    axes.imshow(counts, cmap="Blues")
    axes.set_xticks(range(len(classes)), classes, rotation=45)
    axes.set_yticks(range(len(classes)), classes)
    axes.grid(visible=False)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, str(count), ha="center", va="center")
    return figure
