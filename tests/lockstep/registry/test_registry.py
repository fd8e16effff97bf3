"""The registry in a database: logging, loading, aliases, and what MLflow shows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from lockstep.artifacts.snapshot import Snapshot
from lockstep.errors import (
    AliasNotSetError,
    ArtifactError,
    NotFittedError,
    SnapshotError,
    UntrustedTypeError,
    VersionNotFoundError,
)
from lockstep.registry.description import Presentation
from lockstep.registry.registry import Registry
from lockstep.registry.versions import Version
from tests.fixtures.tumours import PACKAGES

Checkout = Callable[..., AbstractContextManager[ModuleType]]


def test_importing_the_package_does_not_import_mlflow() -> None:
    code = "import lockstep.registry.registry, sys; sys.exit('mlflow' in sys.modules)"
    root = Path(__file__).parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


# Logging and loading


@pytest.mark.parametrize("folder", ["a#b", "50%41", "Ordner für alles"])
def test_a_version_comes_back_from_a_folder_whose_name_a_uri_reads_otherwise(
    registry: Registry, tumour: Any, tmp_path: Path, folder: str
) -> None:
    elsewhere = Registry(registry.address.full, artifact_root=tmp_path / folder)
    elsewhere.log(tumour.pipeline, **tumour.arguments)
    assert elsewhere.load("tumour", 1).directory.is_relative_to(tmp_path / folder)


def test_a_version_carries_all_its_proofs(shelf: Registry, logged: Version, tumour: Any) -> None:
    loaded = shelf.load("tumour", 1)
    assert loaded.snapshot == tumour.source
    assert loaded.profile == tumour.profile
    assert loaded.environment == tumour.environment
    assert loaded.suites == tumour.evidence.suites
    assert loaded.metrics == {"auc": 0.96, "brier": 0.05}
    assert loaded.rows == 569
    assert loaded.directory == Path(logged.location) / "lockstep"
    assert loaded.digest == logged.tags["lockstep.manifest"]
    for name, expected in tumour.golden.trace.columns.items():
        np.testing.assert_array_equal(loaded.golden.trace.columns[name], expected)


def test_two_versions_with_different_code_answer_differently_in_one_process(
    registry: Registry, tumour: Any, make_checkout: Checkout
) -> None:
    registry.log(tumour.pipeline, **tumour.arguments)
    edits = {"transforms/tumour.py": ("area > LARGE_AREA", "area > LARGE_AREA * 2")}
    with make_checkout("two", edits) as module:
        changed = module.PIPELINE.with_models(tumour.pipeline.models_)
        registry.log(changed, **tumour.arguments | {"source": Snapshot.of(changed, PACKAGES)})
    first, second = (
        registry.load("tumour", version).pipeline.trace(tumour.records).columns
        for version in (1, 2)
    )
    area = tumour.records["area"].to_numpy()
    np.testing.assert_array_equal(first["is_large"], area > 700)
    np.testing.assert_array_equal(second["is_large"], area > 1400)
    assert (first["probability"] != second["probability"]).any()


FILES = (
    "lockstep/source/transforms/units.py",
    *("MLmodel", "python_function.py", "requirements.txt", "conda.yaml", "python_env.yaml"),
)


def test_a_version_is_refused_once_a_file_was_changed_or_lost(
    registry: Registry, tumour: Any
) -> None:
    version = registry.log(tumour.pipeline, **tumour.arguments)
    again = Registry(registry.address.full, artifact_root=registry.artifact_root)
    for name in FILES:
        path = Path(version.location, name)
        before = path.read_bytes()
        path.write_bytes(before + b"\n# changed\n")
        changed = rf"{path.name} is not what was logged.*Restore the file"
        with pytest.raises(ArtifactError, match=changed):
            again.load("tumour", 1)
        path.unlink()
        with pytest.raises(ArtifactError, match=f"{path} cannot be read.*Restore the file"):
            again.load("tumour", 1)
        path.write_bytes(before)
    again.load("tumour", 1)
    Path(version.location, "MLmodel").unlink()  # once it was loaded
    with pytest.raises(ArtifactError, match=r"MLmodel cannot be read.*Restore the file"):
        again.load("tumour", 1)


def test_what_mlflow_does_with_a_version_leaves_its_files(registry: Registry, tumour: Any) -> None:
    import mlflow

    registry.log(tumour.pipeline, **tumour.arguments)
    client = registry._connection.client
    for alias in ("champion", "live"):
        client.set_registered_model_alias("tumour", alias, "1")
    client.update_model_version("tumour", "1", "Another description.")
    client.set_model_version_tag("tumour", "1", "reviewed", "yes")
    client.copy_model_version("models:/tumour/1", "other")
    mlflow.set_tracking_uri(registry.address.full)
    try:
        mlflow.pyfunc.load_model("models:/tumour@live")
    finally:
        mlflow.set_tracking_uri(None)
    assert registry.load("tumour", "live").version == 1


def test_a_version_that_lockstep_did_not_log_is_refused(registry: Registry) -> None:
    client = registry._connection.client
    client.create_registered_model("tumour")
    client.create_model_version("tumour", "somewhere")
    with pytest.raises(ArtifactError, match="Version 1 of tumour was not logged by Lockstep"):
        registry.load("tumour", 1)


@pytest.mark.long
def test_two_processes_may_make_a_registry_at_the_same_time(tmp_path: Path) -> None:
    code = f"from lockstep.registry.registry import Registry; Registry('sqlite:///{tmp_path}/mlflow.db').open()"
    root = Path(__file__).parents[3]
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=root) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]


def test_threads_may_log_at_the_same_time(registry: Registry, tumour: Any) -> None:
    with ThreadPoolExecutor(3) as threads:
        logged = threads.map(
            lambda _: registry.log(tumour.pipeline, **tumour.arguments).version, range(6)
        )
    assert sorted(logged) == [1, 2, 3, 4, 5, 6]


# What is refused before anything is logged


@pytest.fixture
def nothing_logged(registry: Registry) -> Iterator[None]:
    """Check afterwards that there is no version and not even a run."""
    yield
    assert registry.versions("tumour") == ()
    assert registry._connection.client.get_experiment_by_name("tumour") is None


@pytest.mark.usefixtures("nothing_logged")
def test_a_pipeline_that_is_not_fitted_is_refused(registry: Registry, tumour: Any) -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        registry.log(tumour.pipeline.unfitted(), **tumour.arguments)


@pytest.mark.usefixtures("nothing_logged")
def test_a_type_that_is_not_allowed_is_refused(registry: Registry, tumour: Any) -> None:
    foreign = make_pipeline(FunctionTransformer(str.lower), Ridge())
    models = tumour.pipeline.models_ | {"linear_probability": foreign}
    pipeline = tumour.pipeline.with_models(models)
    with pytest.raises((UntrustedTypeError, ArtifactError), match="Model linear_probability"):
        registry.log(pipeline, **tumour.arguments)


@pytest.mark.usefixtures("nothing_logged")
def test_the_source_of_another_pipeline_is_refused(
    registry: Registry, tumour: Any, make_checkout: Checkout
) -> None:
    with make_checkout("two", {"transforms/tumour.py": ("is_large", "is_big")}) as module:
        other = Snapshot.of(module.PIPELINE, PACKAGES)
    with pytest.raises(SnapshotError, match="is_big, is_large"):
        registry.log(tumour.pipeline, **tumour.arguments | {"source": other})


# Aliases and tags


def test_an_alias_moves(registry: Registry, tumour: Any) -> None:
    for _ in range(2):
        registry.log(tumour.pipeline, **tumour.arguments)
    registry.set_alias("tumour", "champion", 1)
    registry.set_alias("tumour", "champion", 2)
    assert registry.load("tumour", "champion").version == 2
    assert registry.load("tumour", "champion") is registry.load("tumour", 2)  # loaded once
    assert [version.aliases for version in registry.versions("tumour")] == [(), ("champion",)]


@pytest.mark.usefixtures("logged")
def test_an_alias_that_is_not_set_points_nowhere_and_tells_the_versions(shelf: Registry) -> None:
    assert (shelf.alias("tumour", "live"), shelf.alias("no_model", "live")) == (None, None)
    with pytest.raises(AliasNotSetError, match=r"tumour has no @live\. Promote one .*\(1\)"):
        shelf.load("tumour", "live")


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize("version", [7, "7", 10**30])
def test_loading_a_version_that_is_not_there_tells_those_that_are(
    shelf: Registry, version: int | str
) -> None:
    with pytest.raises(VersionNotFoundError, match=f"no version {version} of tumour; it has 1"):
        shelf.load("tumour", version)


def test_loading_from_an_empty_registry_says_what_to_do(registry: Registry) -> None:
    with pytest.raises(VersionNotFoundError, match="none yet; train one: lockstep train tumour"):
        registry.load("tumour", 1)


def test_an_alias_cannot_point_to_a_version_that_is_not_there(registry: Registry) -> None:
    with pytest.raises(VersionNotFoundError):
        registry.set_alias("tumour", "live", 3)


# What MLflow shows

METRICS = {"auc": 0.96, "brier": 0.05, "auc by site/left": 0.9}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Registry:
    """A registry for tests that only look."""
    directory = tmp_path_factory.mktemp("shelf")
    shutil.copy(empty_database, directory / "mlflow.db")
    return Registry(f"sqlite:///{directory}/mlflow.db", artifact_root=directory / "artifacts")


@pytest.fixture(scope="module")
def logged(shelf: Registry, tumour: Any) -> Version:
    """A version with tags and a plot."""
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1])
    shown = Presentation(
        tags={"window": "2020 to 2021"},
        plots={"roc": figure},
        metrics={"auc by site/left": 0.9},
        limits=["Not for children."],
    )
    return shelf.log(tumour.pipeline, **tumour.arguments, shown=shown)


def test_the_run_is_finished_with_all_that_was_logged(shelf: Registry, logged: Version) -> None:
    run = shelf._connection.client.get_run(logged.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == METRICS
    assert run.data.params["tree_probability.max_iter"] == "20"
    assert run.data.params["rows"] == "569"
    assert run.data.params["features"].startswith("radius_mm, is_large")
    assert run.data.tags["window"] == "2020 to 2021"
    assert run.data.tags["rows"] == "569"
    assert run.data.tags["trained_by"] == run.data.tags["mlflow.user"]
    assert run.data.tags["mlflow.source.name"] == "transforms/tumour.py"
    assert [tag for tag in run.data.tags if tag.startswith("lockstep.")] == ["lockstep.manifest"]


def test_the_run_shows_its_plots_its_training_set_and_the_whole_model_card(
    shelf: Registry, logged: Version
) -> None:
    from mlflow.artifacts import load_text

    client = shelf._connection.client
    run = client.get_run(logged.run_id)
    plots = client.list_artifacts(logged.run_id, "plots")
    assert [file.path for file in plots] == ["plots/roc.png"]
    (used,) = run.inputs.dataset_inputs
    assert used.dataset.name == "tumour training set"
    assert '"num_rows": 569' in used.dataset.profile
    assert "- Not for children." in load_text(f"{run.info.artifact_uri}/model_card.md")


def test_the_version_is_described(shelf: Registry, logged: Version) -> None:
    client = shelf._connection.client
    text = client.get_model_version("tumour", "1").description
    assert f"/runs/{logged.run_id}?workflowType=machine_learning)" in text
    assert "- Not for children." in text
    assert "| radius | float | mean distance from the centre" in text
    assert "| quarter | int | Quarter of the year" in text
    assert client.get_registered_model("tumour").description.startswith("Tumour: is a breast mass")
    assert (logged.tags["rows"], logged.tags["window"]) == ("569", "2020 to 2021")
    begun = datetime.fromtimestamp(client.get_run(logged.run_id).info.start_time / 1000, UTC)
    assert abs(begun - logged.created) < timedelta(minutes=5)


def test_an_experiment_has_a_page_that_compares_its_runs(shelf: Registry, logged: Version) -> None:
    experiment = shelf._connection.client.get_run(logged.run_id).info.experiment_id
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    assert shelf.runs_page("tumour") == page
    assert shelf.runs_page("never logged") is None


def test_the_model_has_its_metrics_and_its_version(shelf: Registry, logged: Version) -> None:
    client = shelf._connection.client
    (model,) = client.search_logged_models([client.get_run(logged.run_id).info.experiment_id])
    assert {metric.key: metric.value for metric in model.metrics} == METRICS
    assert model.status == "READY"
    assert '"version": 1' in model.tags["mlflow.modelVersions"]


def test_nothing_is_made_in_the_working_directory(
    registry: Registry, tumour: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    version = registry.log(tumour.pipeline, **tumour.arguments)
    registry.load("tumour", version.version)
    assert list(Path.cwd().iterdir()) == []


def test_mlflows_global_state_is_left_alone(shelf: Registry, logged: Version) -> None:
    import mlflow

    assert mlflow.get_tracking_uri() != shelf.address.full
    assert mlflow.active_run() is None
