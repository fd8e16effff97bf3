"""The server as its clients see it: a real process, asked over a socket."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from lockstep.artifacts.pointers import LivePointer, write_live
from lockstep.artifacts.version import LoadedVersion
from tests.fixtures.ports import free_port
from tests.fixtures.servers import Server
from tests.fixtures.waiting import wait_until
from tests.lockstep.serving.conftest import own_pointer, version_2

Records = list[dict[str, Any]]


TOKEN = {"authorization": "Bearer secret"}


def is_ready(answer: httpx.Response) -> bool:
    return answer.status_code == 200


def answered(metrics: str) -> float:
    """How many requests the metrics count as answered."""
    start = 'lockstep_requests_total{pipeline="orders",route="/invocations",status="200"} '
    return sum(
        float(line.removeprefix(start)) for line in metrics.splitlines() if line.startswith(start)
    )


@pytest.fixture(scope="module")
def guarded(live_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client, which knows the token, of a server that all tests may ask."""
    pointer = own_pointer(live_home, tmp_path_factory.mktemp("guarded"))
    server = Server(pointer, free_port(), LOCKSTEP_TOKEN="secret")
    try:
        server.wait(is_ready)
        with httpx.Client(base_url=server.url, headers=TOKEN, verify=False) as client:
            yield client
    finally:
        server.end()


def test_it_answers_over_a_socket_with_the_id_of_the_request(
    guarded: httpx.Client, orders: Records
) -> None:
    body = {"dataframe_records": orders[:2]}
    answer = guarded.post("/invocations", json=body, headers={"x-request-id": "mine-1"})

    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 2
    assert answer.headers["x-request-id"] == "mine-1"
    assert guarded.post("/invocations", content=b"{").status_code == 415


def test_it_counts_requests_and_tells_its_version(guarded: httpx.Client, orders: Records) -> None:
    before = answered(guarded.get("/metrics").text)
    guarded.post("/invocations", json={"dataframe_records": orders[:1]})
    metrics = guarded.get("/metrics").text

    assert answered(metrics) == before + 1
    assert 'lockstep_version{pipeline="orders"} 1.0' in metrics
    assert 'lockstep_compiled_models{pipeline="orders"} 2.0' in metrics


def test_a_token_is_demanded_of_all_but_probes(guarded: httpx.Client, orders: Records) -> None:
    body = {"dataframe_records": orders[:1]}
    with httpx.Client(base_url=guarded.base_url, verify=False) as unknown:
        statuses = [
            unknown.post("/invocations", json=body).status_code,
            guarded.post("/invocations", json=body).status_code,
            unknown.get("/metrics").status_code,
            unknown.get("/ready").status_code,
        ]

    assert statuses == [401, 200, 401, 200]


def test_while_it_drains_it_answers_and_says_that_it_is_not_ready(
    start: Callable[..., Server], orders: Records
) -> None:
    server = start(drain=3600)
    server.wait(is_ready)
    body = {"dataframe_records": orders[:1]}

    with httpx.Client(base_url=server.url, verify=False) as client:
        assert "connection" not in client.post("/invocations", json=body).headers
        server.process.send_signal(signal.SIGTERM)
        server.wait(lambda answer: answer.status_code == 503)
        answer = client.post("/invocations", json=body)
        probes = {client.get(path).status_code for path in ("/ping", "/v2/health/ready")}
        is_alive = client.get("/v2/health/live").status_code

    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"
    assert probes == {503}
    assert is_alive == 200
    assert "Traceback" not in server.stop()  # told a second time, it waits no longer
    assert server.process.returncode in (0, -signal.SIGTERM)


# Two workers, of which another version takes over under load


@dataclass(frozen=True)
class Swap:
    """What clients of two workers saw while another version took over, and how they ended.

    Attributes:
        statuses: The status of each request.
        counted: How many answered requests the metrics counted then, each time that they were
            asked for, over a connection of its own.
        ended: The exit status of the server that was told to stop.
        logged: What it logged.
    """

    statuses: list[int]
    counted: list[float]
    ended: int
    logged: str


@pytest.fixture(scope="module")
def swap(
    live_home: Path,
    loaded: LoadedVersion,
    orders: Records,
    tmp_path_factory: pytest.TempPathFactory,
) -> Swap:
    folder = tmp_path_factory.mktemp("swap")
    pointer, other = own_pointer(live_home, folder), version_2(loaded, folder / "version 2")
    server = Server(pointer, free_port(), workers=2, drain=0.5)
    body, statuses, is_over = {"dataframe_records": orders[:1]}, list[int](), threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            with httpx.Client(verify=False) as client:  # whichever worker takes its connection
                for _ in range(10):
                    answer = client.post(f"{server.url}/invocations", json=body)
                    statuses.append(answer.status_code)

    try:
        server.wait(is_ready)
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask) for _ in range(4)]
            try:
                wait_until(lambda: len(statuses) > 50)
                write_live(pointer, other)
                for _ in range(6):  # whichever worker is asked
                    server.wait(lambda answer: answer.json()["version"] == 2)
                after = len(statuses)
                wait_until(lambda: len(statuses) > after + 50)
            finally:
                is_over.set()
            for one in asked:
                one.result()
        metrics = [httpx.get(f"{server.url}/metrics", verify=False).text for _ in range(6)]
        logged = server.stop()
    finally:
        server.end()
    return Swap(statuses, [answered(text) for text in metrics], server.process.returncode, logged)


def test_no_request_fails_while_another_version_takes_over(swap: Swap) -> None:
    assert set(swap.statuses) == {200}


def test_metrics_are_those_of_all_workers_whichever_is_asked(swap: Swap) -> None:
    assert set(swap.counted) == {len(swap.statuses)}


def test_all_workers_drain_and_end(swap: Swap) -> None:
    assert swap.ended in (0, -signal.SIGTERM)
    assert "Traceback" not in swap.logged


@pytest.mark.long
def test_workers_end_with_the_process_that_started_them_and_leave_nothing(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    server = start(workers=2, TMPDIR=str(tmp_path))
    server.wait(is_ready)

    server.process.kill()

    wait_until(lambda: is_gone(server.url), 30)
    assert not [*tmp_path.glob("lockstep-metrics-*")]


def is_gone(url: str) -> bool:
    """Whether nobody answers any more."""
    try:
        httpx.get(f"{url}/ready", verify=False)
    except httpx.TransportError:
        return True
    return False


def test_no_framework_is_loaded_to_serve(pointer: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lockstep.serving.http.server import Settings, served\n"
        "from lockstep.serving.versions.proving import prove\n"
        "from lockstep.artifacts.pointers import open_live\n"
        "served(Settings('orders', sys.argv[1]))\n"
        "prove(open_live(Path(sys.argv[1])))\n"
        "print(*sorted({'mlflow', 'dagster', 'great_expectations', 'matplotlib'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(pointer)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_a_damaged_version_is_refused_with_the_reason_where_people_look(
    start: Callable[..., Server], pointer: Path, other: LivePointer, orders: Records
) -> None:
    (other.directory / "profile.json").write_text("{}")
    write_live(pointer, other)
    server = start()

    ready = server.wait(lambda answer: answer.json()["refused"] is not None)
    told = httpx.post(f"{server.url}/invocations", json={"dataframe_records": orders[:1]})
    logged = server.stop()

    reason = "profile.json is not what was logged"
    assert ready.status_code == told.status_code == 503
    assert ready.json()["refused"]["version"] == 2
    assert reason in ready.json()["refused"]["reason"]
    assert reason in told.json()["message"]
    assert reason in logged
