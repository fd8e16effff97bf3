"""The server as its clients see it: a real process, asked over a socket."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from lockstep.artifacts.live_pointer import LivePointer, write_live
from tests.fixtures.servers import Server

Records = list[dict[str, Any]]


def test_it_answers_counts_and_stops_when_it_has_drained_with_nothing_left(
    start: Callable[..., Server], orders: Records
) -> None:
    server = start(drain=0.5)
    server.wait(lambda answer: answer.status_code == 200)

    body = {"dataframe_records": orders[:2]}
    answer = httpx.post(f"{server.url}/invocations", json=body, headers={"x-request-id": "mine-1"})
    refused = httpx.post(f"{server.url}/invocations", content=b"{")
    metrics = httpx.get(f"{server.url}/metrics").text
    logged = server.stop()

    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 2
    assert answer.headers["x-request-id"] == "mine-1"
    assert refused.status_code == 415
    counted = 'lockstep_requests_total{pipeline="orders",route="/invocations",status="200"} 1.0'
    assert counted in metrics
    assert 'lockstep_version{pipeline="orders"} 1.0' in metrics
    assert 'lockstep_compiled_models{pipeline="orders"} 2.0' in metrics
    assert server.process.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in logged


def test_while_it_drains_it_answers_and_says_that_it_is_not_ready(
    start: Callable[..., Server], orders: Records
) -> None:
    server = start(drain=3600)
    server.wait(lambda answer: answer.status_code == 200)
    body = {"dataframe_records": orders[:1]}

    with httpx.Client(base_url=server.url) as client:
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


def test_a_token_is_demanded_of_all_but_probes(
    start: Callable[..., Server], orders: Records
) -> None:
    server = start(LOCKSTEP_TOKEN="secret")
    server.wait(lambda answer: answer.status_code == 200)
    body = {"dataframe_records": orders[:1]}
    token = {"authorization": "Bearer secret"}

    statuses = [
        httpx.post(f"{server.url}/invocations", json=body).status_code,
        httpx.post(f"{server.url}/invocations", json=body, headers=token).status_code,
        httpx.get(f"{server.url}/metrics").status_code,
    ]

    assert statuses == [401, 200, 401]


def test_no_request_fails_while_another_version_takes_over(
    start: Callable[..., Server], pointer: Path, other: LivePointer, orders: Records
) -> None:
    server = start(workers=2)
    server.wait(lambda answer: answer.status_code == 200)
    body = {"dataframe_records": orders[:1]}

    is_over = threading.Event()

    def ask() -> list[int]:
        statuses = []
        with httpx.Client() as client:
            while not is_over.is_set():
                statuses.append(client.post(f"{server.url}/invocations", json=body).status_code)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        try:
            time.sleep(0.5)
            write_live(pointer, other)
            for _ in range(6):  # whichever worker is asked
                server.wait(lambda answer: answer.json()["version"] == 2)
            time.sleep(0.5)
        finally:
            is_over.set()
        statuses = [status for one in asked for status in one.result()]

    assert len(statuses) > 50
    assert set(statuses) == {200}


def test_metrics_are_those_of_all_workers_whichever_is_asked_and_all_drain(
    start: Callable[..., Server], orders: Records
) -> None:
    server = start(workers=2, drain=0.5)
    server.wait(lambda answer: answer.status_code == 200)
    body = {"dataframe_records": orders[:1]}
    for _ in range(20):  # each over a connection of its own
        assert httpx.post(f"{server.url}/invocations", json=body).status_code == 200

    counted = {_counted(httpx.get(f"{server.url}/metrics").text) for _ in range(6)}

    assert counted == {20.0}
    server.stop()
    assert server.process.returncode in (0, -signal.SIGTERM)


def _counted(metrics: str) -> float:
    """How many requests the metrics count as answered."""
    start = 'lockstep_requests_total{pipeline="orders",route="/invocations",status="200"} '
    (line,) = [one for one in metrics.splitlines() if one.startswith(start)]
    return float(line.removeprefix(start))


def test_workers_end_with_the_process_that_started_them_and_leave_nothing(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    server = start(workers=2, TMPDIR=str(tmp_path))
    server.wait(lambda answer: answer.status_code == 200)

    server.process.kill()

    assert is_gone(server.url)
    assert not [*tmp_path.glob("lockstep-metrics-*")]


def is_gone(url: str) -> bool:
    """Whether nobody answers any more, within a while."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{url}/ready")
        except httpx.TransportError:
            return True
        time.sleep(0.1)
    return False


def test_no_framework_is_loaded_to_serve(pointer: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from lockstep.serving.http.server import Settings, served\n"
        "from lockstep.serving.versions.proving import prove\n"
        "from lockstep.artifacts.live_pointer import open_live\n"
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
