"""The registry on a running MLflow server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from matplotlib.figure import Figure

from lockstep.errors import ArtifactError, FetchError, RegistryError, RegistryUnreachableError
from lockstep.registry.description import Presentation
from lockstep.registry.listing_update import update_listing
from lockstep.registry.registry import Registry
from tests.fixtures.mlflow_server import end_mlflow, start_mlflow
from tests.fixtures.ports import free_port


@dataclass
class Server:
    """An MLflow server that keeps its database and files in a directory."""

    directory: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = start_mlflow(self.directory, self.port)

    def kill(self) -> None:
        if self.process is not None:
            end_mlflow(self.process)
            self.process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, directory / "mlflow.db")
    server = Server(directory)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def remote(server: Server, tmp_path: Path) -> Registry:
    """The server's registry as a home opens it; the files of versions are the server's."""
    if server.process is None:
        server.start()
    own = tmp_path / "mlflow" / "artifacts"
    return Registry(server.uri, artifact_root=own, cache=tmp_path / "cache", wait=0.05)


class LosingProxy(ThreadingHTTPServer):
    """Hands requests on to a server, and loses its answer to the first of each kind."""

    def __init__(self, uri: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target, self.lost = uri, list[str]()

    def loses(self, kind: str) -> bool:
        """Whether the answer to a request is lost."""
        is_first = kind not in self.lost
        self.lost += [kind] * is_first
        return is_first


class _Handler(BaseHTTPRequestHandler):
    server: LosingProxy
    protocol_version = "HTTP/1.1"

    def _hand_on(self) -> None:
        length = int(self.headers.get("content-length", 0))
        answer = requests.request(
            self.command,
            self.server.target + self.path,
            data=self.rfile.read(length),
            headers={"content-type": self.headers.get("content-type", "application/json")},
            timeout=60,
        )
        kind = self.path.partition("?")[0]
        if "artifacts/" in kind:  # each file has a path of its own
            kind = kind.partition("artifacts/")[0]
        self.close_connection = True
        if self.server.loses(f"{self.command} {kind}"):
            return
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers.get("content-type", ""))
        self.send_header("content-length", str(len(answer.content)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _hand_on  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_fit_is_registered_once_though_the_answer_to_each_kind_of_request_is_lost(
    server: Server, remote: Registry, tumour: Any, tmp_path: Path
) -> None:
    before = len(remote.versions("tumour"))
    with LosingProxy(server.uri) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{proxy.server_port}"
        lossy = Registry(uri, cache=tmp_path / "cache", wait=0.01).patient()
        version = lossy.log(tumour.pipeline, **tumour.arguments)
        lossy.tag(version, "lockstep.evidence", "held")
        proxy.shutdown()
    assert len(remote.versions("tumour")) == before + 1
    assert remote.find("tumour", version.version).tags["lockstep.evidence"] == "held"
    assert remote.load("tumour", version.version).digest == version.digest
    assert len(proxy.lost) > 10


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_fetched_file_that_was_damaged_is_fetched_anew_and_told_once(
    remote: Registry, tumour: Any, is_removed: bool
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    path = remote.load("tumour", version.version).directory / "profile.json"
    assert remote.mended() == ()
    path.unlink() if is_removed else path.write_text("{}")
    remote.load("tumour", version.version)
    (sentence,) = remote.mended()
    assert sentence.startswith(str(path))
    assert f"Version {version.version} of tumour was fetched anew" in sentence
    remote.load("tumour", version.version)
    assert remote.mended() == ()


def test_a_version_comes_back_bit_for_bit(remote: Registry, tumour: Any) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    loaded = remote.load("tumour", version.version)
    expected = tumour.pipeline.predict(tumour.records)
    actual = loaded.pipeline.predict(tumour.records)
    pd.testing.assert_frame_equal(actual, expected, check_exact=True)


def test_the_files_of_a_version_are_fetched_once(
    remote: Registry, server: Server, tumour: Any, tmp_path: Path
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    remote.load("tumour", version.version)
    stored = server.directory / "files" / version.location.removeprefix("mlflow-artifacts:/")
    shutil.rmtree(stored)
    again = Registry(server.uri, cache=tmp_path / "cache")
    assert again.load("tumour", version.version).version == version.version


def test_fetched_files_that_were_damaged_since_are_fetched_again(
    remote: Registry, server: Server, tumour: Any, tmp_path: Path
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    files = remote.files(version)
    (files / "profile.json").write_bytes(b"")  # as after a power failure
    (files / "golden").rename(tmp_path / "golden")
    again = Registry(server.uri, cache=tmp_path / "cache")
    assert again.load("tumour", version.version).directory == files


def test_files_that_were_changed_on_the_server_are_refused(
    remote: Registry, server: Server, tumour: Any
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    stored = server.directory / "files" / version.location.removeprefix("mlflow-artifacts:/")
    (stored / "lockstep" / "profile.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"profile\.json is not what was logged"):
        remote.load("tumour", version.version)


def test_a_file_of_mlflow_that_was_changed_on_the_server_is_refused_when_it_is_fetched(
    remote: Registry, server: Server, tumour: Any
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    stored = server.directory / "files" / version.location.removeprefix("mlflow-artifacts:/")
    (stored / "MLmodel").write_text("flavors: {}")
    with pytest.raises(ArtifactError, match="MLmodel is not what was logged"):
        remote.load("tumour", version.version)


def test_a_version_needs_no_cache_of_the_callers(
    server: Server, remote: Registry, tumour: Any
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    assert Registry(server.uri).load("tumour", version.version).rows == 569


def test_an_alias_moved_by_rest_as_the_ui_does_is_followed(
    remote: Registry, server: Server, tumour: Any
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    requests.post(
        f"{server.uri}/ajax-api/2.0/mlflow/registered-models/alias",
        json={"name": "tumour", "alias": "champion", "version": str(version.version)},
        timeout=10,
    ).raise_for_status()
    champion = remote.alias("tumour", "champion")
    assert champion is not None
    assert champion.version == version.version


def test_an_alias_that_is_not_set_points_nowhere(remote: Registry, tumour: Any) -> None:
    remote.log(tumour.pipeline, **tumour.arguments)
    assert remote.alias("tumour", "nobody") is None
    assert remote.alias("no_model", "nobody") is None


# Failures


class _Fatal(Figure):
    """A plot at whose drawing the server dies."""

    server: Server

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        self.server.kill()
        super().savefig(*args, **kwargs)


def test_no_version_appears_if_the_server_dies_half_way(
    remote: Registry, server: Server, tumour: Any
) -> None:
    before = remote.versions("tumour")
    fatal = _Fatal()
    fatal.server = server
    with pytest.raises(RegistryUnreachableError, match=server.uri):
        remote.log(tumour.pipeline, **tumour.arguments, shown=Presentation(plots={"roc": fatal}))
    server.start()
    assert remote.versions("tumour") == before


class Proxy:
    """A stretch of network that loses what it is told to.

    Args:
        port: Where the server listens.
        loses: Asked for each piece of a request; says "request" or "answer" if the connection is
            to break before the request arrives, or before the answer does.
    """

    def __init__(self, port: int, loses: Callable[[bytes], str | None]) -> None:
        self.port = port
        self.loses = loses
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
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
def network(server: Server, remote: Registry) -> Iterator[Callable[..., Registry]]:
    """A registry behind a network, as `network(loses)`."""
    proxies = []

    def connect(loses: Callable[[bytes], str | None], cache: Path | None = None) -> Registry:
        proxies.append(Proxy(server.port, loses))
        return Registry(proxies[-1].uri, cache=cache, wait=0.05)

    yield connect
    for proxy in proxies:
        proxy.close()


def test_a_request_that_is_lost_is_sent_again(
    network: Callable[..., Registry], tumour: Any
) -> None:
    outcomes = iter(["request", "request"])
    registry = network(lambda request: next(outcomes, None))
    assert registry.versions("no_model") == ()
    assert next(outcomes, "all were lost") == "all were lost"


def test_a_version_of_which_half_was_fetched_is_fetched_anew(
    network: Callable[..., Registry], remote: Registry, tumour: Any, tmp_path: Path
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    broken = True

    def loses(request: bytes) -> str | None:
        """Files arrive one by one until the profile's turn comes."""
        is_profile = b"GET" in request and b"lockstep/profile.json" in request
        return "answer" if broken and is_profile else None

    registry = network(loses, tmp_path / "cache")
    with pytest.raises(FetchError, match=r"version \d+ of tumour did not all arrive.*try again"):
        registry.load("tumour", version.version)
    assert list((tmp_path / "cache" / "tumour").iterdir()) == []
    broken = False
    assert registry.load("tumour", version.version).rows == 569


def test_a_version_is_made_once_though_the_answer_was_lost(
    network: Callable[..., Registry], remote: Registry, tumour: Any
) -> None:
    answers = iter(["answer"])

    def loses(request: bytes) -> str | None:
        return next(answers, None) if b"model-versions/create" in request else None

    before = len(remote.versions("tumour"))
    version = network(loses).log(tumour.pipeline, **tumour.arguments)
    assert next(answers, "it was lost") == "it was lost"
    assert len(remote.versions("tumour")) == before + 1
    assert remote.versions("tumour")[-1].run_id == version.run_id


def test_a_run_is_marked_as_failed_when_the_files_do_not_get_through(
    network: Callable[..., Registry], remote: Registry, tumour: Any
) -> None:
    def loses(request: bytes) -> str | None:
        return "request" if request.startswith(b"PUT /api/2.0/mlflow-artifacts") else None

    before = remote.versions("tumour")
    with pytest.raises(RegistryUnreachableError):
        network(loses).log(tumour.pipeline, **tumour.arguments)
    assert remote.versions("tumour") == before
    client = remote._connection.client
    experiment = client.get_experiment_by_name("tumour")
    (latest,) = client.search_runs([experiment.experiment_id], max_results=1)
    assert latest.info.status == "FAILED"


def test_what_the_server_refuses_is_told_in_its_words(remote: Registry, tumour: Any) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    with pytest.raises(RegistryError, match=r"refused: .*alias"):
        remote.set_alias("tumour", "not/an alias", version.version)


def test_versions_that_were_listed_open_when_the_server_is_gone(
    remote: Registry, server: Server, tumour: Any, tmp_path: Path
) -> None:
    version = remote.log(tumour.pipeline, **tumour.arguments)
    remote.set_alias("tumour", "challenger", version.version)
    path = tmp_path / "home" / "listed" / "tumour.json"
    update_listing(remote, "tumour", path)
    server.kill()
    gone = Registry(server.uri, cache=tmp_path / "cache", attempts=1)

    found = update_listing(gone, "tumour", path)

    assert found.trouble is not None
    assert found.versions[version.version].open().digest == version.digest
