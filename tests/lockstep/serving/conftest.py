"""A live version of `orders`, and records to ask it about."""

from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.live import open_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.parity.wire import wire_record
from lockstep.project.home import Home
from lockstep.serving.scorer import Scorer
from lockstep.serving.versions import prove

Records = list[dict[str, Any]]


@pytest.fixture(scope="session")
def loaded(live_home: Path) -> LoadedVersion:
    return open_live(Home(live_home).live("orders"))


@pytest.fixture(scope="session")
def scorer(loaded: LoadedVersion) -> Scorer:
    return prove(loaded)


@pytest.fixture(scope="session")
def orders(loaded: LoadedVersion) -> Records:
    """The golden records as their clients send them."""
    golden, schema = loaded.golden, loaded.pipeline.record_schema
    return [wire_record(golden.records, row, schema) for row in range(len(golden))]
