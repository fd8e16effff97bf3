"""Plots of predictions against labels: each metric has one, whatever rows there are."""

from io import BytesIO

import numpy as np
import pytest

from lockstep.project.quality import Quality
from lockstep.training.plots import importance_plot, quality_plot, quality_table

P = np.linspace(0, 1, 100)
LATE = np.arange(100) % 3 == 0
TEXTS = np.array(["a", None] * 50, dtype=object)
NO_LABEL = np.full(100, np.nan)
ROC, CALIBRATION = "False Positive Rate (Positive label: True)", "Mean predicted probability"
RECALL = "Recall (Positive label: True)"


def axes_of(metric: str, truth: np.ndarray, predicted: np.ndarray) -> list[str]:
    """What the plots of a figure, drawn to the end, have on their x axes."""
    quality = Quality("p", "y", metric, threshold=0.5)
    figure = quality_plot(quality, {"y": truth, "p": predicted})
    figure.savefig(BytesIO(), format="png")
    return [axes.get_xlabel() for axes in figure.axes]


@pytest.mark.parametrize(
    ("metric", "truth", "predicted", "drawn"),
    [
        ("auc", LATE, P, [ROC, RECALL, f"{CALIBRATION} (Positive class: True)"]),
        ("auc", LATE, P * 9, [ROC, RECALL]),
        ("brier", LATE | True, P, [f"{CALIBRATION} (Positive class: True)"]),
        ("auc", np.where(P < 0.1, np.nan, LATE), P * 9, [ROC, RECALL]),
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


def test_the_most_important_features_are_drawn() -> None:
    losses = {f"feature {number}": number / 100 for number in range(30)}
    figure = importance_plot(Quality("p", "y", "auc", 0.5), losses)
    figure.savefig(BytesIO(), format="png")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"feature {number}" for number in range(10, 30)]


def test_a_table_has_what_came_true_by_tenths_of_the_predictions() -> None:
    rows = quality_table(Quality("p", "y", "auc", 0.5), {"y": P > 0.5, "p": P})
    assert [row["came true"] for row in rows] == [0.0] * 5 + [1.0] * 5
    assert [len(row["▇"]) for row in rows] == [0] * 5 + [20] * 5


def test_a_table_of_amounts_may_hold_losses() -> None:
    rows = quality_table(Quality("p", "y", "mae", 0.5), {"y": P * 4 - 2, "p": P})
    assert [len(row["▇"]) for row in rows] == [20, 16, 11, 7, 2, 2, 7, 11, 16, 20]


@pytest.mark.parametrize("metric", ["auc", "accuracy", "mae"])
def test_a_table_without_labels_has_no_rows(metric: str) -> None:
    columns = {"y": np.full(3, np.nan), "p": np.arange(3.0)}
    assert quality_table(Quality("p", "y", metric, 0.5), columns) == []
