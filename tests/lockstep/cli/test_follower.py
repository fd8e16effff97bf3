"""The process that asks the registry for a server: there while the server is, and no longer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lockstep.artifacts.pointers import open_live, read_listing, read_live
from lockstep.cli.follower import Follower, answers
from lockstep.project.home import Home
from tests.fixtures.orders import Workplace
from tests.fixtures.processes import is_running
from tests.fixtures.waiting import wait_until

READING = [
    *(sys.executable, "-c"),
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.stdin.read()",
]


def test_it_lists_what_is_proven_and_follows_the_alias(live: Workplace) -> None:
    path = live.home.listing("orders")
    command = [sys.executable, "-m", "lockstep.cli.follower", "orders", str(live.home.path), "0.1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        wait_until(path.exists)
        first = read_listing(path)
        live.registry.set_alias("orders", "challenger", 1)
        wait_until(lambda: (found := read_listing(path)) is not None and found.challenger == 1)
        process.stdin.close()
        assert process.wait(timeout=30) == 0

    assert first is not None
    assert (list(first.versions), first.challenger) == ([1], None)


def test_in_another_home_it_takes_over_what_is_live(live: Workplace, tmp_path: Path) -> None:
    pointer = Home(tmp_path / "beside").live("orders")
    follower = Follower(
        [sys.executable, "-m", "lockstep.cli.follower", "orders", str(tmp_path / "beside"), "0.1"],
        environment={"MLFLOW_TRACKING_URI": live.home.tracking_uri.full},
    )
    follower.start()
    try:
        wait_until(pointer.exists)
    finally:
        follower.stop()
    here, there = read_live(live.home.live("orders")), read_live(pointer)
    assert here is not None
    assert there is not None
    assert (there.version, there.decision) == (here.version, here.decision)
    assert open_live(pointer).version == 1


def test_one_that_ends_is_started_again_and_is_stopped_though_it_ignores_sigterm() -> None:
    follower = Follower(READING, first_wait=0.01)
    follower.start()
    wait_until(lambda: follower.pid is not None)
    first = follower.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: follower.pid not in (None, first))
    second = follower.pid
    assert second is not None
    follower.stop()

    assert not is_running(second)


def test_it_is_started_once_it_is_due() -> None:
    due = threading.Event()
    asked = threading.Event()

    def is_due() -> bool:
        asked.set()
        return due.is_set()

    follower = Follower(READING, is_due=is_due)
    follower.start()
    assert asked.wait(60)
    assert follower.pid is None
    due.set()
    wait_until(lambda: follower.pid is not None)
    follower.stop()


def test_one_that_is_not_due_yet_is_stopped_before_it_is_started() -> None:
    follower = Follower(READING, is_due=lambda: False)
    follower.start()
    follower.stop()
    assert follower.pid is None


def test_a_server_answers_once_it_says_something() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with ThreadPoolExecutor() as pool:
            asking = pool.submit(answers, address)
            connection, _ = listening.accept()
            with connection:
                assert not asking.done()
                connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
                assert asking.result()


def test_where_nobody_listens_or_nothing_is_said_no_server_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with ThreadPoolExecutor() as pool:
            asking = pool.submit(answers, address)
            listening.accept()[0].close()
            assert not asking.result()
    assert not answers(address)


def test_it_ends_with_a_server_that_is_killed(home_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from lockstep.cli.follower import Follower\n"
        f"follower = Follower({READING!r})\n"
        "follower.start()\n"
        "while follower.pid is None: time.sleep(0.01)\n"
        "print(follower.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        server.kill()
        wait_until(lambda: not is_running(pid))

    assert not Home(home_path).listing("orders").exists()
