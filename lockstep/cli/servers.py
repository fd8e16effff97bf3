"""The servers of an embedded instance: Dagster's UI and daemon, and MLflow's UI."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from urllib.parse import quote

from lockstep.cli.console import ERR, say, show_error
from lockstep.cli.news import News
from lockstep.cli.pages import show_pages
from lockstep.cli.processes import Processes, log_file, running
from lockstep.columns.errors import LockstepError
from lockstep.dagster.instance import lacking_settings, prepare_instance
from lockstep.dagster.workspace import workspace_file
from lockstep.project.addresses import Addresses, write_addresses
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.scoring.lock import LockedError, locked
from lockstep.scoring.streams import inbox_of

_HOST = "127.0.0.1"
_PORTS_TRIED = 50
_START_SECONDS = 120
_WATCH_SECONDS = 0.5
_SETTINGS = {
    # Seven processes that wait for evaluations of language models.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def run_servers(project: Project, port: int, mlflow_port: int) -> int:
    """Start all servers, say where they are, and stop them all when one stops or at Ctrl-C.

    Where they run already for the project's home, it is only said where.

    Args:
        project: The project.
        port: First port to try for Dagster's UI.
        mlflow_port: First port to try for MLflow's UI.

    Returns:
        0 when a person stopped them or they ran before, 1 when one stopped by itself.

    Raises:
        LockstepError: No port is free.
    """
    home = project.home
    prepare_instance(home)
    for lacking in lacking_settings(home):
        say(lacking)
    try:
        with locked(home.served, "the home", wait=0):
            return _run(project, port, mlflow_port)
    except LockedError:
        say(f"`lockstep up` runs already for {home.path}.")
        show_pages(project, home.addresses)
        return 0


def _run(project: Project, port: int, mlflow_port: int) -> int:
    home = project.home
    home.mlflow.mkdir(parents=True, exist_ok=True)
    declared = pipelines(project).declared
    for name in declared:
        home.inbox(name).mkdir(parents=True, exist_ok=True)
    ui, mlflow_ui = _free_port(port), _free_port(mlflow_port)
    commands, ports = {"Dagster": _dagster(project, ui)}, [ui]
    if not home.tracking_uri.startswith("http"):
        commands["MLflow"] = _mlflow(home, mlflow_ui)
        ports.append(mlflow_ui)
    write_addresses(home.path, Addresses.local(ui, mlflow_ui))
    home.registry().open()  # makes the store before two servers try to
    environment = {**os.environ, **_SETTINGS, "LOCKSTEP_HOME": str(home.path)}
    logs = home.path / "logs"
    news = News([inbox_of(one, home) for one in declared.values()])
    with running(commands, environment, project.root, logs) as servers:
        try:
            say("Starting; this takes some seconds ...")
            if not _await_ports(servers, ports):
                return _report_stopped(servers, logs)
            show_pages(project, home.addresses)
            say(f"Logs:     {logs}")
            say("Ctrl-C stops them.")
            while all(server.poll() is None for server in servers.values()):
                time.sleep(_WATCH_SECONDS)
                for line in news.lines(home.addresses.dagster):
                    say(line)
        except KeyboardInterrupt:
            say("\nStopping ...")
            return 0
        return _report_stopped(servers, logs)


def _dagster(project: Project, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "dagster", "dev", "-h", _HOST, "-p", str(port)),
        *("--log-level", "warning", "-w", str(workspace_file(project))),
    ]


def _mlflow(home: Home, port: int) -> list[str]:
    artifacts = ["--default-artifact-root", quote(str(home.mlflow / "artifacts"))]
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", home.tracking_uri, *artifacts),
    ]


def _await_ports(servers: Processes, ports: list[int]) -> bool:
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


def _report_stopped(servers: Processes, logs: Path) -> int:
    for name, server in servers.items():
        if server.poll() is not None:
            log = log_file(logs, name)
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
