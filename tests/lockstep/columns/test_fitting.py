"""Fitting models, and second and third stages without leaks."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

from lockstep.columns.decorators import label
from lockstep.columns.fitting import fit_models, fold_of, out_of_fold_values
from lockstep.columns.kinds import Array, Bools, Columns, Texts, Times
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import Fitting, ReferencePredictor
from lockstep.columns.records import Key, Outcome, Record
from lockstep.columns.tables import take_rows
from lockstep.errors import FitError

from .conftest import build, named, named_model

SEEN: list[dict[int, tuple[float, ...]]] = []
"""For each fit of a `Memory` in turn: by row, what it saw of the stages below."""


class Memory(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Learns every label by heart, and writes down what it saw."""

    def fit(self, rows: Any, labels: Any) -> "Memory":
        values = rows.to_numpy()
        below = values[:, 1:].tolist()
        SEEN.append({int(x): tuple(one) for x, one in zip(values[:, 0], below, strict=True)})
        self.tree_ = DecisionTreeRegressor(random_state=0).fit(values, labels)
        return self

    def predict(self, rows: Any) -> Any:
        return self.tree_.predict(rows.to_numpy())


class Row(Record):
    key: Key[str]
    x: float  # its number


class Result(Outcome):
    y: float | None


target = named("target", lambda y: y, label)
doubled = named("doubled", lambda first: 2 * first)
first, second, third = (
    named_model(name, Memory, learns=target, uses=["x", *below], folds=3)
    for name, below in (("first", []), ("second", [doubled]), ("third", ["first", "second"]))
)


@pytest.fixture
def stages() -> Pipeline:
    return build(target, first, doubled, second, third, record=Row, outcome=Result)


@pytest.fixture(autouse=True)
def _forget() -> None:
    SEEN.clear()


def rows(count: int = 30) -> Columns:
    """Rows with labels that nothing but memory can tell."""
    return {
        "key": np.array([f"row {number}" for number in range(count)], dtype=object),
        "x": np.arange(count, dtype=float),
        "y": np.random.default_rng(0).normal(size=count).round(3),
    }


def with_label(columns: Columns, row: int, value: float) -> Columns:
    changed = columns["y"].copy()
    changed[row] = value
    return columns | {"y": changed}


def guess(make: Callable[[], Any], name: str = "guess", **options: Any) -> Any:
    """A model by an estimator."""
    return named_model(name, make, **{"learns": target, "uses": ["x"], **options})


def unprobable() -> Any:
    return make_pipeline(StandardScaler(), LinearSVC())


# Leaks


@pytest.mark.parametrize("names", [{"first"}, {"first", "second"}, {"first", "second", "third"}])
@pytest.mark.parametrize("row", [0, 7, 29])
def test_an_out_of_fold_value_does_not_depend_on_its_own_label(
    stages: Pipeline, names: set[str], row: int
) -> None:
    wanted = frozenset(names)
    before = out_of_fold_values(stages.graph, rows(), wanted, 3)
    after = out_of_fold_values(stages.graph, with_label(rows(), row, 1000.0), wanted, 3)
    assert {name: before[name][row] for name in names} == {name: after[name][row] for name in names}


@pytest.mark.parametrize("row", [0, 7, 29])
def test_no_model_ever_sees_a_value_that_depends_on_the_own_label_of_a_row(
    stages: Pipeline, row: int
) -> None:
    fit_models(stages.graph, rows())
    before = SEEN.copy()
    SEEN.clear()
    fit_models(stages.graph, with_label(rows(), row, 1000.0))
    assert len(SEEN) == len(before) > 3
    assert [seen.get(row) for seen in SEEN] == [seen.get(row) for seen in before]
    assert before != SEEN  # it does matter to other rows, or this could not fail


def test_a_served_value_depends_on_its_own_label(stages: Pipeline) -> None:
    graph, columns = stages.graph, rows()
    served = graph.evaluate(columns, ["first"], fit_models(graph, columns))["first"]
    out_of_fold = out_of_fold_values(graph, columns, frozenset({"first"}), 3)["first"]
    assert (served == columns["y"]).all()
    assert (out_of_fold != columns["y"]).any()


def test_predictions_among_the_given_columns_are_not_learnt_from(stages: Pipeline) -> None:
    columns = rows()
    stages.fit(columns)
    fresh = SEEN.copy()
    trace = stages.trace(columns).columns  # in-sample: they know every label by heart
    SEEN.clear()
    stages.unfitted().fit(trace | columns)
    assert fresh == SEEN


def test_features_that_are_given_are_taken_as_they_are() -> None:
    moved = named("moved", lambda x: 1 / 0)
    line = guess(LinearRegression, uses=[moved])
    pipeline = build(target, moved, line, record=Row, outcome=Result)
    pipeline.fit(rows() | {"moved": rows()["y"] * 2})
    assert pipeline.models_["guess"].coef_ == pytest.approx([0.5])


# Folds


def keys_of(count: int) -> Array:
    return np.array([f"2013-04-01 UA {number}" for number in range(count)], dtype=object)


def test_a_fold_follows_from_the_key_alone_and_its_text() -> None:
    numbers = np.arange(50)
    keys = np.array([str(number) for number in numbers], dtype=object)
    order = np.random.default_rng(1).permutation(50)
    assert fold_of(keys, 5)[order].tolist() == fold_of(keys[order], 5).tolist()
    assert fold_of(keys[3:4], 5).tolist() == [fold_of(keys, 5)[3]]
    assert fold_of(numbers, 5).tolist() == fold_of(keys, 5).tolist()


def test_folds_are_of_about_one_size() -> None:
    sizes = np.bincount(fold_of(keys_of(10_000), 5), minlength=5)
    assert sizes.min() > 1_800  # of 2,000 expected; three standard deviations are 120
    assert sizes.max() < 2_200


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_a_split_inside_a_part_has_nothing_to_do_with_the_split_around_it(folds: int) -> None:
    keys = keys_of(20_000)
    outer, inner = fold_of(keys, folds), fold_of(keys, folds, depth=1)
    for part in range(folds):
        shares = np.bincount(inner[outer == part], minlength=folds) / (outer == part).sum()
        assert abs(shares - 1 / folds).max() < 0.03


def test_the_order_of_the_rows_does_not_matter(stages: Pipeline) -> None:
    columns = rows()
    order = np.random.default_rng(2).permutation(30)
    names = frozenset({"first", "second"})
    straight = out_of_fold_values(stages.graph, columns, names, 3)
    shuffled = out_of_fold_values(stages.graph, take_rows(columns, order), names, 3)
    for name in names:
        assert straight[name][order].tolist() == shuffled[name].tolist()


def test_a_third_stage_of_two_folds_can_be_fitted() -> None:
    low = guess(LinearRegression, "low", folds=2)
    middle = guess(LinearRegression, "middle", uses=[low], folds=2)
    top = guess(LinearRegression, "top", uses=[middle], folds=2)
    pipeline = build(target, low, middle, top, record=Row, outcome=Result)
    assert set(pipeline.fit(rows()).models_) == {"low", "middle", "top"}


def test_rows_of_one_key_are_too_few_to_split(stages: Pipeline) -> None:
    columns = rows() | {"key": np.full(30, "same", dtype=object)}
    with pytest.raises(FitError, match="30 rows are too few to split into 3 folds"):
        fit_models(stages.graph, columns)


# What cannot be fitted


class Sizes(Outcome):
    y: float | None
    size: str | None
    rank: int | None
    seen_at: int


@label
def size_(size: Texts):  # what it holds is known once it is computed
    return size


rank_ = named("rank_", lambda rank: rank, label)
is_large = named("is_large", lambda y: y > 0, label, Bools)
when = named("when", lambda seen_at: seen_at.astype("datetime64[us]"), label, Times)

SIZED: Columns = {
    "key": np.array(["a", "b", "c"], dtype=object),
    "x": np.array([1.0, 2.0, 3.0]),
    "y": np.array([1.0, -1.0, np.nan]),
    "size": np.array(["s", "l", None], dtype=object),
    "rank": np.array([1.0, 2.0, np.nan]),
    "seen_at": np.array([1, 2, 3]),
}
LABELS = (target, size_, rank_, is_large, when)


@pytest.mark.parametrize(
    ("learns", "classes", "estimator", "y", "message"),
    [
        (target, None, DummyRegressor, np.full(3, np.nan), "none of 3 rows has a value of target"),
        (is_large, None, DummyClassifier, np.ones(3), "is_large is True in all 3 rows"),
        (size_, None, DummyClassifier, None, "2 values, 'l', 's', .* write classes=['l', 's']"),
        (size_, ["s", "m", "l"], DummyClassifier, None, "'l', 'm', 's', but size_ holds 'l', 's'"),
        (size_, ["s", "l"], DummyRegressor, None, "classes, but its estimator is a regressor"),
        (size_, None, DummyRegressor, None, "size_, which holds no numbers, .* is a regressor"),
        (when, None, DummyRegressor, None, "when, which holds no numbers, .* is a regressor"),
        (is_large, None, unprobable, np.array([-1, 1, 2.0]), "LinearSVC gives no probabilities"),
    ],
)
def test_labels_that_do_not_suit_the_estimator_are_told(
    learns: Any, classes: Any, estimator: Any, y: Any, message: str
) -> None:
    model = guess(estimator, learns=learns, classes=classes)
    pipeline = build(*LABELS, model, record=Row, outcome=Sizes)
    message = message.replace("[", r"\[")
    with pytest.raises(FitError, match=f"^{re.escape(model.title)}.*{message}"):
        pipeline.fit(SIZED if y is None else SIZED | {"y": y})


NO_INSTANCE = " returns the class LinearRegression, not an estimator: write LinearRegression()."


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (lambda: LinearRegression, NO_INSTANCE),
        (lambda: make_pipeline(StandardScaler(), LinearRegression), NO_INSTANCE),
        (
            lambda: make_pipeline(StandardScaler(), FunctionTransformer()),
            ": FunctionTransformer learns no label, so it is no model",
        ),
        (lambda: None, " returns nothing: write `return`"),
        (lambda: 7, " returns int 7; return an unfitted scikit-learn estimator."),
        (lambda: 1 / 0, " raised ZeroDivisionError: division by zero."),
        (lambda: Ridge(alpha="much"), " cannot be fitted on 30 rows: The 'alpha' parameter of "),
    ],
)
def test_a_function_that_returns_no_estimator_is_told(estimator: Any, message: str) -> None:
    model = guess(estimator)
    with pytest.raises(FitError) as found:
        build(target, model, record=Row, outcome=Result).fit(rows())
    assert str(found.value).startswith(f"{model.title}{message}")


@pytest.mark.parametrize(
    ("uses", "message"),
    [
        (["x", "z"], "^Field z is NaN, in 26 of 30 rows, first at key row 4: .* missing in z"),
        (["key"], "^Model guess .* could not convert .* 'row 0'. .* key holds text: encode it"),
    ],
)
def test_a_column_that_the_estimator_refuses_is_named(uses: list[str], message: str) -> None:
    class Gappy(Row):
        z: float | None

    pipeline = build(target, guess(LinearRegression, uses=uses), record=Gappy, outcome=Result)
    with pytest.raises(FitError, match=message):
        pipeline.fit(rows() | {"z": np.where(rows()["x"] > 3, np.nan, 0.0)})


@pytest.mark.parametrize(("learns", "classes"), [(size_, ["s", "l"]), (rank_, [1, 2])])
def test_rows_without_a_label_are_left_out(learns: Any, classes: list[Any]) -> None:
    model = guess(DummyClassifier, learns=learns, classes=classes)
    pipeline = build(size_, rank_, model, record=Row, outcome=Sizes).fit(SIZED)
    assert sorted(pipeline.models_["guess"].classes_) == sorted(classes)
    assert pipeline.models_["guess"].class_prior_.tolist() == [0.5, 0.5]


DRAWING = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_features=1))


@pytest.mark.parametrize(
    ("estimator", "unseeded"),
    [
        (LinearRegression(), ()),
        (DecisionTreeRegressor(random_state=0), ()),
        (DRAWING, ("DecisionTreeRegressor",)),
    ],
)
def test_a_fit_tells_its_rows_and_what_drew_without_a_seed(
    estimator: Any, unseeded: tuple[str, ...]
) -> None:
    table = rows()
    table["y"] = np.where(np.arange(30) % 10, table["y"], np.nan)
    model = guess(lambda: estimator)
    pipeline = build(target, model, record=Row, outcome=Result).fit(table)
    predictor = pipeline.bound["guess"]
    assert isinstance(predictor, ReferencePredictor)
    assert predictor.fitting == Fitting(27, 3, unseeded)
