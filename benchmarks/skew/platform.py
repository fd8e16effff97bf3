"""A healthy platform: a home with a version that is trained, promoted, and scores day after day."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from benchmarks._rounds import BenchmarkError
from benchmarks.skew.deliveries import Delivery
from benchmarks.skew.faults import Judged
from lockstep.columns.decode import decode
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.registry.live import Live
from lockstep.registry.registry import Registry
from lockstep.scoring.partition import publish, published_columns
from lockstep.scoring.steps import batch_step, scored_step
from lockstep.scoring.work import Stage, Work
from lockstep.store.attempts import Attempt
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult
from lockstep.training.candidate import train
from lockstep.training.gate import Gate, pass_gate

PACKAGES = Project.find(Path(__file__)).packages
BEFORE = 28
"""Days before a day that have to be scored, so that it is judged as on any other day."""


@dataclass(frozen=True, eq=False)
class Platform:
    """A pipeline with its registry, its store and the version that is live."""

    declared: PipelineAssets
    home: Home  # where the registry and the gate's file are
    store: Store  # where its rows are kept

    @classmethod
    def at(cls, folder: Path, declared: PipelineAssets) -> Platform:
        """The platform of a home."""
        home = Home(folder)
        return cls(declared, home, Store(home.data / declared.name))

    @cached_property
    def registry(self) -> Registry:
        """The registry of the home."""
        return self.home.registry()

    @property
    def pointer(self) -> Path:
        """The gate's file."""
        return self.home.live(self.declared.name)

    @property
    def live(self) -> Live:
        """Where it is kept which version is live."""
        return Live(self.registry, self.declared.name, self.pointer)

    def train(self) -> tuple[Mapping[str, CheckResult], int | None]:
        """Fit a candidate: what the checks found, and its number, if one was fitted."""
        found = train(self.declared, self.store, self.registry, PACKAGES)
        version = found.candidate.version if found.candidate is not None else None
        return found.results, version.version if version is not None else None

    def promote(self, version: int) -> Gate:
        """Want a version, and put it through the gate."""
        self.registry.set_alias(self.declared.name, "champion", version)
        return pass_gate(self.declared, self.registry, self.store, self.pointer)

    def go_live(self) -> tuple[Mapping[str, CheckResult], bool]:
        """Train and promote: what the checks found, and whether the version went live."""
        results, version = self.train()
        if version is None:
            return results, False
        gate = self.promote(version)
        return {**results, **gate.results}, gate.live == version

    def open_live(self) -> None:
        """Open the live version once: processes forked later have all libraries already.

        Great Expectations takes longer to load than ten faults to be judged. What is loaded stays,
        and is no longer gone through for garbage.
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

    def delivery(self, day: date) -> Delivery:
        """What upstream has for a day and its neighbours."""
        before, rows, after = (self.rows(day + timedelta(number)) for number in (-1, 0, 1))
        return Delivery(rows, before, after)

    def _work(self, day: date) -> Work:
        return Work(self.declared, self.store, "daily", day.isoformat())

    def judge(
        self, day: date, rows: pd.DataFrame, *, to_publish: bool = False, accept: Sequence[str] = ()
    ) -> Judged:
        """Score a day as its assets do, and say what would be published of it, or publish it.

        Columns are accepted as by a person who has looked at what is found.
        """
        work = self._work(day)
        batch = batch_step(work, self.live, lambda schema: decode(rows, schema), accept=accept)
        if batch.blocked_by:
            return Judged(batch.results)
        scored = scored_step(work, self.live)
        results = {**batch.results, **scored.results}
        if scored.blocked_by:
            return Judged(results)
        out = _by_key(scored, published_columns(self.declared.pipeline))
        if to_publish:
            publish(work)
        aside = [self._attempt(day).read(f"{step}_quarantine") for step in ("batch", "scored")]
        keys = [key for table in aside for key in table.column("key").to_pylist()]
        return Judged(results, out, frozenset(map(str, keys)))

    def judged_before(self, day: date) -> Judged | None:
        """What the last attempt at a day found, if there was one."""
        if day.isoformat() not in self._work(day).records.attempted():
            return None
        steps = self._attempt(day).record.steps.values()
        return Judged({name: one for step in steps for name, one in step.results.items()})

    def _attempt(self, day: date) -> Attempt:
        """The last attempt at a day."""
        return next(iter(self._work(day).records.newest_first(day.isoformat())))

    def before(self, day: date, folder: Path) -> Platform:
        """The same platform as it was before a day, its files linked into another store."""
        days = {(day - timedelta(number)).isoformat() for number in range(1, BEFORE + 8)}
        source, target = self.store.root, folder / self.declared.name
        shutil.copytree(source / "training", target / "training", copy_function=os.link)

        def of_other_days(directory: str, names: list[str]) -> set[str]:
            is_part = Path(directory).parent == source / "daily"
            return {name for name in names if is_part and name.split(".")[0] not in days}

        if (ledgers := source / "ledgers").exists():
            shutil.copytree(ledgers, target / "ledgers", copy_function=os.link)
        for part in ("records", "attempts", "published"):  # there is none where no day has one
            (target / "daily" / part).mkdir(parents=True)
            if (source / "daily" / part).exists():
                shutil.copytree(
                    source / "daily" / part,
                    target / "daily" / part,
                    ignore=of_other_days,
                    copy_function=os.link,
                    dirs_exist_ok=True,
                )
        return Platform(self.declared, self.home, Store(target))


def build(folder: Path, declared: PipelineAssets, say: Callable[[str], None]) -> Platform:
    """A platform whose first version is live; one that is there already is used as it is.

    Raises:
        BenchmarkError: No version went live.
    """
    platform = Platform.at(folder, declared)
    if platform.pointer.exists():
        say(f"The platform in {folder} is used as it is.")
        return platform
    say(f"Training {declared.name} ...")
    results, is_live = platform.go_live()
    if not is_live:
        raise BenchmarkError(f"{declared.name} did not go live: {errors_of(results)}")
    return platform


def errors_of(results: Mapping[str, CheckResult]) -> str:
    """The errors among what checks found."""
    return "; ".join(f"{name}: {one.summary}" for name, one in results.items() if one.is_error)


def score_days(
    platform: Platform, days: Iterable[date], say: Callable[[str], None]
) -> dict[date, Judged]:
    """Score and publish days in sequence; what was scored before is told as it was found then."""
    found: dict[date, Judged] = {}
    for number, day in enumerate(days):
        known = platform.judged_before(day)
        if known is None and number % 25 == 0:
            say(f"Scoring clean days of {platform.declared.name}: {day} ...")
        found[day] = known or platform.judge(day, platform.rows(day), to_publish=True)
    return found


def copy_home(source: Path, target: Path) -> None:
    """Copy a home."""
    ignore = shutil.ignore_patterns("mlflow", "cache", "trials")
    shutil.copytree(source, target, ignore=ignore)
    copy_registry(source, target)


def copy_registry(source: Path, target: Path) -> None:
    """Copy the registry of a home."""
    database, ignore = Path("mlflow", "mlflow.db"), shutil.ignore_patterns("mlflow.db")
    shutil.copytree(source / "mlflow", target / "mlflow", ignore=ignore)
    copy_database(source / database, target / database)


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database as one that may be open."""
    with closing(sqlite3.connect(source)) as before, closing(sqlite3.connect(target)) as after:
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
