"""Compiled predictors against scikit-learn: missing values, unseen categories and extremes."""

import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import ensemble, linear_model
from sklearn import preprocessing as prep
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.model_selection import PredefinedSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from lockstep.columns.compiled.estimators import compile_estimator
from lockstep.columns.compiled.predictor import CompiledPredictor
from lockstep.columns.estimator_fitting import fit
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.nodes import Model
from lockstep.columns.predictors import ReferencePredictor
from lockstep.columns.tables import take_rows
from lockstep.errors import NotCompiledError

KINDS = {
    "amount": Kind.FLOAT,
    "weight": Kind.FLOAT,
    "count": Kind.INT,
    "flag": Kind.BOOL,
    "letter": Kind.TEXT,
    "place": Kind.TEXT,
}
NUMBERS = ["amount", "weight", "count", "flag"]
TEXTS = ["letter", "place"]
ROWS = 500


def rows(seed: int, count: int = ROWS) -> Columns:
    """Numbers of many sizes, rare texts, and missing ones of each kind that may be missing."""
    random = np.random.default_rng(seed)
    amount = random.normal(size=count) * 10.0 ** random.integers(-3, 4, count)
    weight = random.normal(size=count)
    amount[random.random(count) < 0.1] = np.nan
    weight[random.random(count) < 0.2] = np.nan
    letters = [*"abcdefgh", "rare", "rarer", None]
    often = np.array([*[10.0] * 8, 0.5, 0.5, 8.0])
    return {
        "amount": amount,
        "weight": weight,
        "count": random.integers(-5, 6, count),
        "flag": random.random(count) < 0.5,
        "letter": np.array(random.choice(letters, count, p=often / often.sum()), dtype=object),
        "place": np.array([f"place {one}" for one in random.integers(0, 20, count)], dtype=object),
    }


@cache
def history() -> Columns:
    """Rows to learn from, with a number, one of two classes, and one of three."""
    found = rows(1)
    noise = np.random.default_rng(2).normal(size=ROWS)
    number = 2 * np.nan_to_num(found["weight"]) + found["count"] + noise
    named = np.array(["low", "middle", "high"], dtype=object)[np.digitize(number, [-2, 2])]
    return {**found, "number": number, "size": np.abs(number), "is_high": number > 0, "is": named}


def served() -> Columns:
    """Rows that were not learnt from: some values were never seen, some are extreme."""
    found = rows(3)
    found["letter"][:20] = "never seen"
    found["place"][10:30] = "elsewhere"
    found["amount"][:5] = [1e30, -1e30, 0.0, -0.0, 5e-324]
    found["count"][5:7] = [2**53, -(2**53)]
    return found


def fitted(learns: str, *steps: Any) -> ReferencePredictor:
    """A model of all columns by these steps, fitted."""
    classes = ("low", "middle", "high") if learns == "is" else None
    node = Model(
        name="model",
        role="model",
        inputs=tuple(KINDS),
        learns=learns,
        function=lambda: clone(make_pipeline(*steps)),
        kind=Kind.TEXT if classes else Kind.FLOAT,
        classes=classes,
        probabilities=tuple(f"model_{one}" for one in classes or ()),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of too few iterations
        return fit(node, history())


def compiled(reference: ReferencePredictor) -> CompiledPredictor:
    """The same model, compiled."""
    return CompiledPredictor(reference, tuple(KINDS.values()))


@pytest.fixture(autouse=True)
def _no_warnings_of_unknown_categories() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found unknown categories")
        yield


def imputed(*steps: Any) -> Any:
    return make_pipeline(SimpleImputer(), *steps)


def by_columns(*steps: tuple[Any, list[str]]) -> Any:
    return make_column_transformer(*steps, sparse_threshold=0)


def binned(count: int, encode: str) -> Any:
    return prep.KBinsDiscretizer(count, encode=encode, quantile_method="averaged_inverted_cdf")


def _ratio(table: Any) -> Any:
    return table[["weight"]].to_numpy() / (1 + table[["count"]].to_numpy() ** 2)


CATEGORIES = prep.OneHotEncoder(handle_unknown="ignore")
SCALED = by_columns((imputed(prep.StandardScaler()), NUMBERS), (CATEGORIES, TEXTS))
"""All columns as numbers, none missing."""
CODES = prep.OrdinalEncoder(
    handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
)
CODED = by_columns((CODES, TEXTS), ("passthrough", NUMBERS))
RARE = prep.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20)
MEDIAN = SimpleImputer(strategy="median", add_indicator=True)
MOST_FREQUENT = SimpleImputer(strategy="most_frequent", missing_values=None)
CHOSEN = ColumnTransformer(
    [("codes", CATEGORIES, [1])], transformer_weights={"codes": 0.5}, sparse_threshold=0
)
PREPARED: dict[str, Any] = {
    "imputer with indicators, scaler, rare categories": by_columns(
        (make_pipeline(MEDIAN, prep.StandardScaler()), NUMBERS), (RARE, TEXTS)
    ),
    "ordinal codes, missing and unknown ones too": CODED,
    "means of the target": make_column_transformer(
        (prep.TargetEncoder(random_state=0), TEXTS), remainder="passthrough"
    ),
    "robust, within a range, by the largest": by_columns(
        (imputed(prep.RobustScaler()), ["amount"]),
        (imputed(prep.MinMaxScaler(clip=True)), ["weight"]),
        (prep.MaxAbsScaler(), ["count", "flag"]),
        ("drop", TEXTS),
    ),
    "bins, as columns and as numbers": by_columns(
        (imputed(binned(5, "onehot")), ["weight"]), (binned(4, "ordinal"), ["count"])
    ),
    "texts that stand for missing ones, dropped columns": by_columns(
        (
            make_pipeline(MOST_FREQUENT, prep.OneHotEncoder(drop="first", handle_unknown="ignore")),
            TEXTS,
        ),
    ),
    "functions, of numbers and of a table": by_columns(
        (prep.FunctionTransformer(np.sign), ["amount", "count"]),
        (prep.FunctionTransformer(_ratio), ["weight", "count"]),
        ("drop", TEXTS),
    ),
    "side by side, weighted, chosen, one within another": by_columns(
        (
            imputed(make_union(prep.StandardScaler(), prep.MinMaxScaler(), VarianceThreshold(0.1))),
            NUMBERS,
        ),
        (CHOSEN, TEXTS),
    ),
    "categories of numbers": by_columns((CATEGORIES, ["count", "flag"])),
}


@pytest.mark.parametrize("prepared", PREPARED)
def test_preparation_is_the_same_to_the_last_bit(prepared: str) -> None:
    reference = fitted("is_high", PREPARED[prepared], FEW)
    found = compiled(reference)
    expected = np.asarray(reference.matrix(served()), dtype=np.float64)
    np.testing.assert_array_equal(found.matrix(served()), expected)
    for row in range(0, ROWS, 3):
        alone = found.matrix(_row_of(served(), row))
        np.testing.assert_array_equal(alone, expected[row : row + 1])


BOOSTED = ensemble.HistGradientBoostingClassifier(max_iter=10)
FEW = clone(BOOSTED).set_params(max_iter=5)
FOREST, EXTRA = ensemble.RandomForestClassifier(10), ensemble.ExtraTreesClassifier(10)
TREES: dict[str, Any] = {
    "histogram boosting": BOOSTED,
    "gradient boosting": ensemble.GradientBoostingClassifier(n_estimators=10),
    "random forest": FOREST,
    "extra trees": EXTRA,
    "one tree": DecisionTreeClassifier(max_depth=6),
}
TREES_OF_NUMBERS: dict[str, Any] = {
    "histogram boosting": ensemble.HistGradientBoostingRegressor(max_iter=10),
    "boosting of counts": ensemble.HistGradientBoostingRegressor("poisson", max_iter=10),
    "gradient boosting": ensemble.GradientBoostingRegressor(n_estimators=10),
    "random forest": ensemble.RandomForestRegressor(10),
    "extra trees": ensemble.ExtraTreesRegressor(10),
    "one tree": DecisionTreeRegressor(),
}
OF_CATEGORIES = clone(BOOSTED).set_params(categorical_features=[0, 1])
EXACT: dict[str, tuple[Any, Any, str]] = {
    **{f"{name}, two classes": (SCALED, trees, "is_high") for name, trees in TREES.items()},
    **{f"{name}, three classes": (SCALED, trees, "is") for name, trees in TREES.items()},
    **{f"{name}, numbers": (SCALED, trees, "size") for name, trees in TREES_OF_NUMBERS.items()},
    "missing values and categories": (CODED, OF_CATEGORIES, "is"),
    "a forest with missing values": (CODED, FOREST, "is_high"),
    "extra trees with missing values": (CODED, EXTRA, "is_high"),
}


@pytest.mark.parametrize("name", EXACT)
def test_trees_give_the_same_to_the_last_bit(name: str) -> None:
    prepare, trees, learns = EXACT[name]
    reference = fitted(learns, prepare, trees)
    found = compiled(reference)
    _demand_equal(found(served()), reference(served()))
    _demand_rows_alone(found, take_rows(served(), slice(7, 60)), reference)


LOGISTIC, RIDGE = ("a", linear_model.LogisticRegression()), ("a", linear_model.Ridge())
FIVE = [make(5, random_state=0) for make in (type(FOREST), type(EXTRA))]
TREE = ("b", DecisionTreeRegressor(max_depth=3))
OTHERS: dict[str, tuple[Any, str]] = {
    "logistic": (LOGISTIC[1], "is_high"),
    "logistic of three classes": (LOGISTIC[1], "is"),
    "calibrated by steps": (CalibratedClassifierCV(LOGISTIC[1], method="isotonic"), "is_high"),
    "calibrated by curves, three classes": (CalibratedClassifierCV(FIVE[0]), "is"),
    "vote": (
        ensemble.VotingClassifier([LOGISTIC, ("b", FEW)], voting="soft", weights=[1, 2]),
        "is",
    ),
    "stack": (ensemble.StackingClassifier([LOGISTIC, ("b", FIVE[1])], cv=2), "is_high"),
    "stack beside the columns": (
        ensemble.StackingClassifier([LOGISTIC], FEW, cv=2, passthrough=True),
        "is",
    ),
    "least squares": (linear_model.LinearRegression(), "number"),
    "ridge": (RIDGE[1], "number"),
    "lasso": (linear_model.Lasso(0.1), "number"),
    "elastic net": (linear_model.ElasticNet(0.1), "number"),
    "counts": (linear_model.PoissonRegressor(), "size"),
    "mean of two": (ensemble.VotingRegressor([RIDGE, TREE]), "number"),
    "stack of numbers": (ensemble.StackingRegressor([RIDGE, TREE], cv=2), "number"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_linear_differs_by_rounding_alone(name: str) -> None:
    model, learns = OTHERS[name]
    reference = fitted(learns, SCALED, model)
    found = compiled(reference)
    modest = take_rows(served(), slice(7, None))  # extremes cancel, or overflow
    _demand_close(found(modest), reference(modest))
    _demand_rows_alone(found, take_rows(modest, slice(53)), reference)


def test_classes_are_as_probable_as_one_another_where_all_steps_are_at_zero() -> None:
    angles = np.radians([0, 120, 240, 40, 160, 280])
    model = CalibratedClassifierCV(
        LOGISTIC[1], method="isotonic", cv=PredefinedSplit([-1, -1, -1, 0, 0, 0])
    ).fit(np.column_stack([np.cos(angles), np.sin(angles)]), [0, 1, 2] * 2)
    found = compile_estimator(model, (Kind.FLOAT, Kind.FLOAT)).by("predict_proba")
    np.testing.assert_array_equal(found(np.zeros((1, 2))), model.predict_proba(np.zeros((1, 2))))


def test_sparse_matrices_are_compiled_to_dense_ones() -> None:
    sparse = make_column_transformer((CATEGORIES, TEXTS))
    reference = fitted("is_high", sparse, LOGISTIC[1])
    _demand_close(compiled(reference)(served()), reference(served()))


@pytest.mark.parametrize("trees", [OF_CATEGORIES, BOOSTED], ids=["categories", "numbers"])
def test_trees_say_of_a_single_row_what_they_say_of_many_to_the_last_bit(trees: Any) -> None:
    found = compiled(fitted("is_high", CODED, trees))
    together = found(served())["model"]
    alone = [found(_row_of(served(), row))["model"].item() for row in range(ROWS)]
    assert alone == together.tolist()


def test_single_rows_in_several_threads_do_not_touch_each_other() -> None:
    found = compiled(fitted("is_high", SCALED, FOREST))
    together = found(served())["model"].tolist()

    def alone(row: int) -> float:
        value: float = found(_row_of(served(), row % ROWS))["model"].item()
        return value

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(alone, range(4 * ROWS))) == together * 4


def _row_of(columns: Columns, row: int) -> Columns:
    return take_rows(columns, slice(row, row + 1))


texts = st.one_of(st.none(), st.sampled_from([*"abcdefgh", "rare", "place 3"]), st.text(max_size=4))
floats = st.one_of(st.just(np.nan), st.floats(-1e30, 1e30), st.floats(-3, 3))
some_rows = st.lists(
    st.tuples(floats, floats, st.integers(-(2**53), 2**53), st.booleans(), texts, texts),
    min_size=1,
    max_size=40,
)


@cache
def _boosted() -> tuple[ReferencePredictor, CompiledPredictor]:
    reference = fitted("is", CODED, BOOSTED)
    return reference, compiled(reference)


@settings(max_examples=60)
@given(some_rows)
def test_any_rows_get_the_same_answer_alone_and_together(drawn: list[tuple[Any, ...]]) -> None:
    reference, found = _boosted()
    together = found(_columns(drawn))
    _demand_equal(together, reference(_columns(drawn)))
    alone = [found(_columns([one])) for one in drawn]
    for name, values in together.items():
        assert [one[name][0] for one in alone] == values.tolist()


def test_rows_of_several_blocks_get_the_answers_of_scikit_learn() -> None:
    reference, found = _boosted()
    many = rows(5, 9_000)
    _demand_equal(found(many), reference(many))


def test_no_rows_are_no_answers() -> None:
    reference, found = _boosted()
    nothing = take_rows(served(), slice(0))
    _demand_equal(found(nothing), reference(nothing))


def _no_treelite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "treelite", None)


def _no_library_of_treelite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("treelite.core._LIB")


@pytest.mark.parametrize("lack", [_no_treelite, _no_library_of_treelite])
def test_trees_have_no_compiled_form_where_treelite_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, lack: Callable[[pytest.MonkeyPatch], None]
) -> None:
    reference, _ = _boosted()
    lack(monkeypatch)
    with pytest.raises(NotCompiledError, match="treelite cannot be used here"):
        compiled(reference)


def test_categories_that_scikit_learn_refuses_are_refused() -> None:
    reference = fitted("is_high", by_columns((prep.OneHotEncoder(), TEXTS)), FOREST)
    unseen = {**served(), **{name: np.full(ROWS, "unseen", dtype=object) for name in TEXTS}}
    for predictor in (reference, compiled(reference)):
        for rows in (unseen, take_rows(unseen, slice(1))):
            with pytest.raises(ValueError, match="unknown categories"):
                predictor(rows)


REFUSES_NOTHING = ensemble.HistGradientBoostingRegressor(max_iter=5)
OF_NUMBERS: dict[str, Any] = {
    **TREES_OF_NUMBERS,
    "linear": RIDGE[1],
    "of counts": linear_model.PoissonRegressor(),
    **{
        f"behind {step}": make_pipeline(step, REFUSES_NOTHING)
        for step in (
            prep.StandardScaler(),
            prep.MinMaxScaler(),
            SimpleImputer(),
            VarianceThreshold(),
            binned(3, "onehot-dense"),
            prep.OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            prep.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            prep.FunctionTransformer(np.abs, validate=True),
            prep.FunctionTransformer(np.abs),
        )
    },
    "beside columns that are imputed": make_pipeline(
        make_column_transformer((SimpleImputer(), ["number"]), ("passthrough", ["other"])), RIDGE[1]
    ),
    "stack": ensemble.StackingRegressor([RIDGE], ensemble.RandomForestRegressor(3), cv=2),
}


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_numbers_are_refused_if_and_only_if_scikit_learn_refuses_them(name: str) -> None:
    """Wherever they stand, alone or among others; where both take them, both give the same."""
    inputs = ("number", "other")
    given = {**history(), "other": history()["number"][::-1]}
    node = Model(
        name="model",
        role="model",
        inputs=inputs,
        learns="size",
        function=lambda: clone(OF_NUMBERS[name]),
        kind=Kind.FLOAT,
    )
    reference = fit(node, given)
    other = CompiledPredictor(reference, (Kind.FLOAT, Kind.FLOAT))
    for number in (np.nan, np.inf, -np.inf, 1e300, -1e300, 3.5e38, 3e38, -1.0, 0.0):
        for column in inputs:
            for rows in (1, 3):
                held = {each: given[each][:rows].copy() for each in inputs}
                held[column][0] = number
                expected, actual = answer(reference, held), answer(other, held)
                assert (expected is None) == (actual is None), (number, column, rows)
                if expected is not None and actual is not None:
                    _demand_equal(actual, expected)


def answer(predictor: Callable[[Columns], Columns], rows: Columns) -> Columns | None:
    """A predictor's columns; None if it refuses the rows."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return predictor(rows)
        except ValueError:
            return None


class Shifted(prep.StandardScaler):  # type: ignore[misc]
    """Is not taken for its parent."""

    def transform(self, X: Any, copy: bool | None = None) -> Any:  # noqa: N803
        return super().transform(X, copy) + 1


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([GaussianNB()], "GaussianNB"),
        ([prep.PolynomialFeatures(), linear_model.LogisticRegression()], "PolynomialFeatures"),
        ([Shifted(), linear_model.LogisticRegression()], "Shifted"),
    ],
)
def test_a_step_without_a_compiled_form_is_named(steps: list[Any], named: str) -> None:
    reference = fitted("is_high", SCALED, *steps)
    with pytest.raises(NotCompiledError, match=f"^{named} has no compiled form$"):
        compiled(reference)


def _columns(drawn: list[tuple[Any, ...]]) -> Columns:
    found = {}
    for place, (name, kind) in enumerate(KINDS.items()):
        array = np.empty(len(drawn), dtype=kind.dtype)
        array[:] = [row[place] for row in drawn]
        found[name] = array
    return found


def _demand_equal(found: Columns, expected: Columns) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def _demand_close(found: Columns, expected: Columns) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if values.dtype == object:
            np.testing.assert_array_equal(found[name], values)
        else:
            np.testing.assert_allclose(found[name], values, rtol=1e-10, atol=1e-13)


def _demand_rows_alone(
    found: CompiledPredictor, rows: Columns, reference: ReferencePredictor
) -> None:
    alone = [found(_row_of(rows, row)) for row in range(len(rows["flag"]))]
    joined = {name: np.concatenate([one[name] for one in alone]) for name in alone[0]}
    _demand_close(joined, reference(rows))
    assert all(joined[name].dtype == values.dtype for name, values in reference(rows).items())
