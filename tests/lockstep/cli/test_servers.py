"""`lockstep up`: what it starts answers on this machine only, and stops with it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from assets.orders import ASSETS
from lockstep.checks.streams import inbox_of
from lockstep.cli.servers import _free_port
from lockstep.dagster.instance import open_instance
from lockstep.dagster.workspace import workspace_file
from lockstep.errors import LockstepError
from lockstep.project.project import Project
from tests.fixtures.commands import Lockstep
from tests.fixtures.homes import use_home
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, Checkout, Workplace, copy_home
from tests.fixtures.processes import await_end, descendants
from tests.fixtures.waiting import await_ready, wait_until

SECONDS = 120
RED = ("failed", "blocked", "broken_off", "damaged")
OVER = {"published", "warned", "not_judged", "blocked"}
PROGRAMS = 4
"""The page for all pipelines, Dagster, MLflow and the server of `orders`."""


@contextmanager
def started(checkout: Checkout) -> Iterator[subprocess.Popen[str]]:
    """`lockstep up` as a person starts it below a project, at the head of its own session."""
    first = {"": 13000, "mlflow-": 15000, "server-": 18080, "overview-": 14000}
    process = subprocess.Popen(
        [
            *(Path(sys.executable).with_name("lockstep"), "up"),
            *(f"--{name}port={port}" for name, port in first.items()),
        ],
        cwd=checkout.folder / "transforms",
        env=checkout.environment(PYTHONUNBUFFERED="1", COLUMNS="300"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            for each in descendants(process.pid) | {process.pid}:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
        process.communicate()


@pytest.mark.long
def test_all_end_when_up_is_killed(checkout: Checkout) -> None:
    with started(checkout) as up:
        wait_until(lambda: len(groups_below(up.pid)) >= PROGRAMS, SECONDS)
        groups = groups_below(up.pid)
        os.kill(up.pid, signal.SIGKILL)
        up.wait()
        wait_until(lambda: not running_in(groups), SECONDS)


@dataclass(frozen=True)
class Running:
    """`lockstep up`, what it said until all was served, and its project with version 1 trained."""

    checkout: Checkout
    process: subprocess.Popen[str]
    said: str


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    checkouts: Callable[[Path], Checkout],
    trained_home: tuple[Path, object],
) -> Iterator[Running]:
    """`lockstep up` that tests share, the last of which ends it."""
    checkout = checkouts(tmp_path_factory.mktemp("running"))
    copy_home(trained_home[0], checkout.home)
    with started(checkout) as process:
        yield Running(checkout, process, read_until(process, "Ctrl-C stops them."))


@pytest.fixture(scope="module")
def gone_live(running: Running) -> tuple[int, dict[str, Any]]:
    """What the pipeline's server answered before a version went live, and said of itself then."""
    server = server_of_orders(running.said)
    before = requests.post(f"{server}/invocations", json=[], timeout=30).status_code
    with pytest.MonkeyPatch.context() as patch:
        use_home(running.checkout.home, patch)
        with open_instance(PROJECT.home) as instance:
            assert Workplace(instance).promote().ok
    return before, await_ready(server)


def test_the_server_of_a_pipeline_begins_to_answer_when_a_version_goes_live(
    gone_live: tuple[int, dict[str, Any]],
) -> None:
    before, told = gone_live
    assert (before, told["version"]) == (503, 1)


def test_up_serves_all_on_this_machine_only(running: Running) -> None:
    addresses = re.findall(r"http://(\S+):(\d+)", running.said)
    assert {host for host, _ in addresses} == {"127.0.0.1"}
    assert len(set(addresses)) == 4
    assert addresses[0][1].startswith("14")  # the page for all pipelines comes first
    for host, port in set(addresses):
        assert requests.get(f"http://{host}:{port}", timeout=30).ok
        with socket.socket() as probe:  # as it would on all of the machine's addresses
            assert probe.connect_ex(("127.0.0.2", int(port))) != 0


def test_a_second_up_says_where_the_first_one_is(running: Running, lockstep: Lockstep) -> None:
    lockstep.go_to(running.checkout.folder, running.checkout.home)
    second = lockstep("up")
    assert second.status == 0
    assert "runs already" in second.out
    assert re.findall(r"http://\S+", second.out) == re.findall(r"http://\S+", running.said)


@pytest.mark.long
@pytest.mark.usefixtures("gone_live")
def test_no_tile_and_no_headline_is_red_for_what_ends_well(running: Running) -> None:
    """Ten files, of which one is bad, and the process of another one is killed between two steps.

    The page is fetched again and again meanwhile.
    """
    inbox = running.checkout.home / "inbox" / "orders"
    bad, killed = 3, 5
    for number in range(1, 11):
        frame = orders_of(date(2020, 3, number), 40)
        frame = frame.drop(columns="price") if number == bad else frame
        path = inbox / f"file-{number:02}.csv"
        frame.to_csv(path, index=False)
        os.utime(path, (0, 0))
    killer = threading.Thread(target=kill_between_steps, args=(running, f"file-{killed:02}"))
    killer.start()
    watch = Watch(re.findall(r"http://\S+", running.said)[0], f"file-{bad:02}")
    wait_until(watch.is_over, 600, 0.5)
    killer.join()
    assert watch.false_alarms == [], watch.states
    (attempts,) = attempts_at(running, f"file-{killed:02}")
    assert json.loads((attempts / "2" / "record.json").read_text())["steps"]["published"]


@dataclass
class Watch:
    """What a page shows of ten files of which one is bad, as long as they are under way.

    Attributes:
        page: The address of the page.
        bad: The name with which that file begins.
        states: The states of each file in their order, by the first characters of its name.
        false_alarms: What was red though it ended well, or told of a process.
    """

    page: str
    bad: str
    states: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    false_alarms: list[str] = field(default_factory=list)

    def is_over(self) -> bool:
        """Look once more; whether each file is published or blocked."""
        html = requests.get(self.page, timeout=30).text
        (state,) = requests.get(f"{self.page}/status.json", timeout=30).json()
        (inbox,) = (each for each in state["streams"] if each["name"] == "inbox")
        now = {tile["partition"][:7]: tile["state"] for tile in inbox["tiles"]}
        for name, shown in now.items():
            if self.states[name][-1:] != [shown]:
                self.states[name].append(shown)
            if name != self.bad and shown in RED:
                self.false_alarms.append(f"{name} is {shown}")
        for each in state["findings"]:
            if each["result"] == "failed" and not each["partition"].startswith(self.bad):
                self.false_alarms.append(f"{each['partition']}: {each['summary']}")
        told = re.findall(r"process \d+ on [^<]*|[^<>]*multiprocessing[^<]*", html)
        self.false_alarms += [f"{len(text)} characters of {text[:200]}" for text in told]
        # The lead of the page and the pills of pipelines: what is read before the page is asked.
        if now.get(self.bad) not in RED and re.search(r'class="(pill )?bad"', html):
            self.false_alarms.append("the headline is red")
        return len(now) == 10 and {*now.values()} <= OVER


def attempts_at(running: Running, name: str) -> list[Path]:
    """The folder of the attempts at a file."""
    return [*(running.checkout.home / "data" / "orders" / "inbox" / "attempts").glob(f"{name}*")]


def kill_between_steps(running: Running, name: str) -> None:
    """Kill the process that scores a file between its first step and its last one.

    It is stopped again and again meanwhile, so that it cannot be through before it is killed.
    """

    def is_killed() -> bool:
        for folder in attempts_at(running, name):
            with suppress(FileNotFoundError, ProcessLookupError):
                path = folder / "1" / "record.json"
                pid = int(json.loads(path.read_text())["by"].split()[1])
                os.kill(pid, signal.SIGSTOP)
                steps = json.loads(path.read_text())["steps"]
                assert "published" not in steps, "it was through"
                os.kill(pid, signal.SIGKILL if steps else signal.SIGCONT)
                return bool(steps)
        return False

    wait_until(is_killed, 600, 0.005)


@pytest.mark.long
def test_a_server_that_is_killed_is_told_and_answers_again(live_checkout: Checkout) -> None:
    with started(live_checkout) as up:
        server = server_of_orders(read_until(up, "Ctrl-C stops them."))
        await_ready(server)
        (pid,) = (
            each.pid
            for each in psutil.Process(up.pid).children()
            if "serve orders" in " ".join(each.cmdline())
        )
        os.kill(pid, signal.SIGKILL)
        read_until(up, "The server of orders stopped (signal 9); it starts again in 1 s.")
        assert await_ready(server)["version"] == 1
        assert pid not in descendants(up.pid)


def test_what_becomes_of_a_file_is_told_while_it_runs(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"order_id\n1\n"
    name = f"monday-{sha256(content).hexdigest()[:12]}.csv"
    file = running.checkout.home / "inbox" / "orders" / "claimed" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    use_home(running.checkout.home, monkeypatch)
    list(inbox_of(ASSETS, PROJECT.home).untold())
    read_until(running.process, f"{name}: it is complete and will be scored.")


def test_all_end_at_an_interrupt(running: Running) -> None:
    up = running.process
    servers = descendants(up.pid)
    assert len(servers) >= PROGRAMS
    os.kill(up.pid, signal.SIGINT)
    assert up.wait(SECONDS) == 0
    await_end(servers)


def test_a_project_without_a_workspace_file_is_served_with_all_its_pipelines(checkout) -> None:
    (checkout.folder / "workspace.yaml").unlink()
    (checkout.folder / "orchestration" / "definitions.py").unlink()
    workspace = replace(Project.find(checkout.folder), home_folder=str(checkout.home))
    answer = checkout.python(
        "-m", "dagster", "definitions", "validate", "-w", str(workspace_file(workspace))
    )
    assert answer.returncode == 0, answer.stderr
    assert "Validation successful for code location orders" in answer.stdout + answer.stderr


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_port_that_is_taken_is_passed_over(taken_port: int) -> None:
    assert _free_port(taken_port) > taken_port


def test_without_a_free_port_the_error_names_those_that_were_tried(
    monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    monkeypatch.setattr("lockstep.cli.servers._PORTS_TRIED", 1)
    with pytest.raises(LockstepError, match=f"No port from {taken_port} to {taken_port} is free"):
        _free_port(taken_port)


def read_until(process: subprocess.Popen[str], end: str) -> str:
    """What a process says, up to a line; it is killed where that does not come."""
    limit = threading.Timer(SECONDS, process.kill)
    limit.start()
    said = ""
    try:
        for line in process.stdout:
            said += line
            if end in line:
                return said
    finally:
        limit.cancel()
    raise AssertionError(said)


def server_of_orders(said: str) -> str:
    """The address of the pipeline's own server."""
    (found,) = re.findall(r"server  (http://\S+)", said)
    return str(found)


def groups_below(process: int) -> set[int]:
    """The groups of processes whose heads a process has started."""
    command = ["ps", "-o", "pgid=", "--ppid", str(process)]  # it fails where there is none
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return set(map(int, listed.split()))


def running_in(groups: set[int]) -> set[int]:
    """The processes of some groups that run, whoever started them."""
    command = ["ps", "-e", "-o", "pid=,pgid=,stat="]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    return {int(pid) for pid, group, stat in rows if int(group) in groups and stat[0] != "Z"}
