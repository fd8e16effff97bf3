"""A place where files are scored in units, by runs that may be disturbed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from benchmarks._recorded import Recorded, Values
from benchmarks._rounds import BenchmarkError
from benchmarks._writes import carried_out, demanded
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import Decoded
from lockstep.columns.units import Units, read_files
from lockstep.project.declaration import PipelineAssets
from lockstep.scoring.executors import IN_PROCESS, Executor, Pool
from lockstep.scoring.partition import ingest_batch, publish, score_batch
from lockstep.scoring.work import Work
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.streams import stream_records

FILE, UNIT_ROWS, WORKERS = "orders.csv", 80, 2
FIRST = date(2020, 3, 1)


@dataclass(frozen=True)
class Delivery:
    """A file, and what an undisturbed run makes of it.

    Attributes:
        file: The file.
        wanted: What is recorded.
    """

    file: Path
    wanted: Recorded

    @property
    def content(self) -> str:
        """What tells the published values."""
        return digest_of(self.wanted.published)


@dataclass(frozen=True)
class Place:
    """A store, and the version by which files are scored there.

    Attributes:
        declared: The pipeline, `orders` of the tests' projects.
        store: The store.
        version: Opens the version.
    """

    declared: PipelineAssets
    store: Store
    version: Callable[[], LoadedVersion]

    @property
    def records(self) -> Records:
        """The records of the inbox."""
        return stream_records(self.declared, self.store, "inbox")

    @property
    def export(self) -> Path:
        """The file that consumers read."""
        return self.records.export_path(FILE)

    def work(self, executor: Executor = IN_PROCESS) -> Work:
        """A run on the file's partition."""
        return Work(self.declared, self.store, "inbox", FILE, executor=executor)

    def score(self, file: Path, executor: Executor = IN_PROCESS) -> None:
        """Score a file in units, with every check, and publish it.

        Raises:
            BenchmarkError: A check blocks it.
        """
        live = self.version()
        schema = live.pipeline.record_schema
        rows = read_files([file], schema, rows=UNIT_ROWS)
        score_rows(self.work(executor), live, rows)

    def score_by_pool(
        self, file: Path, interrupting: Callable[[Executor], Executor] = lambda pool: pool
    ) -> None:
        """The same by a pool of two, whose processes may be killed."""
        with closing(Pool(WORKERS)) as pool:
            self.score(file, interrupting(pool))

    def recorded(self) -> Recorded:
        """What is recorded of the partition."""
        return Recorded.of(self.records, FILE)

    def undisturbed(self, file: Path, folder: Path) -> Delivery:
        """Score a file in a folder of its own, where nothing else happens."""
        declared = replace(self.declared, sinks=())
        alone = replace(self, declared=declared, store=Store(folder / self.declared.name))

        def work() -> Recorded:
            alone.score(file)
            return alone.recorded()

        return Delivery(file, demanded(carried_out(work)).value)


def score_rows(work: Work, live: LoadedVersion, rows: Decoded | Units) -> None:
    """Score a partition with every check, and publish it; findings of any field are accepted.

    Raises:
        BenchmarkError: A check blocks it.
    """
    stage = ingest_batch(work, live, rows, accept=live.pipeline.record_schema.names)
    if not stage.blocked_by:
        stage = score_batch(work, live)
    if stage.blocked_by:
        raise BenchmarkError(f"{work.partition} is not published: {stage.blocked_by}")
    publish(work)


def digest_of(values: Values) -> str:
    """What tells published values."""
    return hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:12]


def orders(declared: PipelineAssets, first: int, days: int) -> pd.DataFrame:
    """The orders of some days, some of which repeat a key or break a rule."""
    assert declared.daily is not None, "it scores days"
    read = [declared.daily.read(FIRST + timedelta(first + number)) for number in range(days)]
    frame = pd.concat([each for each in read if isinstance(each, pd.DataFrame)], ignore_index=True)
    frame.loc[5, "items"] = 0
    copies = frame.iloc[[3, len(frame) // 2]]
    half = len(frame) // 2
    return pd.concat([frame.iloc[:half], copies, frame.iloc[half:], copies], ignore_index=True)


def two_deliveries(place: Place, folder: Path) -> tuple[Delivery, Delivery]:
    """Two files of the same orders, with other values and fewer rows in the second."""
    whole, changed = folder / "whole.csv", folder / "changed.csv"
    rows = orders(place.declared, 0, 3)
    rows.to_csv(whole, index=False)
    dearer = rows.assign(price=(rows["price"] + 0.01).round(2))
    dearer.drop(index=range(20, 30)).to_csv(changed, index=False)
    return (
        place.undisturbed(whole, folder / "of whole"),
        place.undisturbed(changed, folder / "of changed"),
    )
