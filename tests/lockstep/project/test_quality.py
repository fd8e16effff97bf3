"""Quality: metrics, thresholds, slices and the simple baseline."""

import numpy as np
import pytest

from lockstep.columns.errors import DeclarationError
from lockstep.project.quality import METRICS, Quality, by_slice, simple_baseline

AUC = Quality("p", "late", "auc", threshold=0.6)


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DeclarationError, match="'f1' is no metric; use one of auc"):
        Quality("p", "late", "f1", threshold=0.5)


@pytest.mark.parametrize(
    ("metric", "truth", "predicted", "value"),
    [
        ("auc", [False, True, True, False], [0.1, 0.9, 0.4, 0.5], 0.75),
        ("brier", [False, True], [0.5, 0.5], 0.25),
        ("log_loss", [False, True], [0.5, 0.5], np.log(2)),
        ("mae", [1.0, 2.0], [2.0, 4.0], 1.5),
        ("rmse", [1.0, 2.0], [2.0, 4.0], np.sqrt(2.5)),
        ("accuracy", ["a", "b"], ["a", "c"], 0.5),
    ],
)
def test_metrics_agree_with_values_worked_out_by_hand(
    metric: str, truth: list[object], predicted: list[object], value: float
) -> None:
    def array(values: list[object]) -> np.ndarray:
        return np.array(values, dtype=object if isinstance(values[0], str) else None)

    columns = {"y": array(truth), "p": array(predicted)}
    assert Quality("p", "y", metric, threshold=0).measure(columns) == pytest.approx(value)


def test_rows_without_a_label_do_not_count() -> None:
    columns = {"y": np.array([1.0, np.nan]), "p": np.array([2.0, 100.0])}
    assert Quality("p", "y", "mae", threshold=1).measure(columns) == 1.0


@pytest.mark.parametrize("late", [[], [True, True]])
def test_what_cannot_be_measured_is_nan_and_meets_nothing(late: list[bool]) -> None:
    value = AUC.measure({"late": np.array(late, dtype=bool), "p": np.full(len(late), 0.5)})
    assert np.isnan(value)
    assert not AUC.is_met(value)


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_a_threshold_itself_is_met(metric: str) -> None:
    assert Quality("p", "y", metric, threshold=0.5).is_met(0.5)


def test_slices_come_worst_first_and_small_ones_are_left_out() -> None:
    rng = np.random.default_rng(0)
    late = rng.random(900) < 0.5
    carrier = np.array(["good"] * 400 + ["bad"] * 400 + ["tiny"] * 100, dtype=object)
    p = np.where(carrier == "good", late.astype(float), rng.random(900))
    rows = by_slice(AUC, {"late": late, "p": p, "carrier": carrier}, ("carrier",))
    assert [row["slice"] for row in rows] == ["carrier = bad", "carrier = good"]


def test_the_baseline_learns_a_linear_relation() -> None:
    x = np.linspace(0, 1, 50)
    features = {"x": x, "text": np.array(["a"] * 50, dtype=object)}
    predicted = simple_baseline(features, 3 * x, "mae")(features)
    assert np.mean(np.abs(predicted - 3 * x)) < 0.2


def test_the_baseline_without_numbers_predicts_the_share() -> None:
    features = {"text": np.array(["a", "b", "a", "b"], dtype=object)}
    predicted = simple_baseline(features, np.array([True, False, True, True]), "auc")(features)
    np.testing.assert_allclose(predicted, 0.75)
