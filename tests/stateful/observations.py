"""Observations: what an outsider sees of a home, read without Lockstep."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import parquet
from skops import io as skops

from tests.stateful.deliveries import Row, forecast

_BASE = re.compile(r"np\.maximum\((\d+\.\d) - outside")
_carried: dict[str, tuple[float | None, tuple[float, ...]]] = {}
"""What versions were seen to carry when they were whole, by the digests of their manifests."""


@dataclass(frozen=True)
class Fates:
    """What became of the rows of an attempt, counted in its files.

    Attributes:
        kept: Rows that can be scored, or that were.
        quarantined: Rows that something is wrong with.
        duplicates: Rows that repeat a key.
    """

    kept: int
    quarantined: int
    duplicates: int

    @classmethod
    def read(cls, attempt: Path) -> Fates:
        scored = attempt / "scored.parquet"
        kept = scored if scored.exists() else attempt / "batch.parquet"
        aside = Counter(
            fate
            for file in attempt.glob("*_quarantine.parquet")
            for fate in parquet.ParquetFile(file).read(["fate"])["fate"].to_pylist()
        )
        rows = parquet.read_metadata(kept).num_rows
        return cls(rows, aside["quarantined"], aside["duplicate"])


@dataclass(frozen=True)
class Published:
    """A published file.

    Attributes:
        digest: SHA-256 of its bytes.
        keys: Keys of its rows.
        forecasts: What is forecast of them.
        versions: The versions that it names.
        fates: What became of all rows of the attempt that made it; None if none is known.
    """

    digest: str
    keys: tuple[str, ...]
    forecasts: tuple[float, ...]
    versions: frozenset[int]
    fates: Fates | None

    @classmethod
    def read(cls, file: Path) -> Published:
        table = parquet.ParquetFile(file).read().to_pydict()
        digest = _sha256(file)
        made = (
            path.parent
            for path in file.parents[1].glob(f"attempts/{file.stem}/*/published.parquet")
            if _sha256(path) == digest
        )
        attempt = next(made, None)
        return cls(
            digest=digest,
            keys=tuple(table["reading_id"]),
            forecasts=tuple(table["forecast"]),
            versions=frozenset(table["version"]),
            fates=Fates.read(attempt) if attempt is not None else None,
        )


@dataclass(frozen=True)
class Version:
    """A version that the registry knows.

    Attributes:
        number: Its number.
        manifest: SHA-256 of its manifest.
        base: The temperature from which people heat, by its code; None if it is not row-local.
        weights: What its estimator has learnt: of the cold, of the rooms, and the constant.
    """

    number: int
    manifest: str
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


def unshown(home: Path) -> set[str]:
    """The days that count, of which Dagster does not show the record that counts."""
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs" / "index.db")) as index:
        shown = set(
            index.execute(
                "SELECT partition, value FROM event_logs "
                "JOIN asset_event_tags ON event_id = event_logs.id "
                'WHERE event_logs.asset_key = \'["meters", "daily", "published"]\' '
                "AND key = 'dagster/data_version'"
            )
        )
    commits = (
        json.loads(file.read_text())["content"]
        for file in (home / "data" / "meters" / "daily" / "records").glob("*.json")
    )
    return {
        commit["partition"]
        for commit in commits
        if (commit["partition"], f"record {commit['record'][:16]}") not in shown
    }


def live_version(home: Path) -> int | None:
    """Number of the version that the gate decided on last; None if it let none serve."""
    decisions = _ask(
        home, "SELECT key, value FROM registered_model_tags WHERE key LIKE 'lockstep.live.%'"
    )
    return int(json.loads(max(decisions)[1])["version"]) if decisions else None


def newest_attempt(home: Path, stream: str, partition: str) -> Path | None:
    """The folder of the last attempt at a partition that was recorded; None if none was."""
    folders = (home / "data" / "meters" / stream / "attempts" / partition).glob(
        "[0-9]*/record.json"
    )
    return max((file.parent for file in folders), key=lambda path: int(path.name), default=None)


def versions(home: Path) -> dict[int, Version]:
    """The versions that the registry knows, by their numbers."""
    found = _ask(
        home, "SELECT version, value FROM model_version_tags WHERE key = 'lockstep.manifest'"
    )
    new = {manifest for _, manifest in found} - _carried.keys()
    if new:
        folders = {_sha256(file): file.parent for file in home.glob("mlflow/**/manifest.json")}
        _carried.update({manifest: _read(folders[manifest]) for manifest in new})
    return {
        int(number): Version(int(number), manifest, *_carried[manifest])
        for number, manifest in found
    }


def folder_of(home: Path, version: Version) -> Path:
    """The folder of a version's files, while its manifest is whole."""
    files = home.glob("mlflow/**/manifest.json")
    return next(file.parent for file in files if _sha256(file) == version.manifest)


def with_evidence(home: Path) -> set[int]:
    """Numbers of the versions that have a tag that says what their training found."""
    tags = _ask(home, "SELECT version FROM model_version_tags WHERE key = 'lockstep.evidence'")
    return {int(number) for (number,) in tags}


def aliases(home: Path) -> dict[str, int]:
    """Numbers of versions by the aliases that point to them."""
    found = _ask(home, "SELECT alias, version FROM registered_model_aliases")
    return {alias: int(version) for alias, version in found}


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of all files of a folder, by their paths."""
    return {
        str(file.relative_to(folder)): _sha256(file) for file in folder.rglob("*") if file.is_file()
    }


def _ask(home: Path, query: str) -> list[tuple[str, ...]]:
    address = f"file:{home}/mlflow/mlflow.db?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as database:
        return database.execute(query).fetchall()


def _read(folder: Path) -> tuple[float | None, tuple[float, ...]]:
    """What the files of a version hold."""
    (source,) = (file for file in folder.rglob("meters.py") if "outside" in file.read_text())
    base = _BASE.search(source.read_text())
    (model,) = folder.glob("models/*.skops")
    estimator = skops.load(model)
    weights = (*estimator.coef_.tolist(), float(estimator.intercept_))
    return float(base[1]) if base is not None else None, weights


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
