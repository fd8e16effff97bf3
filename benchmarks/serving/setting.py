"""What all servers are given: a live version in a home of its own, and requests about flights."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from assets.flight_delay import ASSETS, history
from benchmarks._rounds import HERE, BenchmarkError, Checkout
from benchmarks.run import lockstep
from lockstep.artifacts.pointers import open_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field
from lockstep.columns.tables import take_rows
from lockstep.parity.wire import wire_record, wire_text
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables

PIPELINE = ASSETS.name
DIFFERENT = 20_000
"""How many different flights are asked about, again and again."""
_DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Setting:
    """What all servers are given.

    Attributes:
        home: A home with the version, for this benchmark alone.
        columns: The flights that are asked about, decoded.
        bodies: A file with a request a line, each about one of them.
        given: The same with what is looked up for it, for servers that cannot.
    """

    home: Home
    columns: Columns
    bodies: Path
    given: Path

    @property
    def pointer(self) -> Path:
        """The file that says which version is live."""
        return self.home.live(PIPELINE)

    @cached_property
    def loaded(self) -> LoadedVersion:
        """The version with its tables, computing with scikit-learn itself."""
        return live_version(self.home)

    @property
    def different(self) -> int:
        """How many different flights are asked about."""
        return len(self.columns[ASSETS.pipeline.key])


@contextmanager
def setting(different: int = DIFFERENT) -> Iterator[Setting]:
    """A copy of the project's live version, or one that is trained, and requests.

    Args:
        different: How many different flights to ask about.

    Raises:
        BenchmarkError: No version is live, and none can be trained; or the pipeline is declared to
            be served otherwise than it is measured.
    """
    _demand_serving()
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        home = Home(Path(folder) / "home")
        source = Project.find(HERE).home
        if source.live(PIPELINE).is_file():
            _copy(source, home)
        else:
            _train(home)
        columns = flights(different)
        bodies, given = Path(folder) / "bodies.jsonl", Path(folder) / "given.jsonl"
        pipeline = live_version(home).pipeline
        fields = [field for node in pipeline.reading for field in node.given_fields]
        names = tuple(field.name for field in fields)
        looked_up = {**columns, **pipeline.evaluate(columns, names)}
        for path, more in ((bodies, []), (given, fields)):
            written = "".join(f"{body}\n" for body in texts(looked_up, more))
            path.write_text(written, encoding="utf-8")
        yield Setting(home, columns, bodies, given)


def _demand_serving() -> None:
    serving = ASSETS.serving
    if serving is None or serving.log is None or serving.cached_rows:
        raise BenchmarkError(
            f"{PIPELINE} is to be served with its request log and without a cache, which would "
            "answer what is asked again and again: declare PipelineAssets(serving=Serving())."
        )


def flights(count: int) -> Columns:
    """Flights of January to March 2013, as many from each week as from any other."""
    columns = decode(history(), ASSETS.pipeline.record_schema).columns
    rows = len(columns[ASSETS.pipeline.key])
    return take_rows(columns, np.linspace(0, rows - 1, min(count, rows)).astype(np.int64))


def live_version(home: Home) -> LoadedVersion:
    """The version that is live in a home, with its tables as they are there."""
    loaded = open_live(home.live(PIPELINE))
    return loaded.with_tables(PinnedTables.now(Store(home.data / PIPELINE), loaded.pipeline))


def texts(columns: Columns, more: Sequence[Field] = ()) -> Iterator[str]:
    """Requests in MLflow's protocol, one about each row.

    Args:
        columns: The fields of the record, and those of more.
        more: Columns to give besides the record's.
    """
    fields = [*ASSETS.pipeline.record_schema, *more]
    for row in range(len(columns[ASSETS.pipeline.key])):
        record = wire_text(wire_record(columns, row, fields))
        yield f'{{"dataframe_records": [{record}]}}'


def _copy(source: Home, target: Home) -> None:
    """Copy the registry and what is live, so that no request is logged in a home that is used."""
    target.path.mkdir()
    ledgers = Path("data", PIPELINE, "ledgers")
    for folder in (source.mlflow, source.live(PIPELINE).parent, source.path / ledgers):
        ignored = shutil.ignore_patterns(_DATABASE)
        shutil.copytree(folder, target.path / folder.relative_to(source.path), ignore=ignored)
    with (
        closing(sqlite3.connect(source.mlflow / _DATABASE)) as before,
        closing(sqlite3.connect(target.mlflow / _DATABASE)) as after,
    ):
        before.backup(after)  # it may be written to
    target.registry().open()  # what MLflow has stored of where files are follows it


def _train(home: Home) -> None:
    print("No version is live: training one, untimed ...", flush=True)
    checkout = Checkout(HERE, {"LOCKSTEP_HOME": str(home.path)})
    for command in (("train", PIPELINE), ("promote", PIPELINE, "1")):
        checkout.run(lockstep(checkout, *command))
