"""Two servers behind nginx, as `deploy/nginx.conf` puts them there: no request is ever lost."""

import math
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from lockstep.artifacts.pointers import LivePointer, write_live
from lockstep.project.home import Home
from lockstep.serving.http.access import Guarded, Local
from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.asgi import Client
from tests.fixtures.orders import Checkout
from tests.fixtures.ports import free_ports
from tests.fixtures.servers import serving
from tests.fixtures.waiting import wait_until
from tests.lockstep.serving.conftest import client_of

Records = list[dict[str, Any]]

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
EXAMPLE = Path(__file__).parents[4] / "deploy" / "nginx.conf"
DRAIN = 3  # seconds: more than `fail_timeout` in the example
CLIENTS = 4
TOKEN = "a secret of clients"
KNOWN = {"authorization": f"bearer {TOKEN}"}

MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {example}
}}
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(NGINX is None, reason="there is no nginx on this machine"),
]


def wait_for(
    url: str, is_so: Callable[[httpx.Response], bool], process: subprocess.Popen[bytes]
) -> None:
    """Ask a process until its answer is so."""

    def answers() -> bool:
        assert process.poll() is None, "the process has ended"
        with suppress(httpx.TransportError):
            return is_so(httpx.get(url))
        return False

    wait_until(answers, 120)


class Server:
    """`lockstep serve`, which can be stopped and started again at the same port."""

    def __init__(self, checkout: Checkout, port: int) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self._command = [
            *(str(Path(sys.executable).with_name("lockstep")), "serve", "orders"),
            *("--port", str(port), "--drain", str(DRAIN), "--trusted-proxy", "127.0.0.1"),
        ]
        self._checkout = checkout
        self.log = checkout.folder.parent / f"{port}.log"
        self.start()

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._checkout.folder,
                env=self._checkout.environment(LOCKSTEP_TOKEN=TOKEN),
                stdout=log,
                stderr=log,
            )

    def wait(self, version: int) -> None:
        """Wait until it serves a version."""
        wait_for(f"{self.url}/ready", lambda told: told.json()["version"] == version, self.process)

    def stop(self) -> None:
        """Have it stop as a process manager does."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) in (0, -signal.SIGTERM)


@pytest.fixture
def servers(live_checkout: Checkout) -> Iterator[list[Server]]:
    found = [Server(live_checkout, port) for port in free_ports(2)]
    yield found
    for server in found:
        server.process.kill()
        server.process.wait()


@contextmanager
def proxied(folder: Path, *ports: int) -> Iterator[str]:
    """The address of nginx in front of two ports, as the example puts it there."""
    (port,) = free_ports(1)
    example = EXAMPLE.read_text()
    for old, new in (
        ("server 127.0.0.1:8081", f"server 127.0.0.1:{ports[0]}"),
        ("server 127.0.0.1:8082", f"server 127.0.0.1:{ports[-1]}"),
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
    ):
        assert example.count(old) == 1
        example = example.replace(old, new)
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(MAIN.format(folder=folder, example=example))
    with subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(configuration)]) as nginx:
        wait_for(f"http://127.0.0.1:{port}/ready", lambda told: told.status_code == 200, nginx)
        yield f"http://127.0.0.1:{port}"
        nginx.terminate()


@pytest.fixture
def balanced(servers: list[Server], tmp_path: Path) -> Iterator[str]:
    """The address of nginx in front of the servers."""
    for server in servers:
        server.wait(1)
    with proxied(tmp_path / "nginx", *(server.port for server in servers)) as url:
        yield url


def explained(url: str, order: dict[str, Any], **headers: str) -> httpx.Response:
    """What a client gets that asks for a trace, in the words of somebody on the machine itself."""
    asked = {"dataframe_records": [order]}
    named = {"host": "localhost", **headers}
    return httpx.post(f"{url}/invocations?explain=trace", json=asked, headers=named)


def test_nobody_gets_a_trace_from_a_server_that_was_told_of_no_proxy_and_has_no_token(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    with (
        serving(Local(client_of(scorer).application)) as port,
        proxied(tmp_path / "nginx", port) as url,
    ):
        assert explained(f"http://127.0.0.1:{port}", orders[0]).status_code == 200
        assert explained(url, orders[0]).status_code == 403
        assert httpx.get(f"{url}/page/version", headers={"host": "127.0.0.1"}).status_code == 403
        body = {"dataframe_records": orders[:1]}
        assert httpx.post(f"{url}/invocations", json=body).status_code == 200


def test_a_server_that_is_told_of_its_proxy_demands_the_token_of_everyone_behind_it(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    guarded = Guarded(client_of(scorer).application, TOKEN)
    with serving(guarded) as port, proxied(tmp_path / "nginx", port) as url:
        assert explained(url, orders[0]).status_code == 401
        assert explained(url, orders[0], **KNOWN).status_code == 200


def is_same(given: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether predictions agree, but for digits that depend on what is computed together."""
    return given.keys() == expected.keys() and all(
        math.isclose(given[name], value, rel_tol=1e-12)
        if isinstance(value, float)
        else given[name] == value
        for name, value in expected.items()
    )


class Load:
    """Clients that ask about one record after the other, for as long as it is entered.

    Attributes:
        told: How often each thing came: `right`, or what came instead.
        ids: The ids of the requests that were answered.
    """

    def __init__(self, url: str, orders: Records, expected: Records) -> None:
        self.told: Counter[str] = Counter()
        self.ids: list[str] = []
        self._asked = list(zip(orders, expected, strict=True))
        self._url = url
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, place: int) -> None:
        with httpx.Client(base_url=self._url, timeout=30, headers=KNOWN) as client:
            while not self._is_over.wait(0.01):
                place += 1
                record, expected = self._asked[place % len(self._asked)]
                try:
                    told = client.post("/invocations", json={"dataframe_records": [record]})
                except httpx.TransportError as error:
                    self.told[repr(error)] += 1
                    continue
                if told.status_code != 200:
                    self.told[f"{told.status_code}: {told.text}"] += 1
                    continue
                (given,) = told.json()["predictions"]
                is_right = is_same(given, expected)
                self.told["right" if is_right else told.text] += 1
                self.ids.append(told.headers["x-request-id"])


def test_a_rolling_restart_and_a_swap_under_load_lose_no_request(
    servers: list[Server],
    balanced: str,
    live_checkout: Checkout,
    other: LivePointer,
    client: Client,
    orders: Records,
) -> None:
    home = Home(live_checkout.home)
    with Load(balanced, orders, client.score(orders).predictions) as load:
        for server in servers:
            server.stop()
            server.start()
            server.wait(1)
        write_live(home.live("orders"), other)
        for server in servers:
            server.wait(2)

    assert set(load.told) == {"right"}
    assert load.told["right"] > 200
    for server in servers:
        server.stop()
    folder = home.requests("orders")
    logged = [
        one
        for name in segment_names(folder)
        for one in read_segment(segment_path(folder, name)).requests.ids
    ]
    assert sorted(logged) == sorted(load.ids)
