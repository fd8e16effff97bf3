"""A healthy platform: a home with a version that is trained, promoted, and scores day after day."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import cast
from uuid import uuid4

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from benchmarks._rounds import BenchmarkError
from benchmarks.skew.judged import Judged
from lockstep.checks.results import CheckResult
from lockstep.columns.decode import decode
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.registry.registry import Registry
from lockstep.scoring.attempts import Attempt
from lockstep.scoring.live import Live
from lockstep.scoring.partition import Stage, Work, publish, published_columns
from lockstep.scoring.steps import batch_step, scored_step
from lockstep.scoring.store import Store
from lockstep.training.candidate import fit_candidate
from lockstep.training.gate import Gate, pass_gate
from lockstep.training.training_set import compute_training_set, ingest_history

BEFORE = 28
"""Days before a day that have to be scored, so that it is judged as on any other day."""


@dataclass(frozen=True, eq=False)
class Platform:
    """A pipeline with its registry, its store and the version that is live.

    Attributes:
        declared: The pipeline.
        home: Where the registry and the gate's file are.
        store: Where its rows are kept.
        packages: The project's packages.
        registry: The registry of the home.
    """

    declared: PipelineAssets
    home: Home
    store: Store
    packages: tuple[str, ...] = ()
    registry: Registry = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "registry", self.home.registry())

    @classmethod
    def at(cls, folder: Path, declared: PipelineAssets) -> Platform:
        """The platform of a home.

        Args:
            folder: The home.
            declared: The pipeline.
        """
        home = Home(folder)
        packages = Project.find(Path(__file__)).packages
        return cls(declared, home, Store(home.data / declared.name), packages)

    @property
    def live(self) -> Live:
        """Where it is kept which version is live."""
        return Live(self.registry, self.declared.name, self.home.live(self.declared.name))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """What consumers read of a row, its key first."""
        return published_columns(self.declared.pipeline)

    def train(self) -> tuple[dict[str, CheckResult], int | None]:
        """Fit a candidate: what the checks found, and its number, if one was fitted."""
        run = uuid4().hex
        history = ingest_history(self.declared, self.store, run)
        results = dict(history.results)
        if history.blocked_by:
            return results, None
        training_set = compute_training_set(self.declared, self.store, run)
        results |= training_set.results
        if training_set.blocked_by:
            return results, None
        found = fit_candidate(self.declared, self.store, run, self.registry, self.packages)
        return {**results, **found.results}, found.version.version if found.version else None

    def promote(self, version: int) -> Gate:
        """Want a version, and put it through the gate."""
        self.registry.set_alias(self.declared.name, "champion", version)
        pointer = self.home.live(self.declared.name)
        return pass_gate(self.declared, self.registry, self.store, pointer)

    def open_live(self) -> None:
        """Open the live version once: processes forked later have all libraries already.

        Great Expectations is asked on the first day on which an expectation is not met, and takes
        longer to load than ten faults to be judged. What is loaded stays, and is no longer gone
        through for garbage.
        """
        import great_expectations  # noqa: F401

        self.live.load(self.live.state())
        gc.collect()
        gc.freeze()

    def rows(self, day: date) -> pd.DataFrame:
        """The rows of a day as upstream delivers them."""
        if self.declared.daily is None:
            raise BenchmarkError(f"{self.declared.name} has no daily source.")
        found = self.declared.daily.read(day)
        return found if isinstance(found, pd.DataFrame) else cast(pa.Table, found).to_pandas()

    def judge(
        self,
        day: date,
        rows: pd.DataFrame,
        *,
        to_publish: bool = False,
        accept: Sequence[str] = (),
    ) -> Judged:
        """Score a day as its assets do, and say what would be published of it.

        Args:
            day: The day.
            rows: Its rows as they are delivered.
            to_publish: Whether they are published, if no check blocks it.
            accept: Columns of which a person accepts what is found.
        """
        work = Work(self.declared, self.store, "daily", day.isoformat())
        batch = batch_step(work, self.live, lambda schema: decode(rows, schema), accept=accept)
        scored = None if batch.blocked_by else scored_step(work, self.live)
        results = {**batch.results, **(scored.results if scored is not None else {})}
        if scored is None or scored.blocked_by:
            return Judged(results)
        out = _by_key(scored, self.outputs)
        if to_publish:
            publish(work)
        return Judged(results, out, self._aside(day))

    def judged_before(self, day: date) -> Judged:
        """What the last attempt at a day found."""
        steps = self._attempt(day).record.steps.values()
        return Judged({name: one for step in steps for name, one in step.results.items()})

    def _aside(self, day: date) -> frozenset[str]:
        """Keys of the rows of a day's last attempt that were set aside."""
        tables = [self._attempt(day).read(f"{step}_quarantine") for step in ("batch", "scored")]
        return frozenset(str(key) for table in tables for key in table.column("key").to_pylist())

    def _attempt(self, day: date) -> Attempt:
        """The last attempt at a day."""
        records = Work(self.declared, self.store, "daily", "").records
        return next(iter(records.newest_first(day.isoformat())))

    def before(self, day: date, folder: Path) -> Platform:
        """The same platform as it was before a day, its files linked rather than copied.

        Args:
            day: The day.
            folder: Where its store is to be.
        """
        days = {(day - timedelta(number)).isoformat() for number in range(1, BEFORE + 8)}
        source, target = self.store.root, folder / self.declared.name
        shutil.copytree(source / "training", target / "training", copy_function=_link)
        for part in ("records", "attempts", "published"):
            (target / "daily" / part).mkdir(parents=True)
            for path in (source / "daily" / part).glob("*"):  # none where no day was published
                if path.name.split(".")[0] not in days:
                    continue
                if path.is_dir():
                    shutil.copytree(path, target / "daily" / part / path.name, copy_function=_link)
                else:
                    _link(str(path), str(target / "daily" / part / path.name))
        return Platform(self.declared, self.home, Store(target), self.packages)


def build(folder: Path, declared: PipelineAssets, say: Callable[[str], None]) -> Platform:
    """A platform whose first version is live; one that is there already is used as it is.

    Args:
        folder: Its home.
        declared: The pipeline.
        say: Is told what is done.

    Raises:
        BenchmarkError: No version went live.
    """
    platform = Platform.at(folder, declared)
    if platform.home.live(declared.name).exists():
        say(f"The platform in {folder} is used as it is.")
        return platform
    say(f"Training {declared.name} ...")
    results, version = platform.train()
    gate = platform.promote(version) if version is not None else None
    if gate is None or gate.live != version:
        found = {**results, **(gate.results if gate is not None else {})}
        errors = [f"{name}: {one.summary}" for name, one in found.items() if one.is_error]
        raise BenchmarkError(f"{declared.name} did not go live: {'; '.join(errors)}")
    return platform


def score_days(
    platform: Platform, days: Iterable[date], say: Callable[[str], None]
) -> dict[date, Judged]:
    """Score and publish days in sequence, and say what the checks found.

    Args:
        platform: The platform; what it scored before is told as it was found then.
        days: The days, in order.
        say: Is told how far it is.
    """
    found: dict[date, Judged] = {}
    done = {*Work(platform.declared, platform.store, "daily", "").records.attempted()}
    for number, day in enumerate(days):
        if day.isoformat() in done:
            found[day] = platform.judged_before(day)
            continue
        if number % 25 == 0:
            say(f"Scoring clean days of {platform.declared.name}: {day} ...")
        found[day] = platform.judge(day, platform.rows(day), to_publish=True)
    return found


def copy_home(source: Path, target: Path) -> None:
    """Copy a home."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("mlflow.db", "cache", "trials"))
    copy_database(source / "mlflow" / "mlflow.db", target / "mlflow" / "mlflow.db")


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as one that may be open."""
    with sqlite3.connect(source) as before, sqlite3.connect(target) as after:
        before.backup(after)


def _by_key(scored: Stage, columns: tuple[str, ...]) -> Mapping[str, tuple[object, ...]]:
    """The outputs of the scored rows, by key.

    Numbers are rounded: the last digits of a linear model depend on how many rows come together.
    """
    table = parquet.read_table(scored.path, columns=list(columns))
    key, *values = (table.column(name).to_pylist() for name in columns)
    rows = ([_rounded(one) for one in row] for row in zip(*values, strict=True))
    return dict(zip(map(str, key), map(tuple, rows), strict=True))


def _rounded(value: object) -> object:
    return round(value, 9) if isinstance(value, float) else value


def _link(source: str, target: str) -> str:
    os.link(source, target)
    return target
