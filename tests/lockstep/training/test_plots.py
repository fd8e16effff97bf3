"""Plots of predictions against labels: each metric has one, whatever rows there are."""

from io import BytesIO

import numpy as np
import pytest

from lockstep.project.quality import Quality
from lockstep.training.plots import quality_plot

P = np.linspace(0, 1, 100)
LATE = np.arange(100) % 3 == 0
TEXTS = np.array(["a", None] * 50, dtype=object)
NO_LABEL = np.full(100, np.nan)
ROC, CALIBRATION = "False Positive Rate (Positive label: True)", "Mean predicted probability"


def axes_of(metric: str, truth: np.ndarray, predicted: np.ndarray) -> list[str]:
    """What the plots of a figure, drawn to the end, have on their x axes."""
    quality = Quality("p", "y", metric, threshold=0.5)
    figure = quality_plot(quality, {"y": truth, "p": predicted})
    figure.savefig(BytesIO(), format="png")
    return [axes.get_xlabel() for axes in figure.axes]


@pytest.mark.parametrize(
    ("metric", "truth", "predicted", "drawn"),
    [
        ("auc", LATE, P, [ROC, f"{CALIBRATION} (Positive class: True)"]),
        ("auc", LATE, P * 9, [ROC]),
        ("brier", LATE | True, P, [f"{CALIBRATION} (Positive class: True)"]),
        ("auc", np.where(P < 0.1, np.nan, LATE), P * 9, [ROC]),
        ("mae", P * 9, P * 10, ["Predicted values"]),
        ("mae", NO_LABEL, P, []),
        ("accuracy", LATE, P > 0.5, ["Predicted label"]),
        ("accuracy", np.floor(P * 3), (P * 4).astype(int), ["Predicted label"]),
        ("accuracy", TEXTS, np.where(P < 0.5, "a", "b").astype(object), ["Predicted label"]),
    ],
    ids=[
        "probabilities",
        "scores that are no probabilities",
        "one class alone",
        "a label that may be missing",
        "amounts",
        "no label yet",
        "true or false",
        "numbered classes",
        "named classes",
    ],
)
def test_a_metric_has_the_plots_that_its_predictions_can_give(
    metric: str, truth: np.ndarray, predicted: np.ndarray, drawn: list[str]
) -> None:
    assert axes_of(metric, truth, predicted) == drawn


def test_of_many_classes_the_commonest_twenty_are_drawn() -> None:
    names = np.array([f"class {number % 30}" for number in range(3_000)], dtype=object)
    figure = quality_plot(Quality("p", "y", "accuracy", 0.5), {"y": names, "p": names})
    assert len(figure.axes[0].get_xticklabels()) == 20
