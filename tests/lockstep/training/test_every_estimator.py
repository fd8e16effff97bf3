"""Every estimator of scikit-learn, XGBoost and LightGBM: from `lockstep new --from` to a batch.

Each goes live and scores, or is refused at training with one line that says why. Those that go live
are models of one pipeline, beside the proposed one; each of the others has a pipeline of its own.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import all_estimators

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.files import decode_file
from lockstep.errors import LockstepError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipeline
from lockstep.project.project import Project
from lockstep.scoring.work import Work
from lockstep.store.parquet import Store
from lockstep.templates.project_writing import write_pipeline_from, write_project
from lockstep.training.candidate import Trained, train
from lockstep.training.gate import pass_gate
from tests.fixtures.homes import use_home
from tests.fixtures.scored import score

pytestmark = pytest.mark.filterwarnings("ignore")  # of estimators, about so few rows
ROWS = 120


@dataclass(frozen=True)
class Kind:
    """A kind of models.

    Attributes:
        estimators: The kind of their estimators, by scikit-learn's name.
        label: The table's last column, which they learn.
        options: What else they declare.
        gives: The type of their column.
    """

    estimators: str
    label: str
    options: str = ""
    gives: str = "Floats"


KINDS = {
    "number": Kind("regressor", "price"),
    "binary": Kind("classifier", "is_dear"),
    "classes": Kind("classifier", "grade", ", classes=CLASSES", "Texts"),
}
BOOSTERS = {
    "regressor": ("xgboost.XGBRegressor", "xgboost.XGBRFRegressor", "lightgbm.LGBMRegressor"),
    "classifier": ("xgboost.XGBClassifier", "xgboost.XGBRFClassifier", "lightgbm.LGBMClassifier"),
}
REFUSED: dict[str, tuple[str, tuple[str, ...]]] = {
    "it is made of others, of which it is given none": (
        r"missing 1 required positional argument: 'estimators?'|without an estimator in it",
        (
            *("MultiOutputRegressor", "RegressorChain", "StackingRegressor", "VotingRegressor"),
            *("ClassifierChain", "FixedThresholdClassifier", "MultiOutputClassifier"),
            *("OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier"),
            *("SelfTrainingClassifier", "StackingClassifier", "TunedThresholdClassifierCV"),
            "VotingClassifier",
        ),
    ),
    "it learns several targets at once": (
        r"cannot be fitted on \d+ rows: (For mono-task outputs|`n_components` upper bound is 1)",
        (
            *("MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso"),
            *("MultiTaskLassoCV", "CCA", "PLSCanonical"),
        ),
    ),
    "it learns from one column": (r"or 2d array with 1 feature", ("IsotonicRegression",)),
    "it takes no columns that depend on one another, as those of the towns do": (
        r"The covariance matrix of class \w+ is not full rank",
        ("QuadraticDiscriminantAnalysis",),
    ),
    "its radius does not reach any row": (
        r"No neighbors found .* you can try using larger radius",
        ("RadiusNeighborsClassifier",),
    ),
    "it gives no probabilities": (
        r"gives no probabilities \(predict_proba\); wrap it in CalibratedClassifierCV",
        (
            *("LinearSVC", "NuSVC", "PassiveAggressiveClassifier", "Perceptron"),
            *("RidgeClassifier", "RidgeClassifierCV", "SGDClassifier", "SVC"),
        ),
    ),
}
"""By reason: what the message says, and the estimators as they are without arguments."""
REFUSALS = [
    pytest.param(name, words, marks=[pytest.mark.long] if place else [], id=name)
    for words, names in REFUSED.values()
    for place, name in enumerate(names)
]
"""All of them; the first of each reason is tried before each commit."""
REFUSED_TEXTS = dict.fromkeys(
    ("XGBClassifier", "XGBRFClassifier"),
    r"Invalid classes .* It takes numbers from 0 on as classes: have true_grade give these",
)
"""Those that learn no classes that are texts."""
FAMILIES = {
    "GradientBoostingRegressor": "",
    "Ridge": ", ulps=64",
    "LinearSVR": None,
    "GaussianProcessRegressor": None,
    "KNeighborsRegressor": "",
    "MLPRegressor": None,
}
"""One of each family of regressors, and what a model of it declares beside its columns."""
EXACT = ("Tree", "Boosting", "Forest", "XGB", "LGBM", "Dummy", "Bagging", "AdaBoost", "KNeighbors")
"""Parts of the names of those that give the same bits whatever the batch."""
MODEL = '''

@model(learns={learns}, uses=["area", "rooms", "town", sold_at_month, sold_at_weekday]{options})
def m_{name}() -> Steps:
    """What is expected."""
    from {module} import {type}

    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["town"]),
        remainder="passthrough",
    )
    return make_pipeline(prepare, {type}({arguments}))


@output
def given_{name}(m_{name}: {gives}) -> {gives}:
    """What is expected."""
    return m_{name}
'''


@dataclass(frozen=True)
class House:
    """A project with a home of its own."""

    project: Project
    tables: Path

    def declared(self, name: str, kind: str, models: Sequence[str]) -> PipelineAssets:
        """A pipeline as `lockstep new --pipeline NAME --from FILE` writes it, with more models."""
        write_pipeline_from(self.project, name, self.tables / f"{kind}.csv")
        module = self.project.root / "transforms" / f"{name}.py"
        written, end = module.read_text().split("\n\nPIPELINE =")
        module.write_text(f"{written}\n{''.join(models)}\n\nPIPELINE ={end}")
        importlib.invalidate_caches()
        return pipeline(self.project, name)

    def train(self, declared: PipelineAssets) -> Trained:
        store = Store(self.project.home.data / declared.name)
        return train(declared, store, self.project.home.registry(), self.project.packages)

    def publish(self, declared: PipelineAssets, trained: Trained) -> LoadedVersion:
        """Have the version go live, and publish a file."""
        failed = {name: r.summary for name, r in trained.results.items() if r.is_error}
        assert not failed
        assert trained.candidate is not None
        assert trained.candidate.version is not None
        number = trained.candidate.version.version
        home, store = self.project.home, Store(self.project.home.data / declared.name)
        pointer = home.live(declared.name)
        gate = pass_gate(declared, home.registry(), store, pointer, wanted=number)
        assert gate.live == number, {name: r.summary for name, r in gate.results.items()}
        live = home.registry().load(declared.name, "live")
        rows = decode_file(self.tables / "rows.csv", live.pipeline.record_schema)
        scored = score(Work(declared, store, "inbox", "rows"), live, rows)
        assert scored.published is not None, {n: r.summary for n, r in scored.results.items()}
        return live


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[House]:
    root = tmp_path_factory.mktemp("houses")
    write_project(root / "project")
    random = np.random.default_rng(0)
    known = pd.DataFrame(
        {
            "house_id": [f"h{row:04d}" for row in range(ROWS)],
            "sold_at": pd.date_range("2024-01-01", periods=ROWS, freq="6h", tz="UTC").map(
                pd.Timestamp.isoformat
            ),
            "area": random.uniform(40, 200, ROWS).round(2),
            "rooms": random.integers(1, 6, ROWS),
            "town": random.choice(["Aber", "Bree", "Cove"], ROWS),
        }
    )
    price = (known.area * 3 + known.rooms * 10 + random.normal(0, 5, ROWS)).round(2)
    grade = np.array(["low", "mean", "high"])[np.digitize(price, [300, 450])]
    labels = {"price": price, "is_dear": np.where(price > 400, "yes", "no"), "grade": grade}
    for name, kind in KINDS.items():
        known.assign(**{kind.label: labels[kind.label]}).to_csv(root / f"{name}.csv", index=False)
    known.to_csv(root / "rows.csv", index=False)
    project = Project.find(root / "project")
    with pytest.MonkeyPatch.context() as patch:
        use_home(root / "home", patch)
        patch.syspath_prepend(str(project.root))
        project.home.mlflow.mkdir(parents=True)
        copy(empty_database, project.home.mlflow / "mlflow.db")
        yield House(project, root)


def estimators(kind: str) -> dict[str, type]:
    """All estimators of a kind, by name."""
    found = dict(all_estimators(type_filter=KINDS[kind].estimators))
    for name in BOOSTERS[KINDS[kind].estimators]:
        module, _, own = name.partition(".")
        found[own] = getattr(pytest.importorskip(module), own)
    return found


def model(kind: str, estimator: type, ulps: str | None = None) -> str:
    """The source of a model of an estimator without arguments, but for a seed and quiet."""
    name, known = estimator.__name__, inspect.signature(estimator).parameters
    is_exact = any(part in name for part in EXACT)
    arguments = ["verbose=-1"] if name.startswith("LGBM") else []
    arguments += ["random_state=0"] if "random_state" in known else []
    return MODEL.format(
        name=name.lower(),
        type=name,
        module=estimator.__module__.partition("._")[0],
        arguments=", ".join(arguments),
        learns=f"true_{KINDS[kind].label}",
        options=KINDS[kind].options
        + (", ulps=2**20" if ulps is None and not is_exact else ulps or ""),
        gives=KINDS[kind].gives,
    )


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_all_others_go_live_and_are_published(kind: str, house: House) -> None:
    refused = {name for _, names in REFUSED.values() for name in names}
    refused |= {*(REFUSED_TEXTS if kind == "classes" else ())}
    found = {name: each for name, each in estimators(kind).items() if name not in refused}
    models = [model(kind, each) for each in found.values()]
    declared = house.declared(f"every_{kind}", kind, models)
    live = house.publish(declared, house.train(declared))
    assert len(live.pipeline.graph.models) == len(found) + 1
    assert not live.differing


def test_one_of_each_family_goes_live_and_is_published(house: House) -> None:
    found = estimators("number")
    models = [model("number", found[name], ulps) for name, ulps in FAMILIES.items()]
    declared = house.declared("families", "number", models)
    live = house.publish(declared, house.train(declared))
    assert {"m_gradientboostingregressor", "m_ridge"} <= {*live.compiled.models}
    assert not live.differing


@pytest.mark.parametrize(("name", "message"), REFUSALS)
def test_what_cannot_go_live_without_arguments_is_refused_in_a_line(
    name: str, message: str, house: House
) -> None:
    """An entry of the table that trains is wrong, and fails here."""
    demand_refused(house, "number" if name in estimators("number") else "binary", name, message)


@pytest.mark.parametrize(("name", "message"), REFUSED_TEXTS.items())
def test_what_learns_no_texts_is_refused_in_a_line(name: str, message: str, house: House) -> None:
    demand_refused(house, "classes", name, message)


def demand_refused(house: House, kind: str, name: str, message: str) -> None:
    """Demand that an estimator is refused at training with such a message, in a line."""
    models = [model(kind, estimators(kind)[name])]
    declared = house.declared(f"refused_{kind}_{name.lower()}", kind, models)
    with pytest.raises(LockstepError, match=message) as raised:
        house.train(declared)
    assert "\n" not in str(raised.value)
    assert f"m_{name.lower()}" in str(raised.value)


def test_a_linear_model_that_needs_ulps_and_declares_none_is_told_to(house: House) -> None:
    found = estimators("number")["Ridge"]
    declared = house.declared("rounded", "number", [model("number", found, ulps="")])
    results = house.train(declared).results
    failed = {name: result for name, result in results.items() if result.is_error}
    assert set(failed) <= {"round_trip", "wire_formats"}
    for result in failed.values():
        assert "`@model(..., ulps=64)`. Then train anew" in result.todo
