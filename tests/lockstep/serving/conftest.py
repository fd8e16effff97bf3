"""A live version of `orders`, records to ask it about, and servers in both modes."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockstep import Pipeline
from lockstep.artifacts.artifact import sha256
from lockstep.artifacts.pointers import ListedVersion, LivePointer, open_live, read_live, write_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.compiled.predictor import Compiled
from lockstep.parity.wire import wire_record
from lockstep.project.home import Home
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures import ports
from tests.fixtures.asgi import Client
from tests.fixtures.servers import Server

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


def client_of(scorer: Scorer, limits: RequestLimits | None = None) -> Client:
    """A client of a server of a version, which the server's mode is that of."""
    service = Service("orders", Path("nowhere"), limits, strict=scorer.strict)
    service.versions.scorer = scorer
    return Client(application(service))


def scorer_of(
    loaded: LoadedVersion, pipeline: Pipeline, *rules: Any, strict: bool = True
) -> Scorer:
    """Of another pipeline in the place of a version's, with these rules of its records alone."""
    names = ("input", "features", "outputs")
    suites: dict[str, Any] = {name: {"name": "", "expectations": []} for name in names}
    suites["input"]["expectations"] += rules
    version = replace(loaded, pipeline=pipeline, suites=suites)
    return Scorer.of(version, Compiled.of(pipeline), strict=strict)


@pytest.fixture(scope="module")
def client(scorer: Scorer) -> Iterator[Client]:
    """Of a server that is strict."""
    with client_of(scorer) as found:
        yield found


@pytest.fixture(scope="module")
def compat(scorer: Scorer) -> Iterator[Client]:
    """Of a server that is as MLflow's is."""
    with client_of(Scorer.of(scorer.loaded, scorer.compiled, strict=False)) as found:
        yield found


def copy_version(loaded: LoadedVersion, directory: Path, number: int) -> str:
    """Store a version of other bytes, whose manifest tells another quality; gives its digest."""
    shutil.copytree(loaded.directory, directory)
    path = directory / "manifest.json"
    manifest = json.loads(path.read_bytes())
    path.write_text(json.dumps({**manifest, "metrics": {"copy": number}}))
    return sha256(path.read_bytes())


def listed_copy(loaded: LoadedVersion, directory: Path, number: int) -> ListedVersion:
    """A version of other bytes that has passed the gate."""
    digest = copy_version(loaded, directory, number)
    return ListedVersion(loaded.name, number, directory, digest, datetime.now(UTC))


def version_2(loaded: LoadedVersion, directory: Path) -> LivePointer:
    """Version 2, of other bytes."""
    return LivePointer(loaded.name, 2, directory, copy_version(loaded, directory, 2))


def own_pointer(live_home: Path, folder: Path) -> Path:
    """A pointer of one's own to the live version."""
    live = read_live(Home(live_home).live("orders"))
    assert live is not None
    path = Home(folder / "home").live("orders")
    write_live(path, live)
    return path


@pytest.fixture
def free_port() -> int:
    return ports.free_port()


@pytest.fixture
def stored(loaded: LoadedVersion, tmp_path: Path) -> Callable[[int], ListedVersion]:
    """Gives versions of other bytes, which compute the same: their manifest differs by a number."""

    def make(number: int) -> ListedVersion:
        return listed_copy(loaded, tmp_path / f"stored {number}", number)

    return make


@pytest.fixture
def other(loaded: LoadedVersion, tmp_path: Path) -> LivePointer:
    return version_2(loaded, tmp_path / "version 2")


@pytest.fixture
def pointer(live_home: Path, tmp_path: Path) -> Path:
    return own_pointer(live_home, tmp_path)


@pytest.fixture
def start(pointer: Path, free_port: int) -> Iterator[Callable[..., Server]]:
    """Starts servers that follow the pointer, and ends them."""
    started: list[Server] = []

    def start(workers: int = 1, drain: float = 0, **environment: str) -> Server:
        started.append(Server(pointer, free_port, workers, drain, **environment))
        return started[-1]

    yield start
    for server in started:
        server.end()
