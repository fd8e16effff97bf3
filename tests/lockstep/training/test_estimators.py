"""Estimators that people use: trained, through the gate, scored, and served without Lockstep."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lockstep.artifacts.artifact import sha256
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import decode
from lockstep.errors import ArtifactError, FitError, RenumberedError, UntrustedTypeError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipeline
from lockstep.project.project import Project
from lockstep.registry.registry import Registry
from lockstep.registry.versions import MANIFEST_TAG
from lockstep.scoring.work import Work
from lockstep.store.parquet import Store
from lockstep.training.candidate import Trained, train
from lockstep.training.gate import pass_gate
from tests.fixtures.homes import use_home
from tests.fixtures.scored import score

KINDS = Path(__file__).parents[2] / "projects" / "kinds"
COLUMNS = '''
"""How much a flat will use."""

from __future__ import annotations

from typing import Any

import numpy as np
{imports}
from kinds_columns.reading import Reading, Use

from lockstep import Bools, Floats, Ints, Pipeline, Texts, feature, label, model, output


@feature
def cold(outside: Floats) -> Floats:
    """Degrees below the temperature at which people heat."""
    return np.maximum(18.0 - outside, 0.0)


@label
def use(used: Floats) -> Floats:
    """Kilowatt hours."""
    return used


@label
def much(used: Floats) -> Floats:
    """Whether it is more than usual."""
    return np.where(np.isnan(used), np.nan, used > 30)


@label
def level(used: Floats) -> Texts:
    """How much it is."""
    names = np.array(["low", "mean", "high"], dtype=object)
    return np.where(np.isnan(used), None, names[np.digitize(np.nan_to_num(used), [20, 40])])


@label
def grade(used: Floats) -> Floats:
    """The same as a number."""
    return np.where(np.isnan(used), np.nan, np.digitize(np.nan_to_num(used), [20, 40]) * 1.0)

{models}
PIPELINE = Pipeline(__name__, record=Reading, outcome=Use)
'''
MODEL = '''
@model(learns={learns}, uses=[cold, "outside", "wind", "rooms"], ulps={ulps}{options})
def {name}() -> Any:
    """What is expected."""
    {body}


@output
def told_{name}({name}: {given}) -> {given}:
    """What is expected."""
    return {name}

'''
ASSETS = '''
"""Where the rows come from."""

from datetime import date

from kinds_columns.{name} import PIPELINE
from kinds_columns.reading import history, readings

from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(history),
    daily=FunctionSource(readings),
    calendar=Calendar(date(2020, 2, 1), date(2020, 2, 8)),
    quality=[{quality}],
)
'''


@dataclass(frozen=True)
class Estimator:
    """A model of a pipeline.

    Attributes:
        body: What its function does.
        learns: Its label.
        ulps: Its budget.
        compiled: Whether a compiled form serves it.
        quality: What is demanded of it, if anything, by its name.
    """

    body: str
    learns: str = "use"
    ulps: int = 0
    compiled: bool = True
    quality: str = ""


KINDS_OF: dict[str, tuple[str, dict[str, Estimator]]] = {
    "xgboost": (
        "from xgboost import XGBClassifier, XGBRegressor",
        {
            "amount": Estimator(
                "return XGBRegressor(n_estimators=40)",
                quality='Quality("{name}", "use", "r2", 0.3)',
            ),
            "chance": Estimator(
                "return XGBClassifier(n_estimators=40)",
                "much",
                quality='Quality("{name}", "much", "average_precision", 0.6)',
            ),
            "grades": Estimator("return XGBClassifier(n_estimators=20)", "grade"),
            "dart": Estimator(
                "return XGBRegressor(n_estimators=5, booster='dart')", compiled=False
            ),
        },
    ),
    "lightgbm": (
        "from kinds_steps.winsor import Winsorizer\n"
        "from lightgbm import LGBMClassifier, LGBMRegressor\n"
        "from sklearn.pipeline import make_pipeline",
        {
            "amount": Estimator("return LGBMRegressor(n_estimators=40, verbose=-1)"),
            "chance": Estimator("return LGBMClassifier(n_estimators=40, verbose=-1)", "much"),
            "levels": Estimator("return LGBMClassifier(n_estimators=20, verbose=-1)", "level"),
            "behind": Estimator(
                "return make_pipeline(Winsorizer(), LGBMRegressor(n_estimators=5, verbose=-1))",
                compiled=False,
            ),
        },
    ),
    "catboost": (
        "from catboost import CatBoostClassifier, CatBoostRegressor\n"
        "QUIET = dict(iterations=20, verbose=0, allow_writing_files=False)",
        {
            "amount": Estimator("return CatBoostRegressor(**QUIET)", compiled=False),
            "chance": Estimator("return CatBoostClassifier(**QUIET)", "much", compiled=False),
            "levels": Estimator("return CatBoostClassifier(**QUIET)", "level", compiled=False),
        },
    ),
    "statsmodels": (
        "from kinds_steps.least_squares import LeastSquares\n"
        "from sklearn.impute import SimpleImputer\n"
        "from sklearn.pipeline import make_pipeline",
        {
            "amount": Estimator(
                "return make_pipeline(SimpleImputer(), LeastSquares())", ulps=64, compiled=False
            )
        },
    ),
    "sklearn": (
        "from kinds_steps.winsor import Winsorizer, root\n"
        "from sklearn.experimental import enable_iterative_imputer  # noqa: F401\n"
        "from sklearn.gaussian_process import GaussianProcessRegressor\n"
        "from sklearn.gaussian_process.kernels import RBF, RationalQuadratic, WhiteKernel\n"
        "from sklearn.impute import IterativeImputer, SimpleImputer\n"
        "from sklearn.linear_model import Ridge\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import FunctionTransformer, StandardScaler",
        {
            "own": Estimator(
                "return make_pipeline(Winsorizer(), FunctionTransformer(root), SimpleImputer(), "
                "Ridge())",
                ulps=64,
                compiled=False,
            ),
            "imputed": Estimator(
                "return make_pipeline(IterativeImputer(random_state=0), Ridge())",
                ulps=4096,
                compiled=False,
            ),
            "gaussian": Estimator(
                "return make_pipeline(SimpleImputer(), StandardScaler(), GaussianProcessRegressor("
                "RBF() + RationalQuadratic() + WhiteKernel(), optimizer=None))",
                ulps=2**24,
                compiled=False,
            ),
        },
    ),
}
TOGETHER = {
    "trees": ("xgboost", "lightgbm"),
    "trees_of_catboost": ("catboost",),
    "others": ("statsmodels", "sklearn"),
}
"""Kinds that are models of one pipeline."""
GIVES = {"use": "Floats", "much": "Floats", "level": "Texts", "grade": "Ints"}
OPTIONS = {"level": ', classes=["low", "mean", "high"]', "grade": ", classes=[0, 1, 2]"}
REFUSAL = """
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"lockstep", "kinds_columns", "kinds_steps"}:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Refusal())
"""
PREDICT = """
import sys, mlflow, pandas as pd
for number, place in enumerate(sys.argv[1:]):
    predicted = mlflow.pyfunc.load_model(place).predict(pd.read_pickle(f"{number}.pkl"))
    predicted.to_pickle(f"{number}.predicted.pkl")
assert not {"lockstep", "kinds_columns", "kinds_steps"} & set(sys.modules)
"""


@dataclass(frozen=True)
class Workshop:
    """A copy of the project, to which pipelines are added, with an empty home."""

    project: Project

    @property
    def registry(self) -> Registry:
        return self.project.home.registry()

    def add(self, name: str, imports: str, models: dict[str, Estimator]) -> PipelineAssets:
        """Write a pipeline, and import it."""
        columns = COLUMNS.format(
            imports=imports,
            models="".join(
                MODEL.format(
                    name=each,
                    learns=model.learns,
                    ulps=model.ulps,
                    options=OPTIONS.get(model.learns, ""),
                    given=GIVES[model.learns],
                    body=model.body,
                )
                for each, model in models.items()
            ),
        )
        root = self.project.root
        for package in ("kinds_assets", "kinds_suites"):
            (root / package).mkdir(exist_ok=True)
        (root / "kinds_columns" / f"{name}.py").write_text(columns.lstrip())
        demands = [model.quality.format(name=each) for each, model in models.items()]
        assets = ASSETS.format(name=name, quality=", ".join(filter(None, demands)))
        (root / "kinds_assets" / f"{name}.py").write_text(assets.lstrip())
        suites = '"""No expectations."""\nfrom lockstep import Suites\nSUITES = Suites()\n'
        (root / "kinds_suites" / f"{name}.py").write_text(suites)
        importlib.invalidate_caches()
        return pipeline(self.project, name)

    def store(self, declared: PipelineAssets) -> Store:
        return Store(self.project.home.data / declared.name)

    def train(self, declared: PipelineAssets) -> Trained:
        return train(declared, self.store(declared), self.registry, self.project.packages)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Workshop]:
    root = tmp_path_factory.mktemp("kinds")
    shutil.copytree(KINDS, root / "kinds")
    project = Project.find(root / "kinds")
    with pytest.MonkeyPatch.context() as patch:
        use_home(root / "home", patch)
        project.home.mlflow.mkdir(parents=True)
        shutil.copy(empty_database, project.home.mlflow / "mlflow.db")
        yield Workshop(project)


@pytest.fixture(scope="module")
def predicted(workshop: Workshop) -> dict[str, tuple[str, pd.DataFrame, pd.DataFrame]]:
    """By pipeline, where MLflow finds its version, the rows, and what was published of them."""
    return {}


@pytest.mark.parametrize("name", TOGETHER)
@pytest.mark.long
def test_they_are_trained_pass_the_gate_and_score(
    name: str, workshop: Workshop, predicted: dict[str, Any]
) -> None:
    for kind in TOGETHER[name]:
        pytest.importorskip(kind)
    imports = "\n".join(KINDS_OF[kind][0] for kind in TOGETHER[name])
    models = {
        f"{kind}_{each}": model
        for kind in TOGETHER[name]
        for each, model in KINDS_OF[kind][1].items()
    }
    declared = workshop.add(name, imports, models)
    trained = workshop.train(declared)
    failed = {each: found.summary for each, found in trained.results.items() if found.is_error}
    assert not failed
    assert trained.results["fit"].passed, trained.results["fit"].summary
    assert "rows without a label" in trained.results["fit"].summary
    assert trained.candidate is not None
    assert trained.candidate.version is not None
    registry, number = workshop.registry, trained.candidate.version.version
    registry.set_alias(name, "champion", number)
    gate = pass_gate(declared, registry, workshop.store(declared), workshop.project.home.live(name))
    assert gate.live == number, {each: found.summary for each, found in gate.results.items()}
    loaded = registry.load(name, "live")
    assert set(manifest_of(loaded)["trusted"]) == set(
        workshop.project.trusted if "statsmodels" in TOGETHER[name] else ()
    )
    compiled = {each for each, model in models.items() if model.compiled}
    assert set(loaded.compiled.models) == compiled, loaded.compiled.reasons
    rows = declared.daily.read(date(2020, 2, 1)).drop(columns="used")
    scored = score(
        Work(declared, workshop.store(declared), "daily", "2020-02-01"),
        loaded,
        decode(rows, loaded.pipeline.record_schema),
    )
    assert scored.published is not None, {n: r.summary for n, r in scored.results.items()}
    predicted[name] = (registry.versions(name)[0].location, rows, loaded.pipeline.predict(rows))


def manifest_of(loaded: LoadedVersion) -> Any:
    """The manifest of a version."""
    return json.loads((loaded.directory / "manifest.json").read_bytes())


@pytest.mark.long
def test_mlflow_predicts_the_same_where_lockstep_cannot_be_imported(
    tmp_path: Path, predicted: dict[str, tuple[str, pd.DataFrame, pd.DataFrame]]
) -> None:
    assert predicted
    (tmp_path / "sitecustomize.py").write_text(REFUSAL)
    places = []
    for number, (place, rows, _) in enumerate(predicted.values()):
        rows.to_pickle(tmp_path / f"{number}.pkl")
        places.append(place)
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, *places],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    for number, (name, (_, _, expected)) in enumerate(predicted.items()):
        found = pd.read_pickle(tmp_path / f"{number}.predicted.pkl")
        pd.testing.assert_frame_equal(found, expected, check_exact=True, obj=name)


RIDGE = "from sklearn.linear_model import Ridge"
FAULTS = {
    "nothing_returned": (
        RIDGE,
        "Ridge()",
        FitError,
        "returns nothing: write `return` before the estimator",
    ),
    "a_lambda": (
        "from sklearn.linear_model import Ridge\n"
        "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import FunctionTransformer",
        "return make_pipeline(FunctionTransformer(lambda rows: rows), Ridge())",
        ArtifactError,
        r"Model amount cannot be stored: its <lambda> is not at the top level of kinds_columns\.",
    ),
    "a_stranger": (
        "from email.policy import Compat32\nfrom sklearn.linear_model import Ridge",
        "return Ridge(alpha=Compat32())",
        UntrustedTypeError,
        r'holds email\._policybase\.Compat32, .* trusted = \["email\._policybase\.Compat32"\]',
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_stored_is_told_in_a_line_before_anything_is_fitted(
    name: str, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports, body, error, message = FAULTS[name]
    declared = workshop.add(name, imports, {"amount": Estimator(body)})
    monkeypatch.setattr("lockstep.columns.fitting.fit", _fitted_too_early)
    with pytest.raises(error, match=message) as raised:
        workshop.train(declared)
    assert "\n" not in str(raised.value)


def _fitted_too_early(*_: Any) -> None:
    raise AssertionError("something was fitted")


@pytest.fixture(scope="module")
def forests(workshop: Workshop) -> tuple[PipelineAssets, Trained]:
    """A pipeline of two forests, one of them without a seed; and its training."""
    imports = (
        "from sklearn.ensemble import RandomForestRegressor\n"
        "from sklearn.impute import SimpleImputer\n"
        "from sklearn.pipeline import make_pipeline"
    )
    forest = "return make_pipeline(SimpleImputer(), RandomForestRegressor(n_estimators=5{}))"
    models = {
        "seeded": Estimator(forest.format(", random_state=0")),
        "unseeded": Estimator(forest.format("")),
    }
    declared = workshop.add("forests", imports, models)
    return declared, workshop.train(declared)


def test_a_missing_seed_is_a_warning_that_names_the_estimator(
    forests: tuple[PipelineAssets, Trained],
) -> None:
    declared, trained = forests
    found = trained.results["fit"]
    assert (found.result, found.column, found.also) == ("warned", "unseeded", ())
    assert found.summary.startswith("RandomForestRegressor in unseeded drew random numbers without")
    rows, lacking = found.numbers["seeded: rows"], found.numbers["seeded: rows without a label"]
    assert rows + lacking == 1800
    assert lacking == declared.history.read()["used"].isna().sum()


def test_a_version_whose_manifest_names_more_than_the_project_trusts_is_not_loaded(
    workshop: Workshop, forests: tuple[PipelineAssets, Trained]
) -> None:
    """Neither by an edited manifest, nor by one that the registry says is the right one."""
    candidate = forests[1].candidate
    assert candidate is not None
    assert candidate.version is not None
    version = candidate.version
    registry = workshop.registry
    manifest = registry.files(version) / "manifest.json"
    stored = json.loads(manifest.read_bytes())
    assert stored["trusted"] == []
    manifest.write_text(json.dumps({**stored, "trusted": ["email.policy.Compat32"]}))
    with pytest.raises(ArtifactError, match="is not what was logged"):
        workshop.registry.load("forests", version.version)
    registry.tag(version, MANIFEST_TAG, sha256(manifest.read_bytes()))
    with pytest.raises(RenumberedError, match="Version 1 of forests has other files"):
        workshop.registry.load("forests", version.version)
    (workshop.project.home.known / "forests.json").unlink()
    with pytest.raises(UntrustedTypeError, match=r'trusted = \["email\.policy\.Compat32"\]'):
        workshop.registry.load("forests", version.version)
    trusting = replace(workshop.project, trusted=("email.policy.Compat32",))
    assert trusting.home.registry().load("forests", version.version).version == version.version
