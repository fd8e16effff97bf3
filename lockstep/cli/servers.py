"""The servers of an embedded instance: Dagster's UI and daemon, and MLflow's UI."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lockstep.artifacts.atomic import replace_text
from lockstep.cli.console import ERR, say, show_error
from lockstep.columns.errors import LockstepError
from lockstep.dagster.instance import prepare_instance
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project

_HOST = "127.0.0.1"
_PORTS_TRIED = 50
_START_SECONDS = 120
_STOP_SECONDS = 15


def run_servers(project: Project, port: int, mlflow_port: int) -> int:
    """Start all servers, say where they are, and stop them all when one stops or at Ctrl-C.

    Args:
        project: The project.
        port: First port to try for Dagster's UI.
        mlflow_port: First port to try for MLflow's UI.

    Returns:
        0 when a person stopped them, 1 when one stopped by itself.

    Raises:
        LockstepError: No port is free.
    """
    home = project.home
    prepare_instance(home)
    home.mlflow.mkdir(parents=True, exist_ok=True)
    for name in pipelines(project).declared:
        home.inbox(name).mkdir(parents=True, exist_ok=True)
    ui = _free_port(port)
    mlflow_ui = _free_port(mlflow_port)
    commands = {"Dagster": _dagster(project, ui)}
    environment = {**os.environ, "LOCKSTEP_HOME": str(home.path)}
    if not home.tracking_uri.startswith("http"):
        commands["MLflow"] = _mlflow(home, mlflow_ui)
        environment["LOCKSTEP_MLFLOW_UI"] = f"http://{_HOST}:{mlflow_ui}"
    home.registry().versions("any")  # makes the store before two servers try to
    with _running(commands, environment, project.root, home.path / "logs") as servers:
        say("Starting; this takes some seconds ...")
        if not _await_ports(servers, [ui, *([mlflow_ui] if "MLflow" in commands else [])]):
            return _report_stopped(servers, home.path / "logs")
        say(f"Dagster: http://{_HOST}:{ui}  (assets, checks, schedules, sensors)")
        mlflow_address = environment.get("LOCKSTEP_MLFLOW_UI", home.tracking_uri)
        say(f"MLflow:  {mlflow_address}  (versions; move @champion there)")
        say(f"Logs:    {home.path / 'logs'}")
        say("Ctrl-C stops them.")
        try:
            while all(server.poll() is None for server in servers.values()):
                time.sleep(0.5)
        except KeyboardInterrupt:
            say("\nStopping ...")
            return 0
        return _report_stopped(servers, home.path / "logs")


def _dagster(project: Project, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "dagster", "dev", "-h", _HOST, "-p", str(port)),
        *("--log-level", "warning", "-w", str(_workspace(project))),
    ]


def _workspace(project: Project) -> Path:
    """The project's `workspace.yaml`; where it has none, one that holds all of its pipelines."""
    own = project.root / "workspace.yaml"
    if own.exists():
        return own
    location = {
        "module_name": "lockstep.dagster.location",
        "location_name": project.name,
        "working_directory": str(project.root),
    }
    path = project.home.dagster / "workspace.yaml"
    # JSON is YAML.
    replace_text(path, json.dumps({"load_from": [{"python_module": location}]}, indent=1) + "\n")
    return path


def _mlflow(home: Home, port: int) -> list[str]:
    artifacts = ["--default-artifact-root", str(home.mlflow / "artifacts")]
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", home.tracking_uri, *artifacts),
    ]


@contextmanager
def _running(
    commands: dict[str, list[str]], environment: dict[str, str], root: Path, logs: Path
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start processes, each the head of a group of its own, and end all groups at the end.

    What they say goes to a file each in the folder of logs.
    """
    logs.mkdir(parents=True, exist_ok=True)
    servers: dict[str, subprocess.Popen[bytes]] = {}
    # A shell starts what it runs in the background with SIGINT ignored.
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _interrupt) for number in numbers]
    try:
        for name, command in commands.items():
            with _log(logs, name).open("wb") as log:
                servers[name] = subprocess.Popen(
                    command,
                    cwd=root,
                    env=environment,
                    start_new_session=True,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        yield servers
    finally:
        for server in servers.values():
            _signal_group(server, signal.SIGINT)
        deadline = time.monotonic() + _STOP_SECONDS
        for server in servers.values():
            try:
                server.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(server, signal.SIGKILL)
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _log(logs: Path, name: str) -> Path:
    return logs / f"{name.lower()}.log"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _signal_group(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(server.pid, number)
    except ProcessLookupError:
        return


def _await_ports(servers: dict[str, subprocess.Popen[bytes]], ports: list[int]) -> bool:
    """Wait until all ports answer; false if a server stopped before."""
    deadline = time.monotonic() + _START_SECONDS
    waiting = list(ports)
    while waiting:
        if any(server.poll() is not None for server in servers.values()):
            return False
        if time.monotonic() > deadline:
            show_error(f"No answer on port {waiting[0]} after {_START_SECONDS} seconds.")
            return False
        waiting = [port for port in waiting if not _answers(port)]
        time.sleep(0.2)
    return True


def _report_stopped(servers: dict[str, subprocess.Popen[bytes]], logs: Path) -> int:
    for name, server in servers.items():
        if server.poll() is not None:
            log = _log(logs, name)
            show_error(f"{name} stopped with status {server.returncode}. The end of {log}:")
            ERR.out("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
    return 1


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((_HOST, port)) == 0


def _free_port(first: int) -> int:
    for port in range(first, first + _PORTS_TRIED):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise LockstepError(f"No port from {first} to {first + _PORTS_TRIED - 1} is free.")
