"""Observations: what an outsider sees of a home, read without Lockstep."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet
from skops import io as skops

from tests.stateful.deliveries import Row, forecast

_BASE = re.compile(r"np\.maximum\((\d+\.\d) - outside")


@dataclass(frozen=True)
class Published:
    """A published file.

    Attributes:
        digest: SHA-256 of its bytes.
        keys: Keys of its rows.
        forecasts: What is forecast of them.
        versions: The versions that it names.
    """

    digest: str
    keys: tuple[str, ...]
    forecasts: tuple[float, ...]
    versions: frozenset[int]

    @classmethod
    def read(cls, file: Path) -> Published:
        """Read a file."""
        table = parquet.ParquetFile(file).read().to_pydict()
        return cls(
            digest=hashlib.sha256(file.read_bytes()).hexdigest(),
            keys=tuple(table["reading_id"]),
            forecasts=tuple(table["forecast"]),
            versions=frozenset(table["version"]),
        )


@dataclass(frozen=True)
class Shipped:
    """What a version carries.

    Attributes:
        base: The temperature from which people heat, by its code; None if it is not row-local.
        weights: What its estimator has learnt: of the cold, of the rooms, and the constant.
    """

    base: float | None
    weights: tuple[float, ...]

    @property
    def is_what_was_fitted(self) -> bool:
        """Whether the shipped estimator is what a fit to the shipped code's features gives."""
        if self.base is None:
            return False
        rows: list[Row] = [
            {"outside": self.base - cold, "rooms": rooms}
            for cold, rooms in ((0.0, 0), (1.0, 0), (0.0, 1))
        ]
        constant, cold, rooms = forecast(self.base, rows)
        by_hand = (cold - constant, rooms - constant, constant)
        return bool(np.allclose(by_hand, self.weights, rtol=1e-6, atol=1e-6))


def published(home: Path) -> dict[tuple[str, str], Published]:
    """All published files, by stream and file name."""
    return {
        (file.parents[1].name, file.stem): Published.read(file)
        for file in (home / "data" / "meters").glob("*/published/*.parquet")
    }


def shipped(home: Path) -> dict[int, Shipped]:
    """What the versions carry that the registry knows, by their numbers."""
    files = {
        hashlib.sha256(file.read_bytes()).hexdigest(): file.parent
        for file in (home / "mlflow").rglob("manifest.json")
    }
    found = _ask(
        home, "SELECT version, value FROM model_version_tags WHERE key = 'lockstep.manifest'"
    )
    return {int(number): _shipped(files[digest]) for number, digest in found if digest in files}


def aliases(home: Path) -> dict[str, int]:
    """Versions by the aliases that point to them."""
    found = _ask(home, "SELECT alias, version FROM registered_model_aliases")
    return {alias: int(version) for alias, version in found}


def _ask(home: Path, query: str) -> list[tuple[str, ...]]:
    address = f"file:{home}/mlflow/mlflow.db?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        return database.execute(query).fetchall()


def _shipped(folder: Path) -> Shipped:
    (source,) = (file for file in folder.rglob("meters.py") if "outside" in file.read_text())
    base = _BASE.search(source.read_text())
    (model,) = folder.glob("models/*.skops")
    estimator = skops.load(model)
    return Shipped(
        float(base[1]) if base is not None else None,
        (*estimator.coef_.tolist(), float(estimator.intercept_)),
    )
