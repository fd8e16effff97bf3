"""Schedules: each tick takes the open days, the oldest first and one at a time; and the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

import dagster as dg

from lockstep.checks.streams import stream_records
from lockstep.dagster.jobs import (
    PAGES_JOB,
    backfill_op,
    job_name,
)
from lockstep.dagster.tags import hidden
from lockstep.dagster.tries import fail_killed, last_runs, may_try_again, under_way
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.live import Live
from lockstep.registry.registry import Registry
from lockstep.scoring.outcome_attempts import open_days, published_at
from lockstep.store.parquet import Store
from lockstep.store.status import is_blocked

AHEAD = {"dagster/priority": "1"}
"""Tags of runs that the queue starts before those of a backfill."""
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
"""Dagster's tags of a run of several partitions."""
_EVERY_SUNDAY = "0 3 * * 0"
_EVERY_MORNING = "0 6 * * *"
_LATER_EVERY_MORNING = "30 6 * * *"

MOST_DAYS = 31
"""Days that a tick takes: a missed month is caught up in a morning."""
ONE_AT_A_TIME = hidden("one_at_a_time")
"""Tag of runs that the queue starts one at a time for each of its values: a day is compared with
the days before it, which must be through by then."""


def one_at_a_time(home: Home, job: str) -> dict[str, str]:
    """The tag of the runs of a job that wait for each other: those on the data of one home."""
    data = sha256(str(home.data.resolve()).encode(errors="surrogateescape")).hexdigest()
    return {ONE_AT_A_TIME: f"{job}-{data[:12]}"}


def schedules(declared: PipelineAssets) -> list[dg.ScheduleDefinition]:
    """The schedules of a pipeline: with a daily source those of its days, and the weekly audit."""
    calendar = declared.calendar
    daily: list[dg.ScheduleDefinition] = []
    if declared.daily is not None and calendar is not None:
        daily.append(_score_daily(declared, calendar))
        if declared.outcomes is not None:
            daily.append(_monitor_daily(declared, calendar))
    return [*daily, _audit_weekly(declared)]


def _audit_weekly(declared: PipelineAssets) -> dg.ScheduleDefinition:
    job = job_name(declared.name, "audit")

    @dg.schedule(
        name=job,
        job_name=job,
        cron_schedule=_EVERY_SUNDAY,
        execution_timezone=declared.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every Sunday night, verify all digests that the home keeps of the pipeline.",
    )
    def audit_weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())

    return audit_weekly


def run_requests(
    instance: dg.DagsterInstance,
    home: Home,
    job: str,
    days: Iterable[str],
    tick: datetime,
    since: Callable[[str], datetime | None] = lambda _: None,
) -> list[dg.RunRequest]:
    """Requests of runs for the first open days, in order: `MOST_DAYS` at most.

    A day that was blocked, or failed for a lasting cause, is left to a person; it does not hold up
    the days after it. A day under way is skipped. A day whose run was killed, or failed for a cause
    from outside, is taken again, a few times.

    Args:
        tick: The tick's time: however often it is evaluated, it requests a day once.
        since: Returns when a day's input was made; runs from before do not count.
    """
    requests = (
        dg.RunRequest(
            run_key=f"{day}, at {tick.isoformat()}",
            partition_key=day,
            tags={**one_at_a_time(home, job), **AHEAD},
        )
        for day in days
        if _may_run(instance, job, day, since(day))
    )
    return list(islice(requests, MOST_DAYS))


def _may_run(
    instance: dg.DagsterInstance, job: str, day: str, since: datetime | None = None
) -> bool:
    """Whether no run of a day is under way, and none failed in a way that needs a person."""
    runs = last_runs(instance, job, {"dagster/partition": day}, since)
    return not runs or runs[0].is_success or may_try_again(instance, runs)


def _backfilled_now(instance: dg.DagsterInstance, pipeline: str) -> Callable[[str], bool]:
    """Tells whether a backfill that waits or is under way has a day."""
    jobs = (job_name(pipeline, "backfill"), job_name(pipeline, "score_daily"))
    fail_killed(instance, jobs)  # of Dagster's own job, runs may be anybody's
    ranges = [_range_of(run, pipeline) for run in under_way(instance, (*jobs, PAGES_JOB))]
    return lambda day: any(first <= day <= last for first, last in filter(None, ranges))


def _range_of(run: dg.DagsterRun, pipeline: str) -> tuple[str, str] | None:
    """The first and the last day of a backfill; None for a run of another kind."""
    if run.job_name == job_name(pipeline, "backfill"):
        ops: Any = run.run_config["ops"]
        config = ops[backfill_op(pipeline)]["config"]
        return config["first"], config["last"]
    batch = dg.AssetKey([pipeline, "daily", "batch"])
    if run.job_name == PAGES_JOB and batch not in (run.asset_selection or ()):
        return None
    first, last = (run.tags.get(name) for name in _RANGE)
    return None if first is None or last is None else (first, last)


def _score_daily(declared: PipelineAssets, calendar: Calendar) -> dg.ScheduleDefinition:
    job = job_name(declared.name, "score_daily")

    @dg.schedule(
        name=f"{declared.name}_daily",
        job_name=job,
        cron_schedule=_EVERY_MORNING,
        execution_timezone=calendar.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning, score the days that have not been scored, oldest first.",
    )
    def score_daily(
        context: dg.ScheduleEvaluationContext,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
    ) -> list[dg.RunRequest] | dg.SkipReason:
        live = Live(registry, declared.name, home.live(declared.name))
        if live.state().version is None:
            return dg.SkipReason(f"{declared.name} has no live version yet: train and promote one.")
        tick = context.scheduled_execution_time
        # By the records, not by Dagster's events: one of the two may be an older copy.
        records = stream_records(declared, Store(home.data / declared.name), "daily")
        published = set(records.partitions())
        is_backfilled = _backfilled_now(context.instance, declared.name)
        days = (
            day
            for day in calendar.days(tick)
            if day not in published and not is_backfilled(day) and not is_blocked(records, day)
        )
        requests = run_requests(context.instance, home, job, days, tick)
        return requests or dg.SkipReason("Every day that is over has been scored.")

    return score_daily


def _monitor_daily(declared: PipelineAssets, calendar: Calendar) -> dg.ScheduleDefinition:
    job = job_name(declared.name, "monitor")

    @dg.schedule(
        name=f"{declared.name}_outcomes",
        job_name=job,
        cron_schedule=_LATER_EVERY_MORNING,
        execution_timezone=calendar.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Every morning, compare published days with what came of them: those that were not "
            "compared yet, and those of which too little was known."
        ),
    )
    def monitor_daily(
        context: dg.ScheduleEvaluationContext, home: dg.ResourceParam[Home]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        tick = context.scheduled_execution_time
        store = Store(home.data / declared.name)
        days, since = open_days(declared, store, tick), partial(published_at, declared, store)
        requests = run_requests(context.instance, home, job, days, tick, since)
        return requests or dg.SkipReason(
            "Every published day has been compared with its outcomes, as far as they are known."
        )

    return monitor_daily
