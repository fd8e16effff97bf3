"""Sensors of `@champion`, of files in the inbox, of segments of logged requests, and of events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from lockstep.checks.fates import Fate, Inbox
from lockstep.checks.streams import inbox_of
from lockstep.columns.markdown import to_markdown
from lockstep.columns.plain import counted, listed, shown_name
from lockstep.dagster.jobs import (
    WANTED,
    job_name,
    job_names,
)
from lockstep.dagster.partitions import inbox_partitions, request_partitions
from lockstep.dagster.schedules import AHEAD, one_at_a_time
from lockstep.dagster.tags import hidden
from lockstep.dagster.tries import broke_off, fail_killed, last_runs, may_try_again, progress
from lockstep.errors import InputError, LockedError, LockstepError
from lockstep.pages.alerts import tell
from lockstep.pages.events import open_events
from lockstep.pages.pipeline_state import Overview
from lockstep.project.declaration import PipelineAssets
from lockstep.project.fetching import Fetched, fetch
from lockstep.project.home import Home
from lockstep.project.object_stores import StoreAddress
from lockstep.project.project import Project
from lockstep.registry.live import Live, LiveState
from lockstep.registry.registry import Registry
from lockstep.scoring.request_replay import Mark, forget_requests, open_segments
from lockstep.serving.requestlog.log_segments import segment_names
from lockstep.store.inbox import Claim, claim_files, left_alone
from lockstep.store.parquet import Store

SEGMENT = hidden("segment")
"""Tag of the runs that replay a segment: SHA-256 of its file when the run was requested."""
_INTERVAL_SECONDS = 30
_PARTITION = "dagster/partition"
_MOST_SEGMENTS = 20
"""Segments that a tick takes, some minutes' work."""


def sensors(declared: PipelineAssets) -> list[dg.SensorDefinition]:
    """The sensors of a pipeline."""
    pipeline_sensors = [_champion_sensor(declared), _inbox_sensor(declared)]
    if declared.request_log is not None:
        pipeline_sensors.append(_requests_sensor(declared))
    return pipeline_sensors


def alert_sensor(project: Project) -> dg.SensorDefinition:
    """The sensor that tells what begins and what is over in a project."""
    receivers = project.alerts.receivers
    is_on = dg.DefaultSensorStatus.RUNNING if receivers else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="lockstep_alerts",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=is_on,
        description="Tell the receivers in [tool.lockstep.alerts] when an event begins, such as a "
        "blocked day, and when it is over. A tick fails as long as a receiver refuses.",
    )
    def events_changed(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        overview = Overview(project, partial(progress, context.instance))
        events, looked = open_events(overview), datetime.now(UTC)
        told = tell(project, events, looked)
        sent = [f"told {name}: {title}" for at, name, title in told.sent if at == looked]
        unknown = [f"not known now: {subject} ({why})" for subject, why in events.unknown.items()]
        for line in (*sent, *unknown, *project.alerts.lacking().values()):
            context.log.info(line)
        if told.refusals:
            raise LockstepError(" ".join(told.refusals))
        return dg.SkipReason(". ".join([*sent, f"{counted(len(events.open), 'event')} open"]))

    return events_changed


def _run_key(instance: dg.DagsterInstance, key: str, runs: list[dg.DagsterRun]) -> str | None:
    """The key of the run to request; None where a run is under way, or the last one is final.

    Dagster makes one run of a key, however often a sensor requests it. The runs are the last ones
    with the same input, the newest first.
    """
    if not runs:
        return key
    return f"{key}, again after {runs[0].run_id}" if may_try_again(instance, runs) else None


def _sensor(
    name: str, job: str, description: str
) -> Callable[[Callable[..., Any]], dg.SensorDefinition]:
    """Decorate a function as a sensor that looks twice a minute, from the first start on."""
    return dg.sensor(
        name=name,
        job_name=job,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )


class _Seen(msgspec.Struct, frozen=True):
    """What the sensor saw at its last tick."""

    version: int | None = None  # the one that `@champion` pointed to
    # key of the decision that this version is live; None if another is, or none
    decision: str | None = None
    moves: int = 0  # how often one of the two was another than before
    moved: datetime | None = None  # a time before the last move, and after the one before
    looked: datetime | None = None  # when it looked


def _decision_on(live: LiveState, version: int) -> str | None:
    decided = live.decided
    return decided.key if decided is not None and decided.version == version else None


def _champion_sensor(declared: PipelineAssets) -> dg.SensorDefinition:
    job = job_name(declared.name, "promote")

    @_sensor(
        f"{declared.name}_champion",
        job,
        "When @champion moves in MLflow, put its version through the gate, unless a command does; "
        "once more where the gate was killed, or failed for a cause from outside. When another "
        "home lets a version serve, take it over.",
    )
    def champion_moved(
        context: dg.SensorEvaluationContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> dg.SensorResult | dg.SkipReason:
        looked = datetime.now(UTC)
        live = Live(registry, declared.name, home.live(declared.name)).state()
        wanted = registry.alias(declared.name, "champion")
        if wanted is None:
            return dg.SkipReason(f"{declared.name} has no @champion yet.")
        seen = msgspec.json.decode(context.cursor or "{}", type=_Seen)
        decision = _decision_on(live, wanted.version)
        if (seen.version, seen.decision) != (wanted.version, decision):
            # The number of moves makes each move a run of its own, also a move back.
            seen = _Seen(wanted.version, decision, seen.moves + 1, seen.looked, looked)
        else:
            seen = msgspec.structs.replace(seen, looked=looked)
        cursor = msgspec.json.encode(seen).decode()
        if live.agrees and live.version == wanted.version:
            return dg.SensorResult(
                cursor=cursor, skip_reason=f"Version {wanted.version} is live already."
            )
        runs = last_runs(context.instance, job, {WANTED: str(wanted.version)}, seen.moved)
        key = _run_key(context.instance, f"move {seen.moves} to version {wanted.version}", runs)
        if key is None:
            return dg.SensorResult(
                cursor=cursor,
                skip_reason=f"@champion still points to version {wanted.version}, which is at the "
                "gate or was not let through.",
            )
        request = dg.RunRequest(run_key=key, tags={WANTED: str(wanted.version)})
        return dg.SensorResult(run_requests=[request], cursor=cursor)

    return champion_moved


def _inbox_sensor(declared: PipelineAssets) -> dg.SensorDefinition:
    partitions, job = inbox_partitions(declared.name), job_name(declared.name, "score_inbox")
    every_job = job_names(declared)

    @_sensor(
        f"{declared.name}_inbox",
        job,
        f"Score each new complete file or folder of part files in inbox/{declared.name}, once by "
        "its content; it moves to claimed/ there. One whose run was killed is scored again, a few "
        "times.",
    )
    def file_arrived(
        context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]
    ) -> dg.SensorResult | dg.SkipReason:
        inbox = home.inbox(declared.name)
        known = set(context.instance.get_dynamic_partitions(f"{declared.name}_inbox"))
        tags = {**one_at_a_time(home, job), **AHEAD}  # in the order in which files came
        waiting: list[str] = []
        fetched = _fetch(home.delivered(declared.name), inbox, waiting.append)
        try:
            claims = claim_files(inbox, tell=waiting.append)
        except LockedError as error:
            return dg.SkipReason(str(error))
        for line in waiting:
            context.log.info(line)
        files = inbox_of(declared, home)
        fail_killed(context.instance, every_job)  # a killed one keeps a place in the queue
        fates = [
            *files.tell_left(fetched.left),
            *(fate for fate in files.untold() if fate.state == "repeated"),
            *filter(None, (_changed(files, claim) for claim in claims)),
        ]
        observed = [
            *(_observation(declared, fate) for fate in fates),
            *(_replaced(declared, address) for address in fetched.replaced),
        ]
        requests: list[dg.RunRequest] = []
        for partition in files.unpublished(claim.partition for claim in claims):
            runs = last_runs(context.instance, job, {_PARTITION: partition})
            key = _run_key(context.instance, partition, runs)
            if key is not None:
                requests.append(dg.RunRequest(run_key=key, partition_key=partition, tags=tags))
            if runs and broke_off(context.instance, runs[0]):
                files.tell_broken_off(partition, is_tried_again=key is not None)
        if not requests:
            what = [fate.message.what for fate in fates] or [f"No new file in {inbox}."]
            what += waiting
            if left := [*left_alone(inbox), *fetched.left]:
                names = listed(shown_name(entry.path.name) for entry in left)
                what.append(f"Left alone, with the reason beside each: {names}.")
            return dg.SensorResult(skip_reason=" ".join(what), asset_events=observed)
        asked = [str(request.partition_key) for request in requests]
        new = [partition for partition in asked if partition not in known]
        return dg.SensorResult(
            run_requests=requests,
            dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
            asset_events=observed,
        )

    return file_arrived


def _fetch(address: StoreAddress | None, inbox: Path, tell: Callable[[str], object]) -> Fetched:
    """Fetch what has come into a folder of a store; one that does not answer is told in a line."""
    if address is None:
        return Fetched()
    try:
        return fetch(address, inbox, tell=tell)
    except (InputError, LockedError) as error:
        tell(str(error))
        return Fetched()


def _replaced(declared: PipelineAssets, address: str) -> dg.AssetObservation:
    """An observation of an object that was claimed before, and has another content now."""
    return dg.AssetObservation(
        [declared.name, "inbox", "batch"],
        description=to_markdown(
            f"{address} was replaced after it was claimed. What was published is of its first "
            "content; the new one is scored as a file of its own."
        ),
        metadata={"file": dg.MetadataValue.text(address), "what became of it": "changed"},
    )


def _changed(files: Inbox, claim: Claim) -> Fate | None:
    """The fate of a claimed file that was changed since, once; None for all others."""
    fate = files.tell_changed(claim.partition, is_changed=claim.is_changed)
    return fate if claim.is_changed else None


def _observation(declared: PipelineAssets, fate: Fate) -> dg.AssetObservation:
    """An observation of a file without a partition of its own, for the page of the asset."""
    path = dg.MetadataValue.path(shown_name(str(fate.file)))
    return dg.AssetObservation(
        [declared.name, "inbox", "batch"],
        description=to_markdown(str(fate.message)),
        metadata={"file": path, "what became of it": fate.state},
    )


def _requests_sensor(declared: PipelineAssets) -> dg.SensorDefinition:
    partitions = request_partitions(declared.name)
    job = job_name(declared.name, "replay")

    @_sensor(
        f"{declared.name}_requests",
        job,
        "Replay each segment of the request log through the batch path, once as its bytes are and "
        "anew if they were changed since, and forget those that are kept no longer.",
    )
    def segment_sealed(
        context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]
    ) -> dg.SensorResult | dg.SkipReason:
        folder = home.requests(declared.name)
        if not folder.is_dir():
            return dg.SkipReason(f"No request has been logged in {folder} yet.")
        known = set(context.instance.get_dynamic_partitions(partitions.name or ""))
        gone = sorted(known - {*segment_names(folder)})
        store = Store(home.data / declared.name)
        forget_requests(declared, store, gone)
        seen = msgspec.json.decode(context.cursor or "{}", type=dict[str, Mark])
        opened, marks = open_segments(declared, store, folder, seen)
        asked = (_replay(context.instance, home, job, *each) for each in opened.items())
        requests = list(islice(filter(None, asked), _MOST_SEGMENTS))
        new = [
            str(request.partition_key) for request in requests if request.partition_key not in known
        ]
        changes = [partitions.build_add_request(new)] if new else []
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None
            if requests
            else f"No segment in {folder} is new, or was changed since it was replayed.",
            dynamic_partitions_requests=[
                *changes,
                *([partitions.build_delete_request(gone)] if gone else []),
            ],
            cursor=msgspec.json.encode(marks).decode(),
        )

    return segment_sealed


def _replay(
    instance: dg.DagsterInstance, home: Home, job: str, name: str, digest: str
) -> dg.RunRequest | None:
    """The request of a run that replays a segment; None where a run is under way or final."""
    runs = last_runs(instance, job, {_PARTITION: name})
    if runs and runs[0].is_finished and runs[0].tags.get(SEGMENT) != digest:
        key: str | None = f"{name}, changed after {runs[0].run_id}"
    else:
        key = _run_key(instance, name, runs)
    if key is None:
        return None
    return dg.RunRequest(
        run_key=key, partition_key=name, tags={**one_at_a_time(home, job), SEGMENT: digest}
    )
