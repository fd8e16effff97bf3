"""Estimators as bytes: what may be stored and loaded."""

from __future__ import annotations

import importlib
import io
import sys
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn import ensemble, impute, linear_model, neighbors, neural_network, preprocessing, svm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier as Boosting
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from lockstep.artifacts import trusted
from lockstep.artifacts.trusted import TRUSTED, Trust, dump_estimator, entries_of, load_estimator
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


def encoded(text: Any, number: Any) -> ColumnTransformer:
    return ColumnTransformer([("text", text, ["text"]), ("number", number, ["number"])])


def scaled(*steps: Any) -> Any:
    return make_pipeline(StandardScaler(), *steps)


TUMOURS: Data = load_breast_cancer(return_X_y=True)
IRISES: Data = load_iris(return_X_y=True)
AREAS: Data = (TUMOURS[0][:, 4:], TUMOURS[0][:, 3])
MIXED: Data = mixed()

CATEGORIES = encoded(preprocessing.OrdinalEncoder(encoded_missing_value=-1), "passthrough")
OF_CLASSES = {
    "histogram boosting": Boosting(max_iter=3),
    "histogram boosting that stops early": Boosting(max_iter=5, early_stopping=True),
    "random forest": RandomForestClassifier(3),
    "extra trees": ensemble.ExtraTreesClassifier(3),
    "gradient boosting": ensemble.GradientBoostingClassifier(n_estimators=3),
    "gradient boosting, exponential": ensemble.GradientBoostingClassifier(
        n_estimators=3, loss="exponential"
    ),
    "adaptive boosting": ensemble.AdaBoostClassifier(n_estimators=3),
    "logistic": scaled(LogisticRegression()),
    "gradient descent": scaled(linear_model.SGDClassifier(loss="log_loss")),
    "support vectors": scaled(svm.SVC()),
    "neural network": scaled(
        neural_network.MLPClassifier(max_iter=200, hidden_layer_sizes=(4,), tol=1)
    ),
    "naive Bayes": GaussianNB(),
    "neighbours": neighbors.KNeighborsClassifier(algorithm="kd_tree"),
    "neighbours in a ball tree": neighbors.KNeighborsClassifier(algorithm="ball_tree"),
    "neighbours by Manhattan distance": neighbors.KNeighborsClassifier(
        algorithm="kd_tree", metric="manhattan"
    ),
    "calibration, sigmoid": CalibratedClassifierCV(svm.LinearSVC(), cv=2),
    "calibration, isotonic": CalibratedClassifierCV(
        RandomForestClassifier(3), method="isotonic", cv=2
    ),
    "voting": ensemble.VotingClassifier(
        [("bayes", GaussianNB()), ("trees", Boosting(max_iter=3))], voting="soft"
    ),
    "stacking": ensemble.StackingClassifier(
        [("bayes", GaussianNB()), ("trees", RandomForestClassifier(3))], cv=2
    ),
    "feature union": make_pipeline(
        FeatureUnion([("powers", preprocessing.PowerTransformer()), ("best", SelectKBest(k=2))]),
        scaled(LogisticRegression()),
    ),
    "grid search": GridSearchCV(
        scaled(LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2
    ),
}
OF_THREE_CLASSES = {
    "histogram boosting, three classes": Boosting(max_iter=3),
    "calibration, temperature": CalibratedClassifierCV(GaussianNB(), method="temperature", cv=2),
}
OF_NUMBERS = {
    **{
        f"histogram boosting, {loss}": HistGradientBoostingRegressor(
            loss=loss, max_iter=3, quantile=0.5
        )
        for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile")
    },
    "random forest regression": ensemble.RandomForestRegressor(3),
    "gradient boosting, huber": ensemble.GradientBoostingRegressor(n_estimators=3, loss="huber"),
    "bagging": ensemble.BaggingRegressor(n_estimators=3),
    "linear": LinearRegression(),
    "ridge": Ridge(),
    "elastic net": make_pipeline(preprocessing.RobustScaler(), linear_model.ElasticNet()),
    "poisson": scaled(linear_model.PoissonRegressor()),
    "tweedie": scaled(linear_model.TweedieRegressor(power=1.5, link="log", max_iter=500)),
    "support vector regression": scaled(svm.SVR()),
    "neural network by gradient descent": make_pipeline(
        preprocessing.QuantileTransformer(n_quantiles=50),
        neural_network.MLPRegressor(hidden_layer_sizes=(4,), solver="sgd", max_iter=200, tol=1e9),
    ),
    "splines": make_pipeline(preprocessing.SplineTransformer(), Ridge()),
    "function of numpy": make_pipeline(FunctionTransformer(np.log1p), Ridge()),
    "transformed target": TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
}
OF_MIXED = {
    "histogram boosting with categories": make_pipeline(
        CATEGORIES, Boosting(max_iter=3, categorical_features=[0])
    ),
    "one-hot encoding": make_pipeline(
        encoded(
            preprocessing.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=60),
            make_pipeline(impute.SimpleImputer(add_indicator=True), StandardScaler()),
        ),
        LogisticRegression(),
    ),
    "ordinal encoding": make_pipeline(
        encoded(
            preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
            impute.KNNImputer(),
        ),
        Boosting(max_iter=3),
    ),
    "target encoding": make_pipeline(
        encoded(
            preprocessing.TargetEncoder(),
            make_pipeline(
                impute.SimpleImputer(),
                preprocessing.KBinsDiscretizer(quantile_method="averaged_inverted_cdf"),
            ),
        ),
        ensemble.GradientBoostingClassifier(n_estimators=3),
    ),
    "words": make_pipeline(
        ColumnTransformer([("words", TfidfVectorizer(), "words")]), LogisticRegression()
    ),
}
ESTIMATORS: dict[str, tuple[Any, Data]] = {
    name: (estimator, data)
    for estimators, data in (
        *((OF_CLASSES, TUMOURS), (OF_THREE_CLASSES, IRISES)),
        *((OF_NUMBERS, AREAS), (OF_MIXED, MIXED)),
    )
    for name, estimator in estimators.items()
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
    told = r"Model price holds .*\.half, .* write trusted = \[\".*\.half\"\] into \[tool"
    with pytest.raises(UntrustedTypeError, match=told):
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
    estimator = Boosting(max_iter=3, early_stopping=True, scoring="roc_auc").fit(*TUMOURS)
    with pytest.raises(ArtifactError, match=r"Model risk .* leave its scoring='loss'"):
        dump_estimator("risk", estimator)


def test_where_skops_cannot_be_imported_no_model_is_loaded_but_its_cause_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = dump_estimator("cost", LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    monkeypatch.setattr(trusted, "skops", Mock(side_effect=ImportError("No module named 'skops'")))
    with pytest.raises(ArtifactError, match="skops, by which models are stored, cannot be"):
        load_estimator("cost", stored)


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


def test_what_the_versions_own_code_defines_needs_no_entry(package: Any) -> None:
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
