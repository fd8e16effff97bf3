"""Tries: a run that failed for a cause from outside, or was killed, is tried again.

Such a run says nothing about what it worked on: another one may go through. Any other failure is
left to a person. Within a run, a step is tried again a while later. For schedules and sensors, the
last runs decide whether to run again.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from socket import gethostname

import dagster as dg
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._core.storage.tags import GRPC_INFO_TAG

from lockstep.dagster.jobs import PAGES_JOB, WANTED
from lockstep.dagster.tags import hidden
from lockstep.errors import (
    FetchError,
    LockedError,
    RegistryUnreachableError,
    UnavailableError,
    UnavailableFilesError,
)
from lockstep.store.processes import Process
from lockstep.store.status import RunProgress

PROCESS = hidden("process")
"""Tag of a run: its process, by number and host, and when that started."""
_PROCESS_BEFORE = "lockstep/process"
"""The same of runs that began before an upgrade."""
_SIGNED = re.compile(r"(\d+) (.+?)(?: (\d+))?")
"""Its value; runs of before do not say when the process started."""
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
_SAME = ("dagster/partition", WANTED)
"""Tags of a run that say what it is about."""
_BEAT_SECONDS = 300.0
"""How long Dagster's daemon may be silent: it says twice a minute that it is there."""
_TAKEN_UP_SECONDS = 3600.0
"""How long it may take until another run follows; sensors look twice a minute."""
_RETRIES = 3
_FIRST_WAIT_SECONDS = 10
_STARTED_BY = ("dagster/schedule_name", "dagster/sensor_name")


def retry_later(context: dg.AssetExecutionContext, error: Exception) -> None:
    """Raise a request for another try of a step that failed for a cause from outside.

    Each wait is twice as long as the one before. A run that a person started is not tried again:
    they see the error.
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

    Runs that ended before their input was made are left out.
    """
    of_one = dg.RunsFilter(job_name=job, tags=tags)
    fail_killed(instance, [job], tags)
    return [
        record.dagster_run
        for record in instance.get_run_records(of_one, limit=MOST_TRIES)
        if since is None or record.create_timestamp > since or not record.dagster_run.is_finished
    ]


def under_way(instance: dg.DagsterInstance, jobs: Collection[str]) -> list[dg.DagsterRun]:
    """The runs of some jobs that wait or go on, as far as is recorded; see `fail_killed`."""
    statuses = [dg.DagsterRunStatus.QUEUED, *_UNDER_WAY]
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses))
    return [run for run in runs if run.job_name in jobs]


def fail_killed(
    instance: dg.DagsterInstance, jobs: Collection[str], tags: dict[str, str] | None = None
) -> None:
    """Record the runs of some jobs as failed whose process is gone without a recorded end.

    Dagster does so only while the server lives that started it, or after minutes. Until then such a
    run also keeps its place in the queue.
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


def progress(instance: dg.DagsterInstance, runs: Collection[str]) -> dict[str, RunProgress]:
    """The progress of runs whose attempts are not through; no unrecorded ones."""
    records = instance.get_run_records(dg.RunsFilter(run_ids=[*runs]))
    return {record.dagster_run.run_id: _progress(instance, record) for record in records}


def _progress(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunProgress:
    """The progress of a run and, once it is over or killed, of the run that follows it."""
    if _goes_on(instance, record):
        return "under_way"
    run = record.dagster_run
    same = {name: run.tags[name] for name in _SAME if name in run.tags}
    if not same or run.job_name == PAGES_JOB:
        return "ended"
    of_one = dg.RunsFilter(job_name=run.job_name, tags=same)
    later = instance.get_run_records(of_one, limit=MOST_TRIES)
    if later and _goes_on(instance, later[0]):
        return "under_way"
    return "interrupted" if later and _is_taken_up(instance, later) else "ended"


def _goes_on(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether a run waits for its turn, or its process lives."""
    run = record.dagster_run
    is_queued = run.status is dg.DagsterRunStatus.QUEUED
    return is_queued or (not run.is_finished and _lives(instance, record))


def _is_taken_up(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> bool:
    """Whether a sensor or a schedule starts another run by itself; see `may_try_again`.

    Dagster's daemon has to be there for that. A run that was killed may not be recorded as failed
    yet; one that has been for long is of a sensor that is off, or of a schedule of every day.
    """
    beat = max((each.timestamp for each in instance.get_daemon_heartbeats().values()), default=0.0)
    if time.time() - beat > _BEAT_SECONDS:
        return False
    ended_at = records[0].end_time
    if ended_at is not None and time.time() - ended_at > _TAKEN_UP_SECONDS:
        return False
    ended = [each.dagster_run for each in records if each.dagster_run.is_finished]
    if len(ended) == len(records):
        return may_try_again(instance, ended)
    return len(records) < MOST_TRIES or not all(_says_nothing(instance, run) for run in ended)


def _says_nothing(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    return OUTSIDE_TAG in run.tags or broke_off(instance, run)


def signature() -> dict[str, str]:
    """The tag of a run that this process carries out."""
    here = Process.here()
    started = "" if here.started is None else f" {here.started}"
    return {PROCESS: f"{here.pid} {here.host}{started}"}


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
        match = _SIGNED.fullmatch(signed)
        assert match is not None, "it is written by `signature`"
        pid, host, started = match.groups()
        return Process(int(pid), host, int(started) if started else None).lives is not False
    if not isinstance(instance.run_launcher, DefaultRunLauncher):
        return True
    unchanged = datetime.now(UTC) - record.update_timestamp
    return unchanged < _UNSIGNED or _is_carried_out(record.dagster_run)


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
