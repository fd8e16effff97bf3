"""The servers of a home: the page for all pipelines, Dagster, MLflow, and pipelines' own."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from lockstep.checks.fates import Inbox
from lockstep.checks.streams import inbox_of
from lockstep.cli.arguments import LAST_PORT
from lockstep.cli.console import ERR, say, show_error
from lockstep.cli.supervision import Processes, Program, Supervisor, ending, ending_together
from lockstep.columns.plain import counted
from lockstep.dagster.instance import lacking_settings, prepare_instance
from lockstep.dagster.workspace import workspace_file
from lockstep.errors import LockedError, LockstepError
from lockstep.pages.outages import Outages
from lockstep.project.home import Addresses, Home, write_addresses
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.registry.versions import experiments_page, model_page
from lockstep.store.inbox import is_beside
from lockstep.store.lock import locked

_HOST = "127.0.0.1"
_PORTS_TRIED = 50
_START_SECONDS = 120
_WATCH_SECONDS = 0.5
_ASK_SECONDS = 5.0
"""Seconds between two questions to the servers of pipelines whether they are ready."""
_MOST_SHOWN = 5
"""Pipelines whose pages are shown."""
_SETTINGS = {
    # Seven processes that wait for evaluations of language models.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
_INDENT = " " * 10
_TOLD_WHOLE = ("blocked", "rejected", "failed", "changed", "left")
_TOLD_ONCE = ("waiting", "repeated")
"""States that are shown only when a file is new, since they last."""


class News:
    """The new fates of files since the last look.

    They are read from the texts beside the files, which every process writes that scores a file.
    """

    def __init__(self, inboxes: Sequence[Inbox]) -> None:
        self._inboxes = inboxes
        self._seen = {inbox.pipeline: inbox.told() for inbox in inboxes}

    def lines(self, dagster: str) -> Iterator[str]:
        """The new fates of files, in lines for a console, with pages at Dagster's address."""
        for inbox in self._inboxes:
            before, now = self._seen[inbox.pipeline], inbox.told()
            self._seen[inbox.pipeline] = now
            for text in sorted(now, key=lambda path: now[path]):
                if now[text] != before.get(text):
                    yield from _lines(inbox, text, dagster, is_new=text not in before)


def _stamped(pipeline: str, text: str) -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}  {pipeline}  {text}"


def _lines(inbox: Inbox, text: Path, dagster: str, *, is_new: bool) -> Iterator[str]:
    """The lines of a text as they stand, with the page of the check that failed."""
    try:
        lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:  # its file was moved meanwhile
        return
    state = lines[0].partition(":")[0]
    is_there = state == "left" or is_beside(text)  # what is left may be in an object store
    if not is_there or (state in _TOLD_ONCE and not is_new):
        return
    first, *rest = lines if state in _TOLD_WHOLE else lines[:1]
    yield _stamped(inbox.pipeline, first)
    yield from (f"{_INDENT}{line}" for line in rest)
    fate = inbox.fate(text.stem)
    if fate is not None and fate.state == state and fate.page is not None:
        yield f"{_INDENT}{dagster}{fate.page}"


@dataclass(frozen=True)
class Ports:
    """First ports to try."""

    dagster: int = 3000
    mlflow: int = 5000
    servers: int = 8080
    overview: int = 4000


@dataclass(frozen=True)
class _Server:
    """A program that answers at a port; the server of a pipeline may be as broken as that."""

    program: Program
    port: int
    is_needed: bool = True


def run_servers(project: Project, first: Ports) -> int:
    """Start all servers, print their addresses, stop them all at Ctrl-C; return the exit status.

    A server that stops by itself is started again. Where they run already for the project's home,
    those of pipelines that are not ready are started anew, and the addresses are printed.
    """
    home = project.home
    home.registry().demand_place()
    instance = prepare_instance(home)
    for lacking in (*lacking_settings(home), *project.alerts.lacking().values()):
        say(lacking)
    found = pipelines(project)
    for error in (*(broken.error for broken in found.broken.values()), *found.lacking.values()):
        show_error(error)
    try:
        with locked(home.served, "the home", wait=0):
            return _run(project, first, instance)
    except LockedError:
        say(f"`lockstep up` runs already for {home.path}; what is not ready is started anew.")
        _again(home).touch()
        show_pages(project, home.addresses)
        return 0


def _run(project: Project, first: Ports, instance: Path) -> int:
    home = project.home
    for folder in (home.mlflow, home.logs):
        folder.mkdir(parents=True, exist_ok=True)
    declared = pipelines(project).declared
    for name in declared:
        home.inbox(name).mkdir(parents=True, exist_ok=True)
    servers = _servers(project, first)
    home.registry().open()  # makes the store before two servers try to
    outages = Outages(home, home.addresses.servers)
    _again(home).unlink(missing_ok=True)
    homes = {"LOCKSTEP_HOME": str(home.path), "DAGSTER_HOME": str(instance)}
    environment = {**os.environ, **_SETTINGS, **homes}
    # Not on a command line, which every user of this machine sees.
    environment["MLFLOW_BACKEND_STORE_URI"] = project.home.tracking_uri.full
    news = News([inbox_of(pipeline, home) for pipeline in declared.values()])
    with ending_together(environment, project.root) as processes:
        try:
            say("Starting; this takes some seconds ...")
            for server in servers:
                processes.start(server.program)
            supervisor = Supervisor(processes, [server.program for server in servers])
            if not _await_answers(processes, servers):
                return 1
            show_pages(project, home.addresses)
            say(f"Logs:     {home.logs}")
            say("Ctrl-C stops them.")
            asked = -_ASK_SECONDS
            while True:
                for line in (*supervisor.lines(), *news.lines(home.addresses.dagster)):
                    say(line)
                if time.monotonic() > asked + _ASK_SECONDS:
                    asked = time.monotonic()
                    outages.look()
                if _again(home).exists():
                    _again(home).unlink()
                    for line in supervisor.start_anew([*map(_server_of, Outages.read(home))]):
                        say(line)
                time.sleep(_WATCH_SECONDS)
        except KeyboardInterrupt:
            say("\nStopping ...")
            return 0


def _servers(project: Project, first: Ports) -> list[_Server]:
    """All servers of a project, at free ports; their addresses are stored in the home."""
    home, logs = project.home, project.home.logs
    dagster = _free_port(first.dagster)
    mlflow = _free_port(first.mlflow, {dagster})
    overview = _free_port(first.overview, {dagster, mlflow})
    ports: dict[str, int] = {}
    for name, declared in sorted(pipelines(project).declared.items()):
        if declared.serving is not None:
            ports[name] = _free_port(first.servers, {dagster, mlflow, overview, *ports.values()})
    write_addresses(home.path, Addresses.local(dagster, mlflow, ports, overview))
    page = [sys.executable, "-m", "lockstep.cli.overview_page", str(overview)]
    servers = [
        _Server(Program("The page", page, logs / "overview.log"), overview, is_needed=False),
        _Server(Program("Dagster", _dagster(project, dagster), logs / "dagster.log"), dagster),
    ]
    if not home.tracking_uri.is_http:
        program = Program("MLflow", _mlflow(home, mlflow), logs / "mlflow.log")
        servers.append(_Server(program, mlflow))
    for name, port in ports.items():
        program = Program(_server_of(name), _serve(name, port), home.server_log(name))
        servers.append(_Server(program, port, is_needed=False))
    return servers


def _server_of(pipeline: str) -> str:
    return f"The server of {pipeline}"


def _again(home: Home) -> Path:
    """The file by which a second `lockstep up` has the first start anew what is not ready."""
    return home.path / "up.again"


def _dagster(project: Project, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "dagster", "dev", "-h", _HOST, "-p", str(port)),
        *("--log-level", "warning", "-w", str(workspace_file(project))),
    ]


def _mlflow(home: Home, port: int) -> list[str]:
    artifacts = ["--default-artifact-root", quote(str(home.mlflow / "artifacts"))]
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port)),
        *("--workers", "1", *artifacts),
    ]


def _serve(pipeline: str, port: int) -> list[str]:
    run = "from lockstep.cli.main import run; run()"
    return [sys.executable, "-c", run, "serve", pipeline, "--host", _HOST, "--port", str(port)]


def _await_answers(processes: Processes, servers: Sequence[_Server]) -> bool:
    """Wait until all servers answer or have stopped; false if one that is needed does not answer.

    The supervisor reports on the others.
    """
    deadline = time.monotonic() + _START_SECONDS
    waiting = list(servers)
    while waiting:
        for server in waiting:
            status = processes.status(server.program)
            if server.is_needed and status is not None:
                _tell_stopped(processes, server.program, status)
                return False
        if time.monotonic() > deadline:
            late = [server for server in waiting if server.is_needed]
            for server in late:
                show_error(f"No answer on port {server.port} after {_START_SECONDS} seconds.")
            return not late
        waiting = [
            server
            for server in waiting
            if processes.status(server.program) is None and not _answers(server.port)
        ]
        time.sleep(0.2)
    return True


def _tell_stopped(processes: Processes, program: Program, status: int) -> None:
    processes.await_last_words(program)
    show_error(f"{program.name} stopped ({ending(status)}). The end of {program.log}:")
    ERR.out(program.last_words)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((_HOST, port)) == 0


def _free_port(first: int, given: Collection[int] = ()) -> int:
    """The first free port from `first` on that was not given away yet."""
    last = min(first + _PORTS_TRIED - 1, LAST_PORT)
    for port in range(first, last + 1):
        if port in given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise LockstepError(f"No port from {first} to {last} is free. Name another.")


def show_pages(project: Project, addresses: Addresses) -> None:
    """Print the addresses of a project's servers and pages, that of all pipelines first."""
    say(f"Overview: {addresses.overview}  (every pipeline: what is live, what is open, what to do)")
    say(f"Dagster:  {addresses.dagster}  (assets, checks, schedules, sensors)")
    say(f"MLflow:   {addresses.mlflow}/{experiments_page()}  (runs and versions)")
    names, registry = sorted(pipelines(project).declared), project.home.registry()
    for name in names[:_MOST_SHOWN]:
        say(f"{name}")
        selection = quote(f'key:"{name}/*"', safe="")
        say(f"  lineage {addresses.dagster}/asset-groups~{selection}/")
        if (runs := registry.runs_page(name)) is not None:
            say(f"  runs    {addresses.mlflow}/{runs}")
            say(f"  model   {addresses.mlflow}/{model_page(name)}  (move @champion there)")
        say(f"  inbox   {project.home.inbox(name)}")
        if (delivered := project.home.delivered(name)) is not None:
            say(f"          {delivered}")
        if name in addresses.servers:
            is_live = project.home.live(name).exists()
            form = "a form in the browser; for programs: /docs"
            state = form if is_live else "503 until a version is live"
            say(f"  server  {addresses.servers[name]}  ({state})")
    if len(names) > _MOST_SHOWN:
        say(f"... and {counted(len(names) - _MOST_SHOWN, 'more pipeline')}")
