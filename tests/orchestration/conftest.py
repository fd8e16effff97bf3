"""Homes in which the small pipeline `orders` is trained and live, each test's own copy."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from assets import Home, PipelineAssets, Store
from assets.orders import ASSETS
from orchestration._instance import open_instance
from orchestration._jobs import promote_job_name, score_job_name, train_job_name
from orchestration._resources import open_registry
from orchestration._runs import RunReport, run_job
from registry import Registry


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

    def deliver(self, day: str, frame: pd.DataFrame) -> None:
        """Have upstream deliver these rows for a day."""
        folder = self.home.path / "upstream"
        folder.mkdir(parents=True, exist_ok=True)
        frame.to_pickle(folder / f"{day}.pickle")


def found(report: RunReport, check: str) -> str:
    """What a check of a run found: `"passed"`, `"warned"` or `"failed"`."""
    return next(one.result for one in report.checks if one.check == check)


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


@pytest.fixture
def live(workplace: Workplace) -> Workplace:
    """A home of the test's own in which version 1 is live."""
    assert workplace.promote().ok
    return workplace
