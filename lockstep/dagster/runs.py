"""Runs of jobs in this process, and their check results."""

from __future__ import annotations

import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from logging import ERROR, getLogger
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster_shared.error import SerializableErrorInfo

from lockstep.dagster.checked import FILE_TAG, TOLD
from lockstep.dagster.run_reports import RunReport, recording_told
from lockstep.dagster.tries import signature
from lockstep.dagster.workspace import job_origin
from lockstep.errors import LockstepError
from lockstep.project.project import Project

if TYPE_CHECKING:
    from dagster._core.remote_origin import RemoteJobOrigin

_PLAN_LOGGER = "dagster._core.execution.plan.active"
_EVALUATION = dg.DagsterEventType.ASSET_CHECK_EVALUATION
_OF_ASSETS = (
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_OBSERVATION,
    _EVALUATION,
)
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_job(
    project: Project,
    job: str,
    instance: dg.DagsterInstance,
    *,
    partition: str | None = None,
    ops: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    file: str | None = None,
    on_step: Callable[[str], None] | None = None,
    resources: Mapping[str, object] | None = None,
) -> RunReport:
    """Run a job in this process.

    Args:
        file: The scored file's name in the command, for messages.
        on_step: Called when a step begins, with its asset's name, such as `"candidate"`.
        resources: Resources in place of the project's.

    Raises:
        LockstepError: The job's pipeline is broken, or the job has no such partition; or the run
            cannot be recorded, such as on a full disk.
        KeyboardInterrupt: The run was interrupted; Dagster has recorded it as failed.
        SystemExit: A step ended the process; likewise.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' warnings are for developers
        getLogger(_PLAN_LOGGER).setLevel(ERROR)  # our own reports name the checks not judged
        definition = _resolved(project, job)
        _check_partition(definition, partition, instance)
        run_id = str(uuid4())
        origin = job_origin(project, job)
        instance.add_event_listener(run_id, _placer(instance, origin))
        reported: list[dg.DagsterEvent] = []
        instance.add_event_listener(run_id, _collector(reported))
        if on_step is not None:
            instance.add_event_listener(run_id, _announcer(on_step))
        with interrupts_kept(), recording_told(instance):
            result = definition.execute_in_process(
                run_config={**_QUIET, **({"ops": dict(ops)} if ops else {})},
                instance=instance,
                partition_key=partition,
                raise_on_error=False,
                run_id=run_id,
                resources=resources,
                tags={
                    REPOSITORY_LABEL_TAG: origin.repository_origin.get_label(),
                    **(tags or {}),
                    **signature(),  # from the first moment on: it may be killed in the next one
                    **({FILE_TAG: file} if file is not None else {}),
                },
            )
    events = [*reported, *result.all_events]
    made = [asset for asset in map(_asset_of, events) if asset is not None]
    error = _first_error(events)
    if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
        raise KeyboardInterrupt
    if error is not None and error.cls_name == SystemExit.__name__:
        raise SystemExit(int(error.message.partition(": ")[2]))  # nobody reads what is printed
    return RunReport.of(
        result.run_id,
        job,
        partition,
        made,
        [event.asset_check_evaluation_data for event in events if event.event_type is _EVALUATION],
        _message(error) if error is not None else None,
        is_mistake=error is not None and _is_mistake(error),
    )


def _asset_of(event: dg.DagsterEvent) -> dg.AssetMaterialization | dg.AssetObservation | None:
    """What an event tells of an asset; None of any other event."""
    if event.is_step_materialization:
        return event.step_materialization_data.materialization
    return event.asset_observation_data.asset_observation if event.is_asset_observation else None


def _resolved(project: Project, job: str) -> dg.JobDefinition:
    from lockstep.dagster.definitions import built

    loaded = built(project)
    for broken in loaded.broken.values():
        if job.startswith(f"{broken.name}_"):
            raise LockstepError(broken.error)
    return loaded.definitions.resolve_job_def(job)


def _placer(
    instance: dg.DagsterInstance, origin: RemoteJobOrigin
) -> Callable[[dg.EventLogEntry], None]:
    """A listener that puts a run under its code location when it starts.

    Dagster gives a run in process none, and most of its pages leave out such a run.
    """

    def place(entry: dg.EventLogEntry) -> None:
        if entry.dagster_event_type is dg.DagsterEventType.RUN_START:
            run = instance.get_run_by_id(entry.run_id)
            if run is not None:
                instance.run_storage.replace_job_origin(run, origin)

    return place


def _announcer(on_step: Callable[[str], None]) -> Callable[[dg.EventLogEntry], None]:
    def announce(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.is_step_start and event.step_key is not None:
            on_step(event.step_key.rpartition("__")[2])

    return announce


def _collector(reported: list[dg.DagsterEvent]) -> Callable[[dg.EventLogEntry], None]:
    """A listener that collects what a step tells of assets that it does not make."""

    def collect(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type in _OF_ASSETS and event.step_key is None:
            reported.append(event)

    return collect


def _check_partition(
    job: dg.JobDefinition, partition: str | None, instance: dg.DagsterInstance
) -> None:
    definition = job.partitions_def
    if definition is None or partition is None:
        return
    known = definition.get_partition_keys(dynamic_partitions_store=instance)
    if partition not in known:
        between = f"it has {known[0]} to {known[-1]}" if known else "it has none"
        raise LockstepError(f"{job.name} has no partition {partition!r}; {between}.")


def _first_error(events: Iterable[Any]) -> SerializableErrorInfo | None:
    for event in events:
        if event.is_step_failure:
            error = _inside_dagsters(event.step_failure_data.error)
            if error is not None and error.cls_name not in TOLD:
                return error
    return None


def _inside_dagsters(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """The error raised in a step, without Dagster's wrapping; not its own cause."""
    while (
        error is not None and error.cause is not None and str(error.cls_name).startswith("Dagster")
    ):
        error = error.cause
    return error


def _message(error: SerializableErrorInfo) -> str:
    _, _, message = error.message.partition(": ")
    text = " ".join((message or error.message).split())
    return text if _is_mistake(error) else f"{error.cls_name}: {text}"


def _is_mistake(error: SerializableErrorInfo) -> bool:
    names = {descendant.__name__ for descendant in _descendants(LockstepError)}
    return error.cls_name in names


def _descendants(base: type) -> set[type]:
    classes: set[type] = {base}
    child: type
    for child in type.__subclasses__(base):
        classes |= _descendants(child)
    return classes


_MOST_SIGNALS = 4096


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise an interrupt at the end, if one arrived within and Dagster forgot it.

    Dagster notes an interrupt and raises it before the next step; it forgets one that arrives after
    the last step. The interpreter writes every signal to the wakeup descriptor, whoever handles it
    (https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd).
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    reading, writing = socket.socketpair()
    with reading, writing:
        for end in (reading, writing):
            end.setblocking(False)
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
        writing.close()
        if signal.SIGINT in reading.recv(_MOST_SIGNALS):
            raise KeyboardInterrupt
