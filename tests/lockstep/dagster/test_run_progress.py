"""The progress of runs: what may end well without anybody's doing."""

import socket
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from lockstep.dagster.tries import MOST_TRIES, OUTSIDE_TAG, PROCESS, progress, signature
from lockstep.dagster.workspace import job_origin
from tests.fixtures.orders import PROJECT

Status = dg.DagsterRunStatus
FILE = {"dagster/partition": "monday.csv"}
GONE = {PROCESS: f"{2**22 + 1} {socket.gethostname()}"}
"""The tag of a process that no machine has: its number is beyond the largest one."""


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def score_inbox() -> None:
    nothing()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance whose daemon has just said that it is there."""
    with dg.DagsterInstance.ephemeral() as found:
        beat(found, time.time())
        yield found


def beat(instance: dg.DagsterInstance, at: float) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(at, "SENSOR", "one"))


def run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> str:
    made = instance.create_run_for_job(
        score_inbox,
        status=status,
        tags={**FILE, **tags},
        remote_job_origin=job_origin(PROJECT, "score_inbox"),
    )
    return made.run_id


def killed(instance: dg.DagsterInstance) -> str:
    """A run that is recorded as failed although no step of it did."""
    return run(instance, Status.FAILURE, **GONE)


def of(instance: dg.DagsterInstance, run: str) -> str:
    return progress(instance, [run])[run]


@pytest.mark.parametrize(
    ("status", "tags", "expected"),
    [
        (Status.QUEUED, {}, "under_way"),
        (Status.STARTED, signature(), "under_way"),
        (Status.CANCELING, signature(), "under_way"),
        (Status.STARTED, {PROCESS: "7 another machine"}, "under_way"),
        (Status.STARTED, GONE, "interrupted"),
        (Status.FAILURE, GONE, "interrupted"),
        (Status.FAILURE, {OUTSIDE_TAG: "OSError"}, "interrupted"),
        (Status.CANCELED, signature(), "ended"),
        (Status.SUCCESS, signature(), "ended"),
    ],
)
def test_a_run_goes_on_or_is_followed_by_another_or_is_over(
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    tags: dict[str, str],
    expected: str,
) -> None:
    assert of(instance, run(instance, status, **tags)) == expected


@pytest.mark.parametrize("status", [Status.QUEUED, Status.STARTED])
def test_a_killed_run_that_another_follows_is_under_way(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    first = killed(instance)
    run(instance, status, **signature())
    assert of(instance, first) == "under_way"


@pytest.mark.parametrize("status", [Status.STARTED, Status.FAILURE])
def test_a_run_that_was_killed_too_often_is_over(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    for _ in range(MOST_TRIES - 1):
        killed(instance)
    assert of(instance, run(instance, status, **GONE)) == "ended"


@pytest.mark.parametrize("status", [Status.STARTED, Status.FAILURE])
def test_without_a_daemon_no_run_follows(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    beat(instance, time.time() - 3600)
    assert of(instance, run(instance, status, **GONE)) == "ended"


def test_a_run_about_nothing_that_is_tried_again_is_over(instance: dg.DagsterInstance) -> None:
    made = instance.create_run_for_job(score_inbox, status=Status.FAILURE, tags=GONE)
    assert of(instance, made.run_id) == "ended"


def test_a_run_that_is_not_recorded_is_left_out(instance: dg.DagsterInstance) -> None:
    assert progress(instance, ["of another home"]) == {}
