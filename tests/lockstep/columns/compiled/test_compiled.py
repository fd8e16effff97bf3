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
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

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


def fitted(make: Callable[[], Any], learns: str) -> ReferencePredictor:
    """A model of all columns, fitted."""
    classes = ("low", "middle", "high") if learns == "is" else None
    node = Model(
        name="model",
        role="model",
        inputs=tuple(KINDS),
        learns=learns,
        function=make,
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


def scaled() -> Any:
    """All columns as numbers, none missing."""
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
        ],
        sparse_threshold=0,
    )


PREPARED: dict[str, Callable[[], Any]] = {
    "imputer with indicators, scaler, rare categories": lambda: make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()),
            NUMBERS,
        ),
        (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20), TEXTS),
        sparse_threshold=0,
    ),
    "ordinal codes, missing and unknown ones too": lambda: make_column_transformer(
        (
            OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
            ),
            TEXTS,
        ),
        ("passthrough", NUMBERS),
    ),
    "means of the target": lambda: make_column_transformer(
        (TargetEncoder(random_state=0), TEXTS), remainder="passthrough"
    ),
    "robust, within a range, by the largest": lambda: make_column_transformer(
        (make_pipeline(SimpleImputer(), RobustScaler()), ["amount"]),
        (make_pipeline(SimpleImputer(), MinMaxScaler(clip=True)), ["weight"]),
        (MaxAbsScaler(), ["count", "flag"]),
        ("drop", TEXTS),
    ),
    "bins, as columns and as numbers": lambda: make_column_transformer(
        (
            make_pipeline(
                SimpleImputer(), KBinsDiscretizer(5, quantile_method="averaged_inverted_cdf")
            ),
            ["weight"],
        ),
        (KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"), ["count"]),
        sparse_threshold=0,
    ),
    "texts that stand for missing ones, dropped columns": lambda: make_column_transformer(
        (
            make_pipeline(
                SimpleImputer(strategy="most_frequent", missing_values=None),
                OneHotEncoder(drop="first", handle_unknown="ignore"),
            ),
            TEXTS,
        ),
        sparse_threshold=0,
    ),
    "functions, of numbers and of a table": lambda: make_column_transformer(
        (FunctionTransformer(np.sign), ["amount", "count"]),
        (FunctionTransformer(_ratio), ["weight", "count"]),
        ("drop", TEXTS),
    ),
    "side by side, weighted, chosen, one within another": lambda: make_column_transformer(
        (
            make_pipeline(
                SimpleImputer(),
                make_union(StandardScaler(), MinMaxScaler(), VarianceThreshold(0.1)),
            ),
            NUMBERS,
        ),
        (
            ColumnTransformer(
                [("codes", OneHotEncoder(handle_unknown="ignore"), [1])],
                transformer_weights={"codes": 0.5},
                sparse_threshold=0,
            ),
            TEXTS,
        ),
    ),
    "categories of numbers": lambda: make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["count", "flag"]), sparse_threshold=0
    ),
}


def _ratio(table: Any) -> Any:
    return table[["weight"]].to_numpy() / (1 + table[["count"]].to_numpy() ** 2)


@pytest.mark.parametrize("prepared", PREPARED)
def test_preparation_is_the_same_to_the_last_bit(prepared: str) -> None:
    few = HistGradientBoostingClassifier(max_iter=5)
    reference = fitted(lambda: make_pipeline(PREPARED[prepared](), few), "is_high")
    found = compiled(reference)
    expected = np.asarray(reference.matrix(served()), dtype=np.float64)
    np.testing.assert_array_equal(found.matrix(served()), expected)
    for row in range(0, ROWS, 3):
        alone = found.matrix(_row_of(served(), row))
        np.testing.assert_array_equal(alone, expected[row : row + 1])


def coded() -> Any:
    return PREPARED["ordinal codes, missing and unknown ones too"]()


def boosted(categories: list[int] | None = None) -> Any:
    return HistGradientBoostingClassifier(max_iter=10, categorical_features=categories)


TREES: dict[str, Callable[[], Any]] = {
    "histogram boosting": boosted,
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=10),
    "random forest": lambda: RandomForestClassifier(10),
    "extra trees": lambda: ExtraTreesClassifier(10),
    "one tree": lambda: DecisionTreeClassifier(max_depth=6),
}
TREES_OF_NUMBERS: dict[str, Callable[[], Any]] = {
    "histogram boosting": lambda: HistGradientBoostingRegressor(max_iter=10),
    "histogram boosting of counts": lambda: HistGradientBoostingRegressor("poisson", max_iter=10),
    "gradient boosting": lambda: GradientBoostingRegressor(n_estimators=10),
    "random forest": lambda: RandomForestRegressor(10),
    "extra trees": lambda: ExtraTreesRegressor(10),
    "one tree": DecisionTreeRegressor,
}
EXACT: dict[str, tuple[Callable[[], Any], Callable[[], Any], str]] = {
    **{f"{name}, two classes": (scaled, make, "is_high") for name, make in TREES.items()},
    **{f"{name}, three classes": (scaled, make, "is") for name, make in TREES.items()},
    **{f"{name}, numbers": (scaled, make, "size") for name, make in TREES_OF_NUMBERS.items()},
    "missing values and categories": (coded, lambda: boosted([0, 1]), "is"),
    "a forest with missing values": (coded, TREES["random forest"], "is_high"),
    "extra trees with missing values": (coded, TREES["extra trees"], "is_high"),
}


@pytest.mark.parametrize("name", EXACT)
def test_trees_give_the_same_to_the_last_bit(name: str) -> None:
    prepare, make, learns = EXACT[name]
    reference = fitted(lambda: make_pipeline(prepare(), make()), learns)
    found = compiled(reference)
    _demand_equal(found(served()), reference(served()))
    _demand_rows_alone(found, take_rows(served(), slice(7, 60)), reference)


OTHERS: dict[str, tuple[Callable[[], Any], str]] = {
    "logistic": (LogisticRegression, "is_high"),
    "logistic of three classes": (LogisticRegression, "is"),
    "calibrated by steps": (
        lambda: CalibratedClassifierCV(LogisticRegression(), method="isotonic"),
        "is_high",
    ),
    "calibrated by curves, three classes": (
        lambda: CalibratedClassifierCV(RandomForestClassifier(5, random_state=0)),
        "is",
    ),
    "vote": (
        lambda: VotingClassifier(
            [("a", LogisticRegression()), ("b", HistGradientBoostingClassifier(max_iter=5))],
            voting="soft",
            weights=[1, 2],
        ),
        "is",
    ),
    "stack": (
        lambda: StackingClassifier(
            [("a", LogisticRegression()), ("b", ExtraTreesClassifier(5, random_state=0))],
            cv=2,
        ),
        "is_high",
    ),
    "stack beside the columns": (
        lambda: StackingClassifier(
            [("a", LogisticRegression())],
            HistGradientBoostingClassifier(max_iter=5),
            cv=2,
            passthrough=True,
        ),
        "is",
    ),
    "least squares": (LinearRegression, "number"),
    "ridge": (Ridge, "number"),
    "lasso": (lambda: Lasso(0.1), "number"),
    "elastic net": (lambda: ElasticNet(0.1), "number"),
    "counts": (PoissonRegressor, "size"),
    "mean of two": (
        lambda: VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))]),
        "number",
    ),
    "stack of numbers": (
        lambda: StackingRegressor(
            [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))], cv=2
        ),
        "number",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_linear_differs_by_rounding_alone(name: str) -> None:
    make, learns = OTHERS[name]
    reference = fitted(lambda: make_pipeline(scaled(), make()), learns)
    found = compiled(reference)
    modest = take_rows(served(), slice(7, None))  # extremes cancel, or overflow
    _demand_close(found(modest), reference(modest))
    _demand_rows_alone(found, take_rows(modest, slice(53)), reference)


def test_sparse_matrices_are_compiled_to_dense_ones() -> None:
    sparse = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), TEXTS))
    reference = fitted(lambda: make_pipeline(sparse, LogisticRegression()), "is_high")
    _demand_close(compiled(reference)(served()), reference(served()))


@pytest.mark.parametrize("categories", [[0, 1], None])
def test_trees_say_of_a_single_row_what_they_say_of_many_to_the_last_bit(
    categories: list[int] | None,
) -> None:
    found = compiled(fitted(lambda: make_pipeline(coded(), boosted(categories)), "is_high"))
    together = found(served())["model"]
    alone = [found(_row_of(served(), row))["model"].item() for row in range(ROWS)]
    assert alone == together.tolist()


def test_single_rows_in_several_threads_do_not_touch_each_other() -> None:
    found = compiled(fitted(lambda: make_pipeline(scaled(), RandomForestClassifier(9)), "is_high"))
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
    reference = fitted(lambda: make_pipeline(coded(), boosted()), "is")
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
    strict = make_column_transformer((OneHotEncoder(), TEXTS), sparse_threshold=0)
    reference = fitted(lambda: make_pipeline(strict, RandomForestClassifier(3)), "is_high")
    unseen = {**served(), **{name: np.full(ROWS, "unseen", dtype=object) for name in TEXTS}}
    for predictor in (reference, compiled(reference)):
        for rows in (unseen, take_rows(unseen, slice(1))):
            with pytest.raises(ValueError, match="unknown categories"):
                predictor(rows)


BOOSTED = HistGradientBoostingRegressor(max_iter=5)  # which refuses nothing
OF_NUMBERS: dict[str, Callable[[], Any]] = {
    **TREES_OF_NUMBERS,
    "linear": Ridge,
    "of counts": PoissonRegressor,
    **{
        f"behind {type(step).__name__}": lambda step=step: make_pipeline(clone(step), BOOSTED)
        for step in (
            StandardScaler(),
            MinMaxScaler(),
            SimpleImputer(),
            VarianceThreshold(),
            KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
            OneHotEncoder(handle_unknown="ignore", sparse_output=False),
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            FunctionTransformer(np.abs, validate=True),
            FunctionTransformer(np.abs),
        )
    },
    "beside columns that are imputed": lambda: make_pipeline(
        make_column_transformer((SimpleImputer(), ["number"]), ("passthrough", ["other"])), Ridge()
    ),
    "stack": lambda: StackingRegressor([("a", Ridge())], RandomForestRegressor(3), cv=2),
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
        function=OF_NUMBERS[name],
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


class Shifted(StandardScaler):  # type: ignore[misc]
    """Is not taken for its parent."""

    def transform(self, X: Any, copy: bool | None = None) -> Any:  # noqa: N803
        return super().transform(X, copy) + 1


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ([GaussianNB()], "GaussianNB"),
        ([PolynomialFeatures(), LogisticRegression()], "PolynomialFeatures"),
        ([Shifted(), LogisticRegression()], "Shifted"),
    ],
)
def test_a_step_without_a_compiled_form_is_named(steps: list[Any], named: str) -> None:
    reference = fitted(lambda: make_pipeline(scaled(), *steps), "is_high")
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
