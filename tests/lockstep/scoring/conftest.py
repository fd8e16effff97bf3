"""Where orders, and what depots need, are scored by functions alone."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.table_deliveries import deliver_all
from lockstep.columns.decode import Decoded, decode
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.scoring.work import Work
from lockstep.store.ledgers import Added, ledger_of
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from tests.fixtures.depots import DEPOTS, SCORED, deliver_everything, known_needs, needs
from tests.fixtures.homes import use_home
from tests.fixtures.order_store import OrderStore
from tests.fixtures.orders import PROJECT
from tests.fixtures.scored import ScoredPartition, score
from tests.fixtures.versions import version_without_registry


@pytest.fixture(scope="session")
def version(live_home: Path) -> LoadedVersion:
    """The version that is live; to be read, not to be written to."""
    with pytest.MonkeyPatch.context() as patch:
        use_home(live_home, patch)
        return PROJECT.home.registry().load("orders", "live")


@pytest.fixture
def place(tmp_path: Path, version: LoadedVersion) -> OrderStore:
    """A store of the test's own, in which nothing is scored."""
    return OrderStore(Store(tmp_path / "data" / "orders"), version)


@dataclass(frozen=True)
class DepotStore:
    """A store to which the tables of depots are delivered, and a version fitted to them."""

    declared: PipelineAssets
    store: Store
    version: LoadedVersion

    @property
    def rows(self) -> Decoded:
        """What depots ask for on the day that is scored."""
        return decode(needs(SCORED), self.version.pipeline.record_schema)

    @property
    def bound(self) -> LoadedVersion:
        """The version with the tables as they are now."""
        return self.version.with_tables(PinnedTables.now(self.store, self.version.pipeline))

    def work(self) -> Work:
        return Work(self.declared, self.store, "daily", SCORED.isoformat())

    def score(self) -> ScoredPartition:
        return score(self.work(), self.version, self.rows)

    def read(self, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of the rows that were scored last."""
        work = self.work()
        table = next(work.records.newest_first(work.partition)).read("scored", [*columns])
        return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))

    def pins(self, step: str) -> Mapping[str, str]:
        """The versions of tables that a step of the last attempt holds."""
        work = self.work()
        return next(work.records.newest_first(work.partition)).record.steps[step].facts["tables"]

    def add(self, table: str, *rows: Mapping[str, Any]) -> Added:
        """Deliver rows of a table."""
        schema = self.declared.pipeline.tables[table]
        columns = decode(list(rows), schema.schema).columns
        return ledger_of(self.store.root, schema).add(columns, datetime.now(UTC))


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DepotStore]:
    """All tables of depots, delivered once; to be read, not to be written to."""
    folder = tmp_path_factory.mktemp("depots")
    with pytest.MonkeyPatch.context() as patch:
        use_home(folder / "home", patch)
        deliver_everything(folder / "home" / "upstream")
        declared, store = pipelines(DEPOTS).get("depots"), Store(folder / "data")
        deliveries = deliver_all(declared, store, "run")
        assert [delivery.blocked_by for delivery in deliveries.values()] == [{}] * 3
        pipeline = declared.pipeline
        history = decode(known_needs(), pipeline.joint_schema).columns
        bound = replace(declared, pipeline=PinnedTables.now(store, pipeline).bind(pipeline))
        yield DepotStore(
            declared, store, version_without_registry(bound, history, folder / "files")
        )


@pytest.fixture
def depots(delivered: DepotStore, tmp_path: Path) -> DepotStore:
    """The same with a store of the test's own."""
    shutil.copytree(delivered.store.root, tmp_path / "data")
    return replace(delivered, store=Store(tmp_path / "data"))
