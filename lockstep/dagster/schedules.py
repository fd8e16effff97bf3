"""Schedules: each tick takes the days that are open, the oldest first and one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import dagster as dg

from lockstep.dagster.jobs import monitor_job_name, score_job_name
from lockstep.dagster.retries import OUTSIDE_TAG
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.registry.registry import Registry

_EVERY_MORNING = "0 6 * * *"
_LATER_EVERY_MORNING = "30 6 * * *"

MOST_DAYS = 31
"""Days that one tick takes: a month that was missed is caught up in a morning."""
ONE_AT_A_TIME = "lockstep/one_at_a_time"
"""Tag of runs of which the queue starts one at a time for each of its values: a day is compared
with the days before it, which must be through by then."""
_MOST_RUNS = 5
"""Runs of a day that failed for causes from outside, after which it is left to a person."""


def schedules(declared: PipelineAssets) -> list[dg.ScheduleDefinition]:
    """The daily schedules of a pipeline; none where it has no daily source."""
    calendar = declared.calendar
    if declared.daily is None or calendar is None:
        return []
    found = [_score_daily(declared, calendar)]
    if declared.outcomes is not None:
        found.append(_monitor_daily(declared, calendar))
    return found


def open_days(
    instance: dg.DagsterInstance, job: str, done: dg.AssetKey, days: Iterable[str]
) -> list[dg.RunRequest]:
    """Runs for the first days that are open, in order: `MOST_DAYS` at most.

    A day is open that was never tried, or that failed for a cause from outside and may be tried
    again. One that was blocked is left to a person; it does not hold up the days after it.

    Args:
        instance: Where runs and materializations are recorded.
        job: The job that would be run.
        done: The asset of which a day's partition shows that it is done.
        days: The days there are, in order.
    """
    finished = instance.get_materialized_partitions(done)
    tries = ((day, _tries(instance, job, day)) for day in days if day not in finished)
    found = (
        dg.RunRequest(
            run_key=f"{day}, run {count + 1}",
            partition_key=day,
            tags={ONE_AT_A_TIME: job},
        )
        for day, count in tries
        if count is not None
    )
    return list(islice(found, MOST_DAYS))


def _tries(instance: dg.DagsterInstance, job: str, day: str) -> int | None:
    """How often a day was tried; None if it is not to be tried again."""
    tried = dg.RunsFilter(job_name=job, tags={"dagster/partition": day})
    runs = instance.get_runs(tried, limit=_MOST_RUNS)
    if not runs:
        return 0
    is_over = runs[0].is_finished and OUTSIDE_TAG in runs[0].tags
    return len(runs) if is_over and len(runs) < _MOST_RUNS else None


def _score_daily(declared: PipelineAssets, calendar: Calendar) -> dg.ScheduleDefinition:
    job = score_job_name(declared.name, "daily")

    @dg.schedule(
        name=f"{declared.name}_daily",
        job_name=job,
        cron_schedule=_EVERY_MORNING,
        execution_timezone=calendar.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning, score the days that have not been scored, oldest first.",
    )
    def score_daily(
        context: dg.ScheduleEvaluationContext, registry: dg.ResourceParam[Registry]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        if registry.alias(declared.name, "live") is None:
            return dg.SkipReason(f"{declared.name} has no live version yet: train and promote one.")
        done = dg.AssetKey([declared.name, "daily", "published"])
        days = calendar.days(context.scheduled_execution_time)
        requests = open_days(context.instance, job, done, days)
        return requests or dg.SkipReason("Every day that is over has been scored.")

    return score_daily


def _monitor_daily(declared: PipelineAssets, calendar: Calendar) -> dg.ScheduleDefinition:
    job = monitor_job_name(declared.name)

    @dg.schedule(
        name=f"{declared.name}_outcomes",
        job_name=job,
        cron_schedule=_LATER_EVERY_MORNING,
        execution_timezone=calendar.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning, compare published days with what came of them.",
    )
    def monitor_daily(
        context: dg.ScheduleEvaluationContext,
    ) -> list[dg.RunRequest] | dg.SkipReason:
        published = context.instance.get_materialized_partitions(
            dg.AssetKey([declared.name, "daily", "published"])
        )
        done = dg.AssetKey([declared.name, "outcomes"])
        requests = open_days(context.instance, job, done, sorted(published))
        return requests or dg.SkipReason("Every published day has been compared with its outcomes.")

    return monitor_daily
