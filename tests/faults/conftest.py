"""Where faults are tried: a place where files are scored, and the site of the stateful tests."""

from pathlib import Path

import pytest

from assets.orders import ASSETS, history
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import decode
from lockstep.project.sinks import ParquetSink, SqlSink
from lockstep.store.parquet import Store
from tests.fixtures.places import Delivery, Place, two_deliveries
from tests.fixtures.versions import version_with_trees


@pytest.fixture(scope="session")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    """A version of `orders`."""
    rows = decode(history(), ASSETS.pipeline.joint_schema)
    folder = tmp_path_factory.mktemp("version") / "files"
    return version_with_trees(ASSETS, rows.columns, folder)


@pytest.fixture(scope="session")
def deliveries(
    version: LoadedVersion, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Delivery, Delivery]:
    """Two deliveries of the same orders, and what undisturbed runs make of them."""
    folder = tmp_path_factory.mktemp("deliveries")
    return two_deliveries(Place(ASSETS, Store(folder), lambda: version), folder)


@pytest.fixture
def place(version: LoadedVersion, tmp_path: Path) -> Place:
    """A place in which nothing is scored yet."""
    return Place(ASSETS, Store(tmp_path / "data" / "orders"), lambda: version)


@pytest.fixture
def sinks(tmp_path: Path) -> tuple[ParquetSink, SqlSink]:
    """A Parquet tree and a database, which hold nothing yet."""
    folder = tmp_path / "data"
    return ParquetSink(str(folder / "predictions")), SqlSink(f"sqlite:///{folder}/predictions.db")
