"""Homes in which the small pipeline `orders` is trained and live, each test's own copy."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

import transforms
from assets import Home, PipelineAssets, Store
from assets._candidate import fit_candidate
from assets._training import read_training_set
from assets.orders import ASSETS
from orchestration._instance import open_instance
from orchestration._jobs import promote_job_name, score_job_name, train_job_name
from orchestration._resources import open_registry
from orchestration._runs import RunReport, run_job
from registry import Registry, Snapshot

PROJECT = Path(transforms.__file__).parents[1]
PACKAGES = ("transforms", "expectations", "parity", "registry", "assets", "orchestration")


def _enter(path: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("LOCKSTEP_HOME", str(path))
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI", "LOCKSTEP_MLFLOW_UI"):
        patch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunReport]]:
    """A home in which a first version is trained, and the run that did it."""
    path = tmp_path_factory.mktemp("trained") / "home"
    with pytest.MonkeyPatch.context() as patch:
        _enter(path, patch)
        with open_instance(Home.from_environment()) as instance:
            report = run_job(train_job_name("orders"), instance)
        yield path, report


class Workplace:
    """A home with its instance, registry and store."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.home = Home.from_environment()
        self.instance = instance
        self.declared: PipelineAssets = ASSETS
        self.registry: Registry = open_registry(self.home)
        self.store = Store(self.home.data / "orders")

    def promote(self, version: int = 1) -> RunReport:
        """Point @champion to a version, and pass the gate."""
        self.registry.set_alias("orders", "champion", version)
        return run_job(promote_job_name("orders"), self.instance)

    def score(self, day: str, **config: object) -> RunReport:
        """Score a day."""
        ops = {"orders__daily__batch": {"config": config}} if config else None
        return run_job(score_job_name("orders", "daily"), self.instance, partition=day, ops=ops)

    def fit(self, declared: PipelineAssets) -> int:
        """Fit and register a version of a declaration, on the training set that there is."""
        columns = read_training_set(declared, self.store)
        return fit_candidate(declared, columns, self.registry).version.version

    def deliver(self, day: str, frame: pd.DataFrame) -> None:
        """Have upstream deliver these rows for a day."""
        folder = self.home.path / "upstream"
        folder.mkdir(parents=True, exist_ok=True)
        frame.to_pickle(folder / f"{day}.pickle")


def _copy(source: Path, target: Path) -> None:
    """Copy a home; its registry goes on to find the files of versions where they were."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("mlflow.db"))
    with (
        sqlite3.connect(source / "mlflow" / "mlflow.db") as before,
        sqlite3.connect(target / "mlflow" / "mlflow.db") as after,
    ):
        before.backup(after)


@pytest.fixture
def workplace(
    trained_home: tuple[Path, RunReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    """A home of the test's own in which version 1 is trained, and nothing promoted."""
    _copy(trained_home[0], tmp_path / "home")
    _enter(tmp_path / "home", monkeypatch)
    with open_instance(Home.from_environment()) as instance:
        yield Workplace(instance)


@pytest.fixture(scope="session")
def live_home(
    trained_home: tuple[Path, RunReport], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A home in which version 1 is live; to be copied, not to be written to."""
    path = tmp_path_factory.mktemp("live") / "home"
    _copy(trained_home[0], path)
    with pytest.MonkeyPatch.context() as patch:
        _enter(path, patch)
        with open_instance(Home.from_environment()) as instance:
            assert Workplace(instance).promote().ok
    return path


@pytest.fixture
def live(live_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A home of the test's own in which version 1 is live."""
    _copy(live_home, tmp_path / "home")
    _enter(tmp_path / "home", monkeypatch)
    with open_instance(Home.from_environment()) as instance:
        yield Workplace(instance)


@pytest.fixture(scope="session")
def scored_home(live_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the first two days of March are scored; to be copied."""
    path = tmp_path_factory.mktemp("scored") / "home"
    _copy(live_home, path)
    with pytest.MonkeyPatch.context() as patch:
        _enter(path, patch)
        with open_instance(Home.from_environment()) as instance:
            for day in ("2020-03-01", "2020-03-02"):
                assert Workplace(instance).score(day).ok
    return path


@pytest.fixture
def scored(
    scored_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    """A home of the test's own in which the first two days of March are scored."""
    _copy(scored_home, tmp_path / "home")
    _enter(tmp_path / "home", monkeypatch)
    with open_instance(Home.from_environment()) as instance:
        yield Workplace(instance)


@pytest.fixture(scope="session")
def edited_orders() -> Callable[..., PipelineAssets]:
    """Gives `orders` as a checkout would declare it in which its module is edited."""

    def edited(*edits: tuple[str, str]) -> PipelineAssets:
        here = Snapshot.of(ASSETS.pipeline)
        source = here.modules[here.module]
        for old, new in edits:
            assert source.count(old) == 1, f"the source holds {old!r} {source.count(old)} times"
            source = source.replace(old, new)
        pipeline = replace(here, modules={**here.modules, here.module: source}).load()
        return replace(ASSETS, pipeline=pipeline)

    return edited


class Checkout:
    """A copy of the project with `orders` in place of the flights, and commands run on it.

    Args:
        folder: Where to make the copy.
        home: The home that its commands use.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        for package in PACKAGES:
            shutil.copytree(
                PROJECT / package,
                folder / package,
                ignore=shutil.ignore_patterns("flight_delay.py"),
            )
        shutil.copytree(
            PROJECT / "tests" / "pipelines",
            folder,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace some text of a file that is there once."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))

    def environment(self, **others: str) -> dict[str, str]:
        """What the environment of a command is."""
        left_out = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI", "LOCKSTEP_MLFLOW_UI")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        paths = {"LOCKSTEP_HOME": str(self.home), "PYTHONPATH": str(self.folder)}
        return {**kept, **paths, **others}

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start Python with these arguments."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.home.parent,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments."""
        return _finished(self.start(*arguments, **environment))

    def start_lockstep(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command."""
        script = Path(sys.executable).with_name("lockstep")
        return self.start(str(script), *arguments, **environment)

    def lockstep(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return _finished(self.start_lockstep(*arguments, **environment))


def _finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def checkouts() -> Callable[[Path], Checkout]:
    """Makes copies of the project, each with an empty home beside it."""
    return lambda folder: Checkout(folder / "checkout", folder / "home")


@pytest.fixture
def checkout(tmp_path: Path, checkouts: Callable[[Path], Checkout]) -> Checkout:
    """A copy of the project with an empty home."""
    return checkouts(tmp_path)


@pytest.fixture
def trained_checkout(checkout: Checkout, trained_home: tuple[Path, RunReport]) -> Checkout:
    """A copy of the project in whose home version 1 of `orders` is trained, and none promoted."""
    _copy(trained_home[0], checkout.home)
    return checkout


@pytest.fixture
def live_checkout(checkout: Checkout, live_home: Path) -> Checkout:
    """A copy of the project in whose home version 1 of `orders` is live."""
    _copy(live_home, checkout.home)
    return checkout
