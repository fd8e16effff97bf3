"""A small pipeline on scikit-learn's tumours, fitted, and registries to put it in."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

import transforms
from parity import Environment, GoldenRecords, Profile, choose_golden
from registry import Registry, Snapshot
from transforms import Pipeline, decode

CHECKOUT = Path(__file__).with_name("checkout")


def tumours() -> pd.DataFrame:
    """Records with their outcome: text, nullable integers and booleans, and times."""
    data = load_breast_cancer(as_frame=True).frame
    row = np.arange(len(data))
    sites = np.array(["upper outer", "upper inner", "lower"], dtype=object)[row % 3]
    return pd.DataFrame(
        {
            "sample_id": [f"S{number:04d}" for number in row],
            "taken_at": pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(row * 17, unit="h"),
            "radius": data["mean radius"],
            "area": data["mean area"],
            "texture": data["mean texture"].where(row % 7 != 0),
            "cells": (data["mean smoothness"] * 1000).astype(int),
            "grade": pd.array(np.where(row % 3 == 0, None, 1 + row % 3), dtype="Int64"),
            "screened": pd.Series(np.where(row % 5 == 0, None, row % 2 == 0), dtype=object),
            "site": pd.Series(np.where(row % 4 == 0, None, sites), dtype=object),
            "malignant": data["target"] == 0,
        }
    )


@contextmanager
def checkout(directory: Path, edits: dict[str, tuple[str, str]]) -> Iterator[ModuleType]:
    """The tumour module from a checkout of its own, with some of its text replaced.

    Args:
        directory: Where to make it.
        edits: Old and new text by file.
    """
    shutil.copytree(CHECKOUT, directory)
    for name, (old, new) in edits.items():
        path = directory / name
        text = path.read_text()
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new))
    before = dict(sys.modules)
    transforms.__path__.append(str(directory / "transforms"))
    sys.path.insert(0, str(directory))
    try:
        yield importlib.import_module("transforms.tumour")
    finally:
        sys.path.remove(str(directory))
        transforms.__path__.remove(str(directory / "transforms"))
        for name in sys.modules.keys() - before.keys():
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(directory)):
                del sys.modules[name]
                vars(transforms).pop(name.rpartition(".")[2], None)
        importlib.invalidate_caches()


Checkout = Callable[..., AbstractContextManager[ModuleType]]


@pytest.fixture
def make_checkout(tmp_path: Path) -> Checkout:
    """Make a checkout of the tumour pipeline, as `make_checkout(name, edits={})`."""
    return lambda name, edits=None: checkout(tmp_path / name, edits or {})


@dataclass(frozen=True)
class Fitted:
    """A fitted pipeline and all that its version carries."""

    pipeline: Pipeline
    records: pd.DataFrame
    source: Snapshot
    golden: GoldenRecords
    profile: Profile
    environment: Environment

    @property
    def arguments(self) -> dict[str, Any]:
        """What `Registry.log` wants beside the pipeline."""
        return {
            "golden": self.golden,
            "profile": self.profile,
            "suites": {"input": {"name": "input", "expectations": []}},
            "environment": self.environment,
            "metrics": {"auc": 0.96, "brier": 0.05},
            "source": self.source,
            "rows": len(self.records),
        }


def fit(module: ModuleType) -> Fitted:
    """Fit the tumour pipeline of a module."""
    table = tumours()
    pipeline = module.PIPELINE.unfitted().fit(table)
    columns = decode(table, pipeline.record_schema).columns
    return Fitted(
        pipeline=pipeline,
        records=table.drop(columns="malignant"),
        source=Snapshot.of(pipeline),
        golden=choose_golden(pipeline, columns, limit=40),
        profile=Profile.of(columns, pipeline.record_schema.kinds),
        environment=Environment.capture(),
    )


@pytest.fixture(scope="session")
def tumour(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """The tumour pipeline, fitted."""
    with checkout(tmp_path_factory.mktemp("project") / "checkout", {}) as module:
        return fit(module)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with its tables made, which takes it a second."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    Registry(f"sqlite:///{path}").versions("none")
    return path


@pytest.fixture
def registry(tmp_path: Path, empty_database: Path) -> Registry:
    """An empty registry in a database."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return Registry(f"sqlite:///{tmp_path}/mlflow.db", artifact_root=tmp_path / "artifacts")
