"""The registry on a running MLflow server."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from matplotlib.figure import Figure

from lockstep.errors import ArtifactError, FetchError, RegistryError, RegistryUnreachableError
from lockstep.registry.description import Presentation
from lockstep.registry.listing import update_listing
from lockstep.registry.registry import Registry
from lockstep.registry.versions import Version
from tests.fixtures.mlflow_server import end_mlflow, running_mlflow, start_mlflow
from tests.fixtures.ports import free_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    """Where the server keeps its database and files."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of a server."""
    with running_mlflow(folder) as address:
        yield address


@pytest.fixture
def remote(address: str, tmp_path: Path) -> Registry:
    """The server's registry as a home opens it; the files of versions are the server's."""
    own = tmp_path / "mlflow" / "artifacts"
    return Registry(address, artifact_root=own, cache=tmp_path / "cache", wait=0.05)


@pytest.fixture(scope="module")
def version(address: str, tumour: Any, tmp_path_factory: pytest.TempPathFactory) -> Version:
    """A version on the server, for tests that leave it as it is."""
    registry = Registry(address, cache=tmp_path_factory.mktemp("cache"))
    return registry.log(tumour.pipeline, **tumour.arguments)


@contextmanager
def on_server(folder: Path, version: Version, file: str, text: str | None = None) -> Iterator[None]:
    """Have something of a version's files on the server replaced, or away, for a while."""
    path = folder / "files" / version.location.removeprefix("mlflow-artifacts:/") / file
    away = path.with_name("away")
    path.rename(away)
    if text is not None:
        path.write_text(text)
    try:
        yield
    finally:
        away.replace(path)


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_fetched_file_that_was_damaged_is_fetched_anew_and_told_once(
    remote: Registry, version: Version, is_removed: bool
) -> None:
    path = remote.load("tumour", version.version).directory / "profile.json"
    assert remote.mended() == ()
    path.unlink() if is_removed else path.write_text("{}")
    remote.load("tumour", version.version)
    (sentence,) = remote.mended()
    assert sentence.startswith(str(path))
    assert f"Version {version.version} of tumour was fetched anew" in sentence
    remote.load("tumour", version.version)
    assert remote.mended() == ()


def test_a_version_comes_back_bit_for_bit(remote: Registry, version: Version, tumour: Any) -> None:
    loaded = remote.load("tumour", version.version)
    expected = tumour.pipeline.predict(tumour.records)
    actual = loaded.pipeline.predict(tumour.records)
    pd.testing.assert_frame_equal(actual, expected, check_exact=True)


def test_the_files_of_a_version_are_fetched_once(
    remote: Registry, address: str, folder: Path, version: Version, tmp_path: Path
) -> None:
    remote.load("tumour", version.version)
    with on_server(folder, version, "lockstep"):
        again = Registry(address, cache=tmp_path / "cache")
        assert again.load("tumour", version.version).version == version.version


def test_fetched_files_that_were_damaged_since_are_fetched_again(
    remote: Registry, address: str, version: Version, tmp_path: Path
) -> None:
    files = remote.files(version)
    (files / "profile.json").write_bytes(b"")  # as after a power failure
    (files / "golden").rename(tmp_path / "golden")
    again = Registry(address, cache=tmp_path / "cache")
    assert again.load("tumour", version.version).directory == files


@pytest.mark.parametrize("file", ["lockstep/profile.json", "MLmodel"])
def test_files_that_were_changed_on_the_server_are_refused(
    remote: Registry, folder: Path, version: Version, file: str
) -> None:
    refused = pytest.raises(ArtifactError, match=f"{Path(file).name} is not what was logged")
    with on_server(folder, version, file, "flavors: {}"), refused:
        remote.load("tumour", version.version)


def test_a_version_needs_no_cache_of_the_callers(address: str, version: Version) -> None:
    assert Registry(address).load("tumour", version.version).rows == 569


def test_an_alias_moved_by_rest_as_the_ui_does_is_followed(
    remote: Registry, address: str, version: Version
) -> None:
    requests.post(
        f"{address}/ajax-api/2.0/mlflow/registered-models/alias",
        json={"name": "tumour", "alias": "champion", "version": str(version.version)},
        timeout=10,
    ).raise_for_status()
    champion = remote.alias("tumour", "champion")
    assert champion is not None
    assert champion.version == version.version


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize("name", ["tumour", "no_model"])
def test_an_alias_that_is_not_set_points_nowhere(remote: Registry, name: str) -> None:
    assert remote.alias(name, "nobody") is None


def test_what_the_server_refuses_is_told_in_its_words(remote: Registry, version: Version) -> None:
    with pytest.raises(RegistryError, match=r"refused: .*alias"):
        remote.set_alias("tumour", "not/an alias", version.version)


# Failures

Loses = Callable[[bytes], str | None]


class Network:
    """A stretch of network that loses what it is told to.

    Args:
        port: Where the server listens.
        loses: Asked for each piece of a request; says "request" or "answer" if the connection is
            to break before the request arrives, or before the answer does.
    """

    def __init__(self, port: int, loses: Loses) -> None:
        self.port = port
        self.loses = loses
        self.open: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def cut(self) -> None:
        """Break all connections, and take no further one."""
        _shut(self.listener, *self.open)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            self.open += [client, server]
            broken = threading.Event()
            for pump in (self._requests, self._answers):
                threading.Thread(target=pump, args=(client, server, broken), daemon=True).start()

    def _requests(
        self, client: socket.socket, server: socket.socket, broken: threading.Event
    ) -> None:
        with suppress(OSError), client, server:
            while data := client.recv(1 << 16):
                lost = self.loses(data)
                if lost == "request":
                    break
                if lost == "answer":
                    broken.set()
                server.sendall(data)
            _shut(client, server)

    def _answers(
        self, client: socket.socket, server: socket.socket, broken: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if broken.is_set():
                    break
                client.sendall(data)
            _shut(client, server)


def _shut(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def network(address: str) -> Iterator[Callable[[Loses], Network]]:
    """Networks to the server, as `network(loses)`."""
    made = []

    def connect(loses: Loses) -> Network:
        made.append(Network(int(address.rpartition(":")[2]), loses))
        return made[-1]

    yield connect
    for each in made:
        each.cut()


def test_a_request_that_is_lost_is_sent_again(network: Callable[[Loses], Network]) -> None:
    outcomes = iter(["request", "request"])
    lossy = network(lambda request: next(outcomes, None))
    assert Registry(lossy.uri, wait=0.05).versions("no_model") == ()
    assert next(outcomes, "all were lost") == "all were lost"


def test_a_fit_is_registered_once_though_the_answer_to_each_kind_of_request_is_lost(
    network: Callable[[Loses], Network], remote: Registry, tumour: Any, tmp_path: Path
) -> None:
    lost: list[str] = []

    def loses(request: bytes) -> str | None:
        found = re.match(r"[A-Z]+ /[^ ?]+", request[:500].decode("latin-1"))
        if found is None:  # the rest of one
            return None
        kind = found.group().partition("artifacts/")[0]  # each file has a path of its own
        is_first = kind not in lost
        lost.extend([kind] * is_first)
        return "answer" if is_first else None

    before = len(remote.versions("tumour"))
    lossy = Registry(network(loses).uri, cache=tmp_path / "cache", wait=0.01).patient()
    version = lossy.log(tumour.pipeline, **tumour.arguments)
    lossy.tag(version, "lockstep.evidence", "held")

    assert len(remote.versions("tumour")) == before + 1
    assert remote.versions("tumour")[-1].run_id == version.run_id
    assert remote.find("tumour", version.version).tags["lockstep.evidence"] == "held"
    assert remote.load("tumour", version.version).digest == version.digest
    assert len(lost) > 10
    assert any(kind.endswith("model-versions/create") for kind in lost)


def test_a_version_of_which_half_was_fetched_is_fetched_anew(
    network: Callable[[Loses], Network], version: Version, tmp_path: Path
) -> None:
    broken = True

    def loses(request: bytes) -> str | None:
        """Files arrive one by one until the profile's turn comes."""
        is_profile = b"GET" in request and b"lockstep/profile.json" in request
        return "answer" if broken and is_profile else None

    registry = Registry(network(loses).uri, cache=tmp_path / "cache", wait=0.05)
    with pytest.raises(FetchError, match=r"version \d+ of tumour did not all arrive.*try again"):
        registry.load("tumour", version.version)
    assert list((tmp_path / "cache" / "tumour").iterdir()) == []
    broken = False
    assert registry.load("tumour", version.version).rows == 569


def test_a_run_is_marked_as_failed_when_the_files_do_not_get_through(
    network: Callable[[Loses], Network], remote: Registry, tumour: Any
) -> None:
    def loses(request: bytes) -> str | None:
        return "request" if request.startswith(b"PUT /api/2.0/mlflow-artifacts") else None

    before = remote.versions("tumour")
    with pytest.raises(RegistryUnreachableError):
        Registry(network(loses).uri, wait=0.05).log(tumour.pipeline, **tumour.arguments)
    assert remote.versions("tumour") == before
    client = remote._connection.client
    experiment = client.get_experiment_by_name("tumour")
    (latest,) = client.search_runs([experiment.experiment_id], max_results=1)
    assert latest.info.status == "FAILED"


def test_versions_that_were_listed_open_when_the_server_is_gone(
    network: Callable[[Loses], Network], version: Version, tmp_path: Path
) -> None:
    whole = network(lambda request: None)
    registry = Registry(whole.uri, cache=tmp_path / "cache", attempts=1)
    registry.set_alias("tumour", "challenger", version.version)
    path = tmp_path / "home" / "listed" / "tumour.json"
    assert update_listing(registry, "tumour", path).trouble is None
    whole.cut()

    found = update_listing(registry, "tumour", path)

    assert found.trouble is not None
    assert found.versions[version.version].open().digest == version.digest


class _Fatal(Figure):
    """A plot at whose drawing something happens."""

    happens: Callable[[], None]

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        self.happens()
        super().savefig(*args, **kwargs)


@pytest.mark.long
def test_no_version_appears_if_the_server_is_killed_half_way(
    tumour: Any, empty_database: Path, tmp_path: Path
) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    port = free_port()
    killed = start_mlflow(tmp_path, port)
    registry = Registry(f"http://127.0.0.1:{port}", cache=tmp_path / "cache", wait=0.05)
    fatal = _Fatal()
    fatal.happens = lambda: end_mlflow(killed)
    try:
        with pytest.raises(RegistryUnreachableError, match=registry.address.full):
            registry.log(
                tumour.pipeline, **tumour.arguments, shown=Presentation(plots={"roc": fatal})
            )
    finally:
        end_mlflow(killed)
    again = start_mlflow(tmp_path, port)
    try:
        assert registry.versions("tumour") == ()
    finally:
        end_mlflow(again)
