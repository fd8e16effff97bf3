"""Two machines, each with a home of its own, that share records and inboxes.

Each is a process with a host name of its own, as the kernel tells it. What they share is a folder
of this machine: NFS itself is not tried here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assets.orders import ASSETS, orders_with_fates
from lockstep.checks.streams import stream_records
from lockstep.project.project import Project
from lockstep.scoring.audit import audit, home_parts
from lockstep.store.lock import holder
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from tests.fixtures.orders import PROJECT, copy_home
from tests.fixtures.waiting import wait_until

ROOT = Path(__file__).parents[2]
HOSTS = ("host-a", "host-b")
FILES = 3
NAMED = ("unshare", "--uts")


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    if shutil.which(NAMED[0]) is None or subprocess.run([*NAMED, "true"], check=False).returncode:
        pytest.skip("a process may not have a host name of its own here (unshare --uts)")


@pytest.fixture
def shared(tmp_path: Path, live_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that both machines share, by the environment of this process too."""
    for host in HOSTS:
        copy_home(live_home, tmp_path / host)
    monkeypatch.setenv("LOCKSTEP_HOME", str(tmp_path / HOSTS[0]))
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "shared"))
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "shared"


def on(host: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start Python on a machine of this name."""
    return subprocess.Popen(
        [*NAMED, sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def records(stream: str) -> Records:
    return stream_records(ASSETS, Store(PROJECT.home.data / "orders"), stream)


def test_data_and_inboxes_are_where_the_setting_says_and_all_else_is_in_the_home(
    shared: Path, tmp_path: Path
) -> None:
    home = PROJECT.home
    assert (home.data, home.inbox("orders")) == (shared / "data", shared / "inbox" / "orders")
    own = (home.path, home.dagster, home.mlflow, home.cache, home.live("orders"), home.served)
    assert all(path.is_relative_to(tmp_path / HOSTS[0]) for path in own)


def test_a_setting_names_the_folder_seen_from_the_project(tmp_path: Path) -> None:
    assert Project.read(tmp_path, {"data": "shared"}).home.data == tmp_path / "shared" / "data"


@pytest.mark.long
def test_of_two_machines_that_take_the_same_files_at_once_one_publishes_each(
    shared: Path, tmp_path: Path
) -> None:
    inbox = shared / "inbox" / "orders"
    inbox.mkdir(parents=True)
    for number in range(FILES):
        frame = orders_with_fates(date(2020, 4, 1 + number), 40)
        path = inbox / f"orders-{number}.csv"
        frame.drop(columns=["returned", "cost"]).to_csv(path, index=False)
        os.utime(path, (time.time() - 3600 + number,) * 2)
    script, gate = ROOT / "tests" / "fixtures" / "scoring_host.py", tmp_path / "gate"
    processes = {
        host: on(host, script, host, gate, FILES, LOCKSTEP_HOME=str(tmp_path / host))
        for host in HOSTS
    }

    def are_ready() -> bool:
        assert all(process.poll() is None for process in processes.values())
        return all((tmp_path / f"{host}.ready").exists() for host in HOSTS)

    wait_until(are_ready, seconds=120)
    gate.touch()
    outcomes: dict[str, Any] = {}
    for host, process in processes.items():
        out, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        outcomes[host] = json.loads(out.splitlines()[-1])["outcomes"]
    assert not (inbox / "repeated").exists()
    partitions = records("inbox").partitions()
    assert [name.rpartition("-")[0] for name in partitions] == [f"orders-{n}" for n in range(FILES)]
    for partition in partitions:
        by = records("inbox").demand(partition).record.by
        did = [host for host in HOSTS if outcomes[host].get(partition, {}).get("published")]
        assert [by.rpartition(" ")[2]] == did
        for host in {*HOSTS} - {*did}:
            told = outcomes[host].get(partition)  # none where it saw that it was published
            assert told is None or told["error"] is None
            assert told is None or any(
                f"is published already, by {by} at" in line for line in told["warnings"]
            )
        beside = (inbox / "claimed" / f"{partition}.txt").read_text()
        assert beside.startswith("published: ")
    assert audit(home_parts(ASSETS, PROJECT.home, PROJECT.home.registry())).damage == {}


def test_whoever_holds_a_partition_is_named_with_its_machine(shared: Path, tmp_path: Path) -> None:
    script = (
        "import socket, sys; socket.sethostname('host-b')\n"
        "from pathlib import Path; from lockstep.store.lock import locked\n"
        "with locked(Path(sys.argv[1]), 'the day'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    lock = shared / "day.lock"
    with on("host-b", "-c", script, lock) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        held = holder(lock)
        assert held is not None
        assert (held.host, held.pid) == ("host-b", process.pid)
        process.kill()
    assert holder(lock) is None
