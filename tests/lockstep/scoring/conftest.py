"""Where orders are scored by functions alone, by the version that is live in a home."""

from pathlib import Path

import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.store.parquet import Store
from tests.fixtures.homes import use_home
from tests.fixtures.order_store import OrderStore
from tests.fixtures.orders import PROJECT


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
