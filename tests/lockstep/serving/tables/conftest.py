"""A live version of `depots`, whose columns are looked up in tables, and these tables."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import LivePointer, write_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.table_deliveries import deliver_all
from lockstep.columns.decode import decode
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log import Log
from lockstep.serving.versions.served_tables import ServedTables
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from tests.fixtures import ports
from tests.fixtures.asgi import Client, Told
from tests.fixtures.depots import (
    DEPOTS,
    FIRST,
    SCORED,
    days,
    deliver_everything,
    needs,
    pieces,
)
from tests.fixtures.homes import use_home
from tests.fixtures.servers import Server
from tests.fixtures.versions import version_without_registry

Records = list[dict[str, Any]]


@dataclass(frozen=True)
class Depots:
    """A version of `depots` that is live in a home, and the tables of that home."""

    home: Home
    loaded: LoadedVersion

    @property
    def tables(self) -> Path:
        return self.home.data / "depots"

    @property
    def pointer(self) -> Path:
        return self.home.live("depots")

    def ledger(self, name: str) -> Ledger:
        return ledger_of(self.tables, self.loaded.pipeline.tables[name])

    def add(self, name: str, rows: Records) -> str:
        """Deliver rows, beside any server."""
        ledger = self.ledger(name)
        return ledger.add(decode(rows, ledger.schema.schema).columns, datetime.now(UTC)).version

    def batch(self, records: Records, versions: dict[str, str]) -> list[float]:
        """What the batch path computes, with the tables at these versions."""
        rows = {name: self.ledger(name).rows(version) for name, version in versions.items()}
        pipeline = self.loaded.pipeline.with_tables(rows)
        decoded = decode(records, pipeline.record_schema)
        return pipeline.evaluate(decoded.columns, ("forecast",))["forecast"].tolist()

    def service(self, log: Log | None = None, **settings: Any) -> Service:
        settings = {"tables": ServedTables(self.tables), **settings}
        return Service("depots", self.pointer, log=log, **settings)


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LoadedVersion]:
    """The folder of the tables, and a version that was fitted to them; neither is written to."""
    folder = tmp_path_factory.mktemp("depots")
    declared = pipelines(DEPOTS).get("depots")
    with pytest.MonkeyPatch.context() as patch:
        use_home(folder / "home", patch)
        deliver_everything(folder / "home" / "upstream")
        store = Store(folder / "data")
        for delivery in deliver_all(declared, store, "run").values():
            assert not delivery.blocked_by, delivery.results
    rows = [{**need, "pieces": pieces(need)} for day in days(FIRST, SCORED) for need in needs(day)]
    history = decode(rows, declared.pipeline.joint_schema).columns
    bound = PinnedTables.now(store, declared.pipeline).bind(declared.pipeline)
    version = version_without_registry(
        replace(declared, pipeline=bound), history, folder / "version"
    )
    return store.root, version


@pytest.fixture
def depots(delivered: tuple[Path, LoadedVersion], tmp_path: Path) -> Depots:
    """The live version, in a home of the test's own."""
    found = Depots(Home(tmp_path / "home"), delivered[1])
    shutil.copytree(delivered[0], found.tables)
    write_live(found.pointer, LivePointer.to(found.loaded))
    return found


@pytest.fixture
def client(depots: Depots) -> Iterator[DepotsClient]:
    """A client of a server in this process, which has looked at its files."""
    with DepotsClient(depots.service()) as found:
        found.look()
        yield found


class DepotsClient(Client):
    """A client of a service of depots."""

    def __init__(self, service: Service) -> None:
        super().__init__(application(service))
        self.service = service

    def look(self) -> None:
        """Have the server look at its files, as it does once in a while."""
        self.runner.run(self.service.look())

    def ask(self, records: Records, query: str = "") -> Told:
        return self.post(f"/invocations{query}", {"dataframe_records": records})

    def forecasts(self, records: Records) -> list[float]:
        told = self.ask(records)
        assert told.status == 200, told.content
        return [row["forecast"] for row in told.json()["predictions"]]


@pytest.fixture
def start(depots: Depots) -> Iterator[Callable[..., Server]]:
    """Starts servers of the live version, and ends them."""
    started: list[Server] = []

    def start(**settings: Any) -> Server:
        port = settings.pop("port", None) or ports.free_port()
        server = Server(depots.pointer, port, tables=str(depots.tables), **settings)
        started.append(server)
        return server

    yield start
    for server in started:
        server.end()
