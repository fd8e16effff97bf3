"""Tries: a run that failed for a cause from outside, or was killed, is tried again.

Such a run says nothing about what it worked on: another one may go through. Any other failure is
left to a person. Within a run, a step is tried again a while later. For schedules and sensors, the
last runs decide whether to run again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from socket import gethostname

import dagster as dg
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG

from lockstep.dagster.tags import hidden
from lockstep.errors import (
    FetchError,
    LockedError,
    RegistryUnreachableError,
    UnavailableError,
    UnavailableFilesError,
)

PROCESS = hidden("process")
"""Tag of a run: its process, by number and host."""
_PROCESS_BEFORE = "lockstep/process"
"""The same of runs that began before an upgrade."""
MOST_TRIES = 5
"""Runs in a row that fail from outside or are killed, after which a person has to look."""
FROM_OUTSIDE = (
    OSError,
    UnavailableError,
    UnavailableFilesError,
    RegistryUnreachableError,
    FetchError,
    LockedError,
)
"""Errors of a disk, of the network, of the registry, of upstream systems, and of others at work.

No errors of content: a delivery stays as it is until somebody delivers it again.
"""
OUTSIDE_TAG = hidden("failed_from_outside")
"""Tag of a run that failed for such a cause at every try."""

_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_UNSIGNED = timedelta(seconds=15)
"""How long nothing happens to a run that is being handed over to its process."""
_RETRIES = 3
_FIRST_WAIT_SECONDS = 10
_STARTED_BY = ("dagster/schedule_name", "dagster/sensor_name")


def retry_later(context: dg.AssetExecutionContext, error: Exception) -> None:
    """Request another try of a step that failed for a cause from outside.

    Each wait is twice as long as the one before. A run that a person started is not tried again:
    they see the error.

    Args:
        context: The run.
        error: Why the step failed.

    Raises:
        RetryRequested: The step is tried again.
    """
    if not is_automatic(context.run):
        return
    if context.retry_number < _RETRIES:
        context.log.warning("%s; it is tried again", error)
        wait = _FIRST_WAIT_SECONDS * 2**context.retry_number
        raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=wait) from error
    context.instance.add_run_tags(context.run.run_id, {OUTSIDE_TAG: type(error).__name__})


def is_automatic(run: dg.DagsterRun) -> bool:
    """Whether a schedule or a sensor started a run, and no person did."""
    return any(tag in run.tags for tag in _STARTED_BY)


def last_runs(
    instance: dg.DagsterInstance,
    job: str,
    tags: dict[str, str],
    since: datetime | None = None,
) -> list[dg.DagsterRun]:
    """The last runs of a job with some tags, the newest first; those that were killed have failed.

    Args:
        instance: Where runs are recorded.
        job: Name of the job.
        tags: Tags of the runs.
        since: When the runs' input was made; runs that ended before are left out.
    """
    of_one = dg.RunsFilter(job_name=job, tags=tags)
    fail_killed(instance, [job], tags)
    return [
        record.dagster_run
        for record in instance.get_run_records(of_one, limit=MOST_TRIES)
        if since is None or record.create_timestamp > since or not record.dagster_run.is_finished
    ]


def under_way(instance: dg.DagsterInstance, jobs: Collection[str]) -> list[dg.DagsterRun]:
    """The runs of some jobs that wait or go on, as far as is recorded; see `fail_killed`.

    Args:
        instance: Where runs are recorded.
        jobs: Names of the jobs.
    """
    statuses = [dg.DagsterRunStatus.QUEUED, *_UNDER_WAY]
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses))
    return [run for run in runs if run.job_name in jobs]


def fail_killed(
    instance: dg.DagsterInstance, jobs: Collection[str], tags: dict[str, str] | None = None
) -> None:
    """Record the runs of some jobs as failed whose process is gone without a recorded end.

    Dagster does so only while the server lives that started it, or after minutes. Until then such a
    run also keeps its place in the queue.

    Args:
        instance: Where runs are recorded.
        jobs: Names of the jobs.
        tags: Tags of the runs; all by default.
    """
    under_way = dg.RunsFilter(tags=tags, statuses=_UNDER_WAY)
    for record in instance.get_run_records(under_way):
        if record.dagster_run.job_name in jobs and not _lives(instance, record):
            instance.report_run_failed(record.dagster_run, "Its process is gone; it was killed.")


def may_try_again(instance: dg.DagsterInstance, runs: list[dg.DagsterRun]) -> bool:
    """Whether the last run failed from outside or was killed, as fewer than `MOST_TRIES` did."""
    if not _says_nothing(instance, runs[0]):
        return False
    return len(runs) < MOST_TRIES or not all(_says_nothing(instance, run) for run in runs)


def _says_nothing(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    return OUTSIDE_TAG in run.tags or broke_off(instance, run)


def signature() -> dict[str, str]:
    """The tag of a run that this process carries out."""
    return {PROCESS: f"{os.getpid()} {gethostname()}"}


def sign(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Tag a run with this process."""
    instance.add_run_tags(run.run_id, signature())


def _lives(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether the process of a run lives: the one that signed it, or else one of its code server's.

    On another host, it counts as living. So does a run that is not signed yet where Dagster starts
    runs in another way than by a code server, such as in containers: that takes its time.
    """
    tags = record.dagster_run.tags
    signed = tags.get(PROCESS) or tags.get(_PROCESS_BEFORE)
    if signed is not None:
        pid, _, host = signed.partition(" ")
        return host != gethostname() or _is_process(int(pid))
    if not isinstance(instance.run_launcher, DefaultRunLauncher):
        return True
    unchanged = datetime.now(UTC) - record.update_timestamp
    return unchanged < _UNSIGNED or _is_carried_out(record.dagster_run)


def _is_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _is_carried_out(run: dg.DagsterRun) -> bool:
    """Whether the code server to which Dagster gave a run has a process of it.

    What is asked is whether it could cancel the run: the server that `dagster dev` puts before
    another one knows no more. One that is there and does not answer in time says nothing.
    """
    import grpc
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
    from dagster._serdes import deserialize_value

    if GRPC_INFO_TAG not in run.tags:
        return False  # Dagster ended before it gave the run to anybody
    address = json.loads(run.tags[GRPC_INFO_TAG])
    server = DagsterGrpcClient(
        host=address["host"],
        port=address.get("port"),
        socket=address.get("socket"),
        use_ssl=address.get("use_ssl", False),
    )
    try:
        answer = server.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id))
    except DagsterUserCodeUnreachableError as error:
        cause = error.__cause__
        is_gone = isinstance(cause, grpc.Call) and cause.code() is grpc.StatusCode.UNAVAILABLE
        return not is_gone or address["host"] not in ("localhost", "127.0.0.1", gethostname())
    return bool(deserialize_value(answer, CanCancelExecutionResult).can_cancel)


def broke_off(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run failed although no step of it did: its process was killed."""
    failed = run.status is dg.DagsterRunStatus.FAILURE
    return failed and not instance.get_run_stats(run.run_id).steps_failed
