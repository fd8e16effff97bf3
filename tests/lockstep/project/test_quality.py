"""Quality: metrics, what they fit, thresholds and slices."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer, get_scorer_names

from lockstep import Floats, Key, Outcome, Record, label, model
from lockstep.columns.graph import Graph
from lockstep.errors import DeclarationError, InputError
from lockstep.project.quality import METRICS, Quality, by_slice
from transforms.orders import PIPELINE

AUC = Quality("p", "late", "auc", threshold=0.6)


def test_an_unknown_metric_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DeclarationError, match=r"'f11' is no metric; use one of auc, .*'f1'\?"):
        Quality("p", "late", "f11", threshold=0.5)


PROBABILITIES = [0.1, 0.9, 0.4, 0.6, 0.3, 0.8]
TRUE_CLASSES = [False, True, True, False, False, True]
SCORERS = {
    "average_precision": (TRUE_CLASSES, PROBABILITIES),
    "balanced_accuracy": (TRUE_CLASSES, [False, True, False, True, False, True]),
    "d2_absolute_error_score": ([1.0, 2.0, 4.0], [1.5, 2.0, 3.0]),
    "f1": (TRUE_CLASSES, [False, True, False, True, False, True]),
    "f1_macro": (["a", "b", "c"], ["a", "c", "c"]),
    "neg_brier_score": (TRUE_CLASSES, PROBABILITIES),
    "neg_log_loss": (TRUE_CLASSES, PROBABILITIES),
    "neg_mean_absolute_error": ([1.0, 2.0, 4.0], [1.5, 2.0, 3.0]),
    "neg_mean_poisson_deviance": ([1.0, 2.0, 4.0], [1.5, 2.0, 3.0]),
    "r2": ([1.0, 2.0, 4.0], [1.5, 2.0, 3.0]),
    "roc_auc": (TRUE_CLASSES, PROBABILITIES),
}


class Given(ClassifierMixin, BaseEstimator):
    """Predicts what it is given, by whatever method a scorer asks for."""

    def fit(self, rows: Any, labels: Any) -> Any:
        self.classes_ = np.unique(labels)
        return self

    def predict(self, rows: Any) -> Any:
        return rows[:, 0]

    def predict_proba(self, rows: Any) -> Any:
        return np.column_stack([1 - rows[:, 0], rows[:, 0]])


@pytest.mark.parametrize("name", SCORERS)
def test_a_scorer_of_scikit_learns_gives_what_scikit_learn_gives(name: str) -> None:
    truth, predicted = (np.array(values) for values in SCORERS[name])
    scorer, given = get_scorer(name), predicted.reshape(-1, 1)
    expected = scorer(Given().fit(given, truth), given, truth)
    quality = Quality("p", "y", name, threshold=0.0)
    assert quality.measure({"y": truth, "p": predicted}) == expected
    assert quality.is_no_worse(expected, expected - 0.1)
    assert not quality.is_no_worse(expected - 0.1, expected)


@pytest.mark.parametrize("name", get_scorer_names())
def test_every_scorer_is_a_metric(name: str) -> None:
    assert Quality("p", "y", name, threshold=0.0).rule == "at least 0"


@pytest.mark.parametrize(
    ("names", "span"),
    [
        (["auc", "roc_auc", "average_precision", "recall_macro", "rand_score"], (0, 1)),
        (["accuracy", "balanced_accuracy", "f1", "precision", "jaccard", "brier"], (0, 1)),
        (["matthews_corrcoef"], (-1, 1)),
        (["neg_brier_score"], (-1, 0)),
        (["r2", "explained_variance", "d2_absolute_error_score"], (-np.inf, 1)),
        (["adjusted_rand_score", "d2_log_loss_score"], (-np.inf, 1)),
        (["mae", "rmse", "mutual_info_score"], (0, np.inf)),
        (["neg_mean_squared_error", "neg_max_error"], (-np.inf, 0)),
        (["jaccard_samples", "top_k_accuracy"], (-np.inf, np.inf)),
    ],
)
def test_a_metric_has_a_range_where_one_is_known(names: list[str], span: tuple[float, ...]) -> None:
    assert {name: METRICS[name].span for name in names} == dict.fromkeys(names, span)


@pytest.mark.parametrize("name", ["log_loss", "neg_log_loss"])
def test_the_range_of_a_logarithmic_loss_ends_where_scikit_learn_clips(name: str) -> None:
    most = -np.log(np.finfo(np.float64).eps)
    assert max(map(abs, METRICS[name].span)) == pytest.approx(most)


@pytest.mark.parametrize("name", sorted(METRICS.keys() | set(get_scorer_names())))
def test_no_predictions_are_beyond_the_range_of_a_metric(name: str) -> None:
    metric, random = METRICS[name], np.random.default_rng(0)
    low, high = metric.span
    for rows in (2, 3, 7, 40):
        for _ in range(5):
            truth, predicted = _at_random(metric.measures, rows, random)
            with suppress(ValueError):  # not defined of these
                value = metric.compute(truth, predicted)
                assert np.isnan(value) or low - 1e-9 <= value <= high + 1e-9


def _at_random(measures: str, rows: int, random: np.random.Generator) -> tuple[Any, Any]:
    """True values and predictions of one kind that have nothing to do with one another."""
    if measures == "amounts":
        return random.lognormal(0, 3, rows), random.lognormal(0, 3, rows)
    truth = random.permutation(np.arange(rows) < random.integers(1, rows))
    scores = random.beta(0.1, 0.1, rows)
    return truth, scores > 0.5 if measures == "classes" else scores


def test_a_scorer_that_is_not_defined_of_the_labels_says_so_in_a_line() -> None:
    quality = Quality("p", "y", "f1", threshold=0.5)
    three = np.array(["a", "b", "c"], dtype=object)
    with pytest.raises(InputError, match="quality of p: f1 cannot be computed of y: "):
        quality.measure({"y": three, "p": three})


def test_a_threshold_that_any_prediction_reaches_is_told_for_a_scorer_too() -> None:
    columns = {"y": np.array([1.0, 2.0, 4.0])}
    assert Quality("p", "y", "r2", threshold=0.5).can_be_missed(columns)
    assert not Quality("p", "y", "r2", threshold=-100).can_be_missed(columns)


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


def test_each_slice_is_measured_on_its_own_rows() -> None:
    rng = np.random.default_rng(0)
    columns = {
        "late": rng.random(3_000) < 0.5,
        "p": rng.random(3_000),
        "carrier": rng.choice(np.array(["a", "b", None], dtype=object), 3_000),
    }
    rows = {row["slice"]: row for row in by_slice(AUC, columns, ("carrier",))}
    for value in ("a", "b"):
        part = {name: array[columns["carrier"] == value] for name, array in columns.items()}
        assert rows[f"carrier = {value}"][AUC.title] == AUC.measure(part)
        assert rows[f"carrier = {value}"]["rows"] == len(part["p"])


@pytest.mark.parametrize(
    ("column", "label", "metric", "said"),
    [
        (
            "expected_cost",
            "return_cost",
            "auc",
            "auc needs a label of Bools, and return_cost holds Floats; use mae or rmse.",
        ),
        (
            "risk",
            "came_back",
            "accuracy",
            "accuracy needs Bools or Ints or Texts to measure, and risk holds Floats; "
            "use auc or log_loss or brier.",
        ),
        (
            "will_return",
            "came_back",
            "brier",
            "brier needs Floats to measure, and will_return holds Bools; use accuracy.",
        ),
        (
            "risk",
            "came_back",
            "mae",
            "mae needs a label of Floats or Ints, and came_back holds Bools; "
            "use auc or log_loss or brier.",
        ),
        (
            "expected_cost",
            "came_back",
            "auc",
            "auc measures scores, and expected_cost is an amount that a regressor predicts; "
            "name another column or label.",
        ),
    ],
)
def test_a_metric_that_does_not_fit_is_refused_with_those_that_do(
    column: str, label: str, metric: str, said: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        Quality(column, label, metric, threshold=0.5).check_fit(PIPELINE.graph)
    assert str(refused.value) == f"quality of {column}: {said}"


def test_a_label_that_may_be_missing_is_one_of_classes_where_a_classifier_learns_it() -> None:
    class Mail(Record):
        mail_id: Key[str]
        length: float

    class Report(Outcome):
        reported: bool | None

    def is_spam(reported: Floats) -> Floats:
        return reported

    def spam() -> LogisticRegression:
        return LogisticRegression()

    columns = [label(is_spam), model(learns="is_spam", uses=["length"])(spam)]
    graph = Graph(columns, Mail.schema(), Report.schema())
    for metric in ("auc", "log_loss", "brier"):
        Quality("spam", "is_spam", metric, threshold=0.5).check_fit(graph)


def test_a_probability_beyond_one_is_an_error_that_names_it() -> None:
    columns = {"late": np.array([True, False]), "p": np.array([1.5, 0.0])}
    with pytest.raises(InputError, match="quality of p: brier measures probabilities, but it goes"):
        Quality("p", "late", "brier", threshold=0.2).measure(columns)
