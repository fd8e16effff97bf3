"""Servers as processes: started on a core of their own, watched from outside, and stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from benchmarks._rounds import ONE_THREAD, BenchmarkError

_START_SECONDS = 180.0
_STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.01
_IDLE_SECONDS = 0.25
_IDLE_SHARE = 0.2
"""A server is idle if it takes less of a core than this."""
_KEEPS_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""A server that is started again finds its modules compiled, as those of an installed package are,
whatever this process's own environment says."""
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Cores:
    """The cores that servers and load run on.

    Attributes:
        server: The one of each server with all of its processes.
        load: The one of the load, and of whatever asks otherwise.
    """

    server: int
    load: int

    @classmethod
    def of_machine(cls) -> Cores:
        """The last two that this process may use; the same one twice where it has just one."""
        cores = sorted(os.sched_getaffinity(0))
        return cls(server=cores[-1], load=cores[-2:][0])


@dataclass(frozen=True)
class Command:
    """How a server is started.

    Attributes:
        arguments: The command.
        variables: What it finds in its environment besides this process's own.
        folder: Where it runs.
    """

    arguments: Sequence[str]
    variables: Mapping[str, str]
    folder: Path


class Server:
    """A server that runs, with all the processes that it started.

    Args:
        process: The first of them.
        port: Where it listens.
        log: What it prints.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self._process = process
        self._root = psutil.Process(process.pid)
        self._log = log
        self.port = port

    @property
    def is_running(self) -> bool:
        """Whether its first process still runs."""
        return self._process.poll() is None

    @property
    def rss_mb(self) -> float:
        """Resident memory of all its processes together, in megabytes; shared pages count twice."""
        return float(sum(one.memory_info().rss for one in self._tree())) / 1e6

    @property
    def cpu_seconds(self) -> float:
        """Seconds that all its processes have computed so far."""
        times = [one.cpu_times() for one in self._tree()]
        return float(sum(one.user + one.system for one in times))

    @property
    def said(self) -> str:
        """What it printed last."""
        return self._log.read_text(errors="replace").strip()[-2000:]

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run, and stop it again once it has nothing to do any more."""
        for one in self._tree():
            one.resume()
        try:
            yield
            self.settle()
        finally:
            self.pause()

    def pause(self) -> None:
        """Stop it where it is, until it is awake again."""
        for one in self._tree():
            one.suspend()

    def settle(self, seconds: float = 120.0) -> None:
        """Wait until it has nothing to do; what was asked last may still be computed.

        Raises:
            BenchmarkError: It goes on computing for so many seconds.
        """
        until = time.monotonic() + seconds
        before = self.cpu_seconds
        while time.monotonic() < until:
            time.sleep(_IDLE_SECONDS)
            now = self.cpu_seconds
            if now - before <= _IDLE_SHARE * _IDLE_SECONDS:
                return
            before = now
        raise BenchmarkError(f"A server that nobody asks goes on computing:\n{self.said}")

    def stop(self) -> None:
        """End all of its processes, by force if they do not end by themselves."""
        tree = self._tree()
        for one in tree:
            with suppress(psutil.NoSuchProcess):
                one.resume()
                one.terminate()
        psutil.wait_procs(tree, timeout=_STOP_SECONDS)
        for one in tree:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.wait()

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def start(command: Command, port: int, core: int, log: Path) -> Server:
    """Start a server on a core.

    Args:
        command: How.
        port: Where it is to listen.
        core: The core.
        log: The file to print to.
    """
    with log.open("wb") as printed:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command.arguments],
            cwd=command.folder,
            env={**os.environ, **ONE_THREAD, **_KEEPS_BYTECODE, **command.variables},
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Server(process, port, log)


def await_answer(server: Server, path: str, body: bytes) -> None:
    """Ask a server again and again until it answers with status 200.

    Raises:
        BenchmarkError: It ends before, or takes minutes.
    """
    until = time.monotonic() + _START_SECONDS
    status = None
    while server.is_running and time.monotonic() < until:
        try:
            status = post(server.port, path, body)
        except (OSError, HTTPException):
            time.sleep(_LOOK_SECONDS)
            continue
        if status == 200:
            return
        time.sleep(_LOOK_SECONDS)
    state = f"answers {path} with status {status}" if server.is_running else "has ended"
    raise BenchmarkError(f"A server does not come up: it {state}. It printed:\n{server.said}")


def post(port: int, path: str, body: bytes) -> int:
    """The status of the answer to one request, by a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, JSON)
        return connection.getresponse().status
    finally:
        connection.close()


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
