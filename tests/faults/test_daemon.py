"""Runs that are killed between their creation and their first word: the next tick takes them up."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest

from assets.orders import ASSETS
from lockstep.checks.streams import inbox_of
from lockstep.dagster import tries
from lockstep.dagster.definitions import definitions, resources
from lockstep.dagster.instance import open_instance
from lockstep.dagster.jobs import backfill_op, job_name
from lockstep.dagster.runs import run_job
from lockstep.dagster.sensors import sensors
from lockstep.dagster.tries import PROCESS
from lockstep.dagster.workspace import job_origin
from lockstep.store.partition_records import Records
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, Workplace
from tests.fixtures.waiting import wait_until
from tests.fixtures.writes import carried_out

pytestmark = pytest.mark.long

JOB = job_name("orders", "score_inbox")
_, INBOX, _ = sensors(ASSETS)


@dataclass
class CodeServer:
    """A code server of Dagster's in a process of its own, with all that it starts."""

    process: subprocess.Popen[bytes]
    client: DagsterGrpcClient

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(params=["api grpc"])
def server(request: pytest.FixtureRequest, live: Workplace, tmp_path: Path) -> Iterator[CodeServer]:
    socket = str(tmp_path / "socket")
    command = [
        *(sys.executable, "-m", "dagster", *request.param.split(), "--socket", socket),
        *("--module-name", "lockstep.dagster.location", "--working-directory", str(PROJECT.root)),
    ]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT.root, stdout=log, stderr=log, start_new_session=True
        )
    started = CodeServer(process, DagsterGrpcClient(socket=socket, host="localhost"))
    try:
        wait_until(lambda: answers(started.client), 120, 0.01)
        yield started
    finally:
        started.kill()


@pytest.fixture
def partition(live: Workplace, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file that the sensor took in."""
    monkeypatch.setattr(tries, "_UNSIGNED", timedelta())
    folder = live.home.inbox("orders")
    folder.mkdir(parents=True)
    frame = orders_of(date(2020, 4, 1), 40)
    frame.to_csv(folder / "monday.csv", index=False)
    os.utime(folder / "monday.csv", (0, 0))
    (requested,) = tick(live)
    live.instance.add_dynamic_partitions("orders_inbox", [requested])
    return requested


def tick(live: Workplace) -> list[str]:
    """The partitions of which the sensor requests runs."""
    with dg.build_sensor_context(instance=live.instance, resources=resources(PROJECT)) as context:
        result = INBOX(context)
    return [request.partition_key for request in result.run_requests or ()]


def answers(client: DagsterGrpcClient) -> bool:
    with suppress(Exception):
        client.ping("")
        return True
    return False


def created(live: Workplace, partition: str) -> dg.DagsterRun:
    """A run as Dagster's daemon makes it for a request of the sensor."""
    return live.instance.create_run_for_job(
        definitions(PROJECT).resolve_job_def(JOB),
        status=dg.DagsterRunStatus.STARTING,
        tags={"dagster/partition": partition},
        remote_job_origin=job_origin(PROJECT, JOB),
    )


def launch(live: Workplace, run: dg.DagsterRun, server: CodeServer) -> None:
    """Give a run to the code server, as Dagster's daemon does."""

    def give() -> None:
        with suppress(Exception):  # the server is killed meanwhile
            DefaultRunLauncher.launch_run_from_grpc_client(live.instance, run, server.client)

    threading.Thread(target=give, daemon=True).start()


def is_at_work(server: CodeServer, run: dg.DagsterRun) -> bool:
    """Whether a process of the server carries a run out."""
    request = CanCancelExecutionRequest(run_id=run.run_id)
    return '"can_cancel": true' in server.client.can_cancel_execution(request)


def test_a_run_that_nobody_was_given_is_taken_up(live: Workplace, partition: str) -> None:
    run = created(live, partition)
    assert tick(live) == [partition]
    assert live.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    (text,) = (live.home.inbox("orders") / "claimed").glob("*.txt")
    assert "its run was killed before it was through; it is scored again" in text.read_text()


def test_a_run_that_was_just_made_is_left_to_dagster(
    live: Workplace, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "_UNSIGNED", timedelta(minutes=1))
    created(live, partition)
    assert tick(live) == []


def test_a_run_that_another_launcher_starts_is_left_to_dagster(
    live: Workplace, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live.instance, "_run_launcher", SyncInMemoryRunLauncher())
    created(live, partition)
    assert tick(live) == []


@pytest.mark.parametrize("server", ["api grpc", "code-server start"], indirect=True)
def test_a_run_whose_process_still_loads_its_libraries_is_left_to_it(
    live: Workplace, partition: str, server: CodeServer
) -> None:
    run = created(live, partition)
    launch(live, run, server)
    wait_until(lambda: is_at_work(server, run), 120, 0.01)
    assert tick(live) == []


@pytest.mark.parametrize("moment", ["given", "started"])
def test_a_run_that_is_killed_with_its_server_before_it_is_signed_is_taken_up(
    live: Workplace, partition: str, server: CodeServer, moment: str
) -> None:
    run = created(live, partition)

    def now() -> dg.DagsterRun:
        return live.instance.get_run_by_id(run.run_id)

    launch(live, run, server)
    if moment == "given":
        wait_until(lambda: is_at_work(server, run), 120, 0.01)
    else:
        wait_until(lambda: now().status is dg.DagsterRunStatus.STARTED, 120, 0.01)
    server.kill()
    assert PROCESS not in now().tags
    assert tick(live) == [partition]
    assert now().status is dg.DagsterRunStatus.FAILURE


def test_a_run_that_is_killed_before_consumers_can_read_what_it_committed_is_taken_up(
    live: Workplace, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        with open_instance(PROJECT.home) as instance:
            run_job(PROJECT, JOB, instance, partition=partition)

    with monkeypatch.context() as patch:
        patch.setattr(Records, "_export", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        assert carried_out(work).was_killed
    assert tick(live) == [partition]
    work()
    assert tick(live) == []
    records = inbox_of(ASSETS, live.home).records
    records.verify_export(records.demand(partition))


def test_a_backfill_that_was_killed_leaves_its_place_in_the_queue(
    live: Workplace, partition: str
) -> None:
    job = definitions(PROJECT).resolve_job_def(job_name("orders", "backfill"))
    config = {backfill_op("orders"): {"config": {"first": "2020-03-01", "last": "2020-03-02"}}}
    run = live.instance.create_run_for_job(
        job, run_config={"ops": config}, status=dg.DagsterRunStatus.STARTED
    )
    tick(live)
    assert live.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
