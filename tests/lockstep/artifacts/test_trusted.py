"""Estimators as bytes: what may be stored and loaded."""

from __future__ import annotations

import importlib
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, SVR, LinearSVC

from lockstep.artifacts import trusted
from lockstep.artifacts.trusted import (
    TRUSTED,
    Trust,
    dump_estimator,
    entries_of,
    load_estimator,
)
from lockstep.errors import ArtifactError, UntrustedTypeError

Data = tuple[Any, Any]


def mixed() -> Data:
    """Text with None, numbers with NaN, and words."""
    row = np.arange(200)
    table = pd.DataFrame(
        {
            "text": pd.Series(np.array(["a", "b", None, "c"], dtype=object)[row % 4], dtype=object),
            "number": np.where(row % 9 == 0, np.nan, row),
            "words": pd.Series(np.array(["to be", "or not"], dtype=object)[row % 2], dtype=object),
        }
    )
    return table, row % 3 == 0


def encoded(**text: Any) -> ColumnTransformer:
    return ColumnTransformer(
        [("text", text["encoder"], ["text"]), ("number", text["imputer"], ["number"])]
    )


TUMOURS: Data = load_breast_cancer(return_X_y=True)
IRISES: Data = load_iris(return_X_y=True)
AREAS: Data = (TUMOURS[0][:, 4:], TUMOURS[0][:, 3])

ESTIMATORS: dict[str, tuple[Any, Data]] = {
    "histogram boosting": (HistGradientBoostingClassifier(max_iter=3), TUMOURS),
    "histogram boosting, three classes": (HistGradientBoostingClassifier(max_iter=3), IRISES),
    "histogram boosting that stops early": (
        HistGradientBoostingClassifier(max_iter=5, early_stopping=True),
        TUMOURS,
    ),
    "histogram boosting with categories": (
        make_pipeline(
            ColumnTransformer(
                [("text", OrdinalEncoder(encoded_missing_value=-1), ["text"])],
                remainder="passthrough",
            ),
            HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]),
        ),
        (mixed()[0].drop(columns="words"), mixed()[1]),
    ),
    **{
        f"histogram boosting, {loss}": (
            HistGradientBoostingRegressor(loss=loss, max_iter=3, quantile=0.5),
            AREAS,
        )
        for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile")
    },
    "random forest": (RandomForestClassifier(3), TUMOURS),
    "random forest regression": (RandomForestRegressor(3), AREAS),
    "extra trees": (ExtraTreesClassifier(3), TUMOURS),
    "gradient boosting": (GradientBoostingClassifier(n_estimators=3), TUMOURS),
    "gradient boosting, exponential": (
        GradientBoostingClassifier(n_estimators=3, loss="exponential"),
        TUMOURS,
    ),
    "gradient boosting, huber": (GradientBoostingRegressor(n_estimators=3, loss="huber"), AREAS),
    "adaptive boosting": (AdaBoostClassifier(n_estimators=3), TUMOURS),
    "bagging": (BaggingRegressor(n_estimators=3), AREAS),
    "logistic": (make_pipeline(StandardScaler(), LogisticRegression()), TUMOURS),
    "linear": (LinearRegression(), AREAS),
    "ridge": (Ridge(), AREAS),
    "elastic net": (make_pipeline(RobustScaler(), ElasticNet()), AREAS),
    "poisson": (make_pipeline(StandardScaler(), PoissonRegressor()), AREAS),
    "tweedie": (
        make_pipeline(StandardScaler(), TweedieRegressor(power=1.5, link="log", max_iter=500)),
        AREAS,
    ),
    "gradient descent": (
        make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss")),
        TUMOURS,
    ),
    "support vectors": (make_pipeline(StandardScaler(), SVC()), TUMOURS),
    "support vector regression": (make_pipeline(StandardScaler(), SVR()), AREAS),
    "neural network": (
        make_pipeline(
            StandardScaler(), MLPClassifier(max_iter=200, hidden_layer_sizes=(4,), tol=1)
        ),
        TUMOURS,
    ),
    "neural network by gradient descent": (
        make_pipeline(
            QuantileTransformer(n_quantiles=50),
            MLPRegressor(hidden_layer_sizes=(4,), solver="sgd", max_iter=200, tol=1e9),
        ),
        AREAS,
    ),
    "naive Bayes": (GaussianNB(), TUMOURS),
    "neighbours": (KNeighborsClassifier(algorithm="kd_tree"), TUMOURS),
    "neighbours in a ball tree": (KNeighborsClassifier(algorithm="ball_tree"), TUMOURS),
    "neighbours by Manhattan distance": (
        KNeighborsClassifier(algorithm="kd_tree", metric="manhattan"),
        TUMOURS,
    ),
    "calibration, sigmoid": (CalibratedClassifierCV(LinearSVC(), cv=2), TUMOURS),
    "calibration, isotonic": (
        CalibratedClassifierCV(RandomForestClassifier(3), method="isotonic", cv=2),
        TUMOURS,
    ),
    "calibration, temperature": (
        CalibratedClassifierCV(GaussianNB(), method="temperature", cv=2),
        IRISES,
    ),
    "voting": (
        VotingClassifier(
            [("bayes", GaussianNB()), ("trees", HistGradientBoostingClassifier(max_iter=3))],
            voting="soft",
        ),
        TUMOURS,
    ),
    "stacking": (
        StackingClassifier([("bayes", GaussianNB()), ("trees", RandomForestClassifier(3))], cv=2),
        TUMOURS,
    ),
    "one-hot encoding": (
        make_pipeline(
            encoded(
                encoder=OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=60),
                imputer=make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()),
            ),
            LogisticRegression(),
        ),
        mixed(),
    ),
    "ordinal encoding": (
        make_pipeline(
            encoded(
                encoder=OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                imputer=KNNImputer(),
            ),
            HistGradientBoostingClassifier(max_iter=3),
        ),
        mixed(),
    ),
    "target encoding": (
        make_pipeline(
            encoded(
                encoder=TargetEncoder(),
                imputer=make_pipeline(
                    SimpleImputer(), KBinsDiscretizer(quantile_method="averaged_inverted_cdf")
                ),
            ),
            GradientBoostingClassifier(n_estimators=3),
        ),
        mixed(),
    ),
    "words": (
        make_pipeline(
            ColumnTransformer([("words", TfidfVectorizer(), "words")]), LogisticRegression()
        ),
        mixed(),
    ),
    "feature union": (
        make_pipeline(
            FeatureUnion([("powers", PowerTransformer()), ("best", SelectKBest(k=2))]),
            StandardScaler(),
            LogisticRegression(),
        ),
        TUMOURS,
    ),
    "splines": (make_pipeline(SplineTransformer(), Ridge()), AREAS),
    "function of numpy": (make_pipeline(FunctionTransformer(np.log1p), Ridge()), AREAS),
    "transformed target": (
        TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
        AREAS,
    ),
    "grid search": (
        GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression()),
            {"logisticregression__C": [0.1, 1]},
            cv=2,
        ),
        TUMOURS,
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learns_estimators_come_back_as_they_were(name: str) -> None:
    estimator, (table, target) = ESTIMATORS[name]
    estimator.fit(table, target)
    loaded = load_estimator("column", dump_estimator("column", estimator))
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(estimator, method):
            expected = getattr(estimator, method)(table)
            np.testing.assert_array_equal(getattr(loaded, method)(table), expected)


@pytest.mark.parametrize("name", TRUSTED)
def test_every_type_on_the_list_exists(name: str) -> None:
    if (library := name.partition(".")[0]) in ("xgboost", "lightgbm", "catboost"):
        pytest.importorskip(library)
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


def half(values: Any) -> Any:
    return values / 2


def test_a_function_of_the_users_own_is_refused_when_stored() -> None:
    estimator = make_pipeline(FunctionTransformer(half), Ridge()).fit(*AREAS)
    with pytest.raises(
        UntrustedTypeError,
        match=r"Model price holds .*\.half, .* write trusted = \[\".*\.half\"\] into \[tool",
    ):
        dump_estimator("price", estimator)


def test_a_type_that_is_not_allowed_is_refused_when_loaded(tmp_path: Path) -> None:
    data = skops.io.dumps(make_pipeline(FunctionTransformer(half), Ridge()).fit(*AREAS))
    with pytest.raises(UntrustedTypeError) as raised:
        load_estimator("price", data)
    assert raised.value.column == "price"
    assert [name.rpartition(".")[2] for name in raised.value.types] == ["half"]


def test_a_model_that_these_libraries_cannot_make_again_says_what_to_do() -> None:
    data = dump_estimator("price", Ridge().fit(*AREAS))
    with pytest.raises(ArtifactError, match=r"Model price cannot be loaded here: .* train again"):
        load_estimator("price", data[:-100])


class Custom(Ridge):
    """An estimator of the user's own."""


def test_an_estimator_of_the_users_own_is_refused_by_name() -> None:
    with pytest.raises(UntrustedTypeError, match="Custom"):
        dump_estimator("price", Custom().fit(*AREAS))


def test_an_estimator_that_refers_to_itself_is_told_with_a_way_out() -> None:
    estimator = HistGradientBoostingClassifier(
        max_iter=3, early_stopping=True, scoring="roc_auc"
    ).fit(*TUMOURS)
    with pytest.raises(ArtifactError, match=r"Model risk .* leave its scoring='loss'"):
        dump_estimator("risk", estimator)


def test_where_skops_cannot_be_imported_no_model_is_loaded_and_the_cause_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = dump_estimator("cost", LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    monkeypatch.setattr(trusted, "skops", _missing)
    with pytest.raises(
        ArtifactError, match=r"skops, by which models are stored, cannot be imported"
    ):
        load_estimator("cost", stored)


def _missing() -> None:
    raise ImportError("No module named 'skops'")


MODULE = """
import threading
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import Ridge as Borrowed

class Winsorizer(TransformerMixin, BaseEstimator):
    def fit(self, rows, labels=None):
        self.most_ = 1.5
        return self
    def transform(self, rows):
        return rows.clip(upper=self.most_)

def half(values):
    return values / 2

def local():
    class Inner(Winsorizer):
        pass
    return Inner()

class Locked(Winsorizer):
    def __init__(self):
        self.lock = threading.Lock()
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package that offers a class which a module in it defines."""
    folder = tmp_path / "a_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("from a_package.steps import Winsorizer\n")
    (folder / "steps.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("a_package.steps")
    for name in ("a_package", "a_package.steps"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("entry", ["a_package.Winsorizer", "a_package.steps.Winsorizer"])
def test_a_type_that_the_project_trusts_comes_back(package: Any, entry: str) -> None:
    estimator = make_pipeline(package.Winsorizer(), Ridge())
    with pytest.raises(UntrustedTypeError, match=r'trusted = \["a_package.steps.Winsorizer"\]'):
        dump_estimator("price", estimator)
    trust = Trust((entry, "a_package.Other"))
    data = dump_estimator("price", estimator, trust)
    assert type(load_estimator("price", data, trust)[0]) is package.Winsorizer
    assert entries_of(data, trust) == {entry}
    with pytest.raises(UntrustedTypeError):
        load_estimator("price", data)


CARRIED = {"steps": "a_package.steps"}
"""The module as a version carries it, and the name that it runs under."""


def test_what_the_versions_own_code_defines_needs_no_entry_and_is_loaded_from_there(
    package: Any,
) -> None:
    trust = Trust((), CARRIED)
    estimator = make_pipeline(package.Winsorizer(), FunctionTransformer(package.half), Ridge())
    data = dump_estimator("price", estimator, trust)
    assert b"a_package" not in zipfile.ZipFile(io.BytesIO(data)).read("schema.json")
    loaded = load_estimator("price", data, trust)
    assert type(loaded[0]) is package.Winsorizer
    assert loaded[1].func is package.half
    assert entries_of(data, trust) == set()


def test_what_its_modules_only_import_is_not_trusted_through_them(package: Any) -> None:
    """Else any function that a module imports, such as `os.system`, could be called."""
    trust = Trust((), CARRIED)
    data = dump_estimator("price", make_pipeline(package.Winsorizer(), Ridge()), trust)
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as stored, zipfile.ZipFile(forged, "w") as written:
        for name in stored.namelist():
            content = stored.read(name)
            if name == "schema.json":
                content = content.replace(b'"Winsorizer"', b'"Borrowed"')
            written.writestr(name, content)
    with pytest.raises(UntrustedTypeError, match=r"steps\.Borrowed"):
        load_estimator("price", forged.getvalue(), trust)


def test_an_entry_does_not_stand_for_a_module_that_the_version_does_not_carry(package: Any) -> None:
    trust = Trust(("a_package.steps.Winsorizer",), {"a_package.columns": "a_package.columns"})
    with pytest.raises(UntrustedTypeError, match=r"a_package\.steps\.Winsorizer"):
        dump_estimator("price", package.Winsorizer(), trust)


def test_a_class_that_nothing_could_find_again_is_one_line(package: Any) -> None:
    for estimator, name in ((package.local(), "Inner"), (FunctionTransformer(lambda x: x), "<lam")):
        with pytest.raises(ArtifactError, match=f"its {name}.* not at the top level of") as raised:
            dump_estimator("price", make_pipeline(estimator, Ridge()), Trust((), CARRIED))
        assert "\n" not in str(raised.value)


def test_a_class_that_holds_what_is_no_data_is_one_line(package: Any) -> None:
    with pytest.raises(ArtifactError, match=r"holds something that is no data .*lock") as raised:
        dump_estimator("price", make_pipeline(package.Locked(), Ridge()), Trust((), CARRIED))
    assert "\n" not in str(raised.value)
