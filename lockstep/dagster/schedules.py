"""Schedules: each tick takes the next day that has not been run."""

from __future__ import annotations

import dagster as dg

from lockstep.dagster.jobs import monitor_job_name, score_job_name
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.registry.registry import Registry

_EVERY_MORNING = "0 6 * * *"
_LATER_EVERY_MORNING = "30 6 * * *"


def schedules(declared: PipelineAssets) -> list[dg.ScheduleDefinition]:
    """The daily schedules of a pipeline; none where it has no daily source."""
    calendar = declared.calendar
    if declared.daily is None or calendar is None:
        return []
    found = [_score_daily(declared, calendar)]
    if declared.outcomes is not None:
        found.append(_monitor_daily(declared, calendar))
    return found


def next_day(
    instance: dg.DagsterInstance, job: str, done: dg.AssetKey, days: list[str]
) -> str | None:
    """The first day that is neither done nor tried.

    A day that was tried and blocked is left to a person, so that it does not hold up the days
    after it.

    Args:
        instance: Where runs and materializations are recorded.
        job: The job that would be run.
        done: The asset of which a day's partition shows that it is done.
        days: The days there are, in order.
    """
    finished = instance.get_materialized_partitions(done)
    for day in days:
        if day in finished:
            continue
        tried = dg.RunsFilter(job_name=job, tags={"dagster/partition": day})
        if not instance.get_runs_count(tried):
            return day
    return None


def _score_daily(declared: PipelineAssets, calendar: Calendar) -> dg.ScheduleDefinition:
    job = score_job_name(declared.name, "daily")

    @dg.schedule(
        name=f"{declared.name}_daily",
        job_name=job,
        cron_schedule=_EVERY_MORNING,
        execution_timezone=calendar.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning, score the next day that has not been scored.",
    )
    def score_daily(
        context: dg.ScheduleEvaluationContext, registry: dg.ResourceParam[Registry]
    ) -> dg.RunRequest | dg.SkipReason:
        if registry.alias(declared.name, "live") is None:
            return dg.SkipReason(f"{declared.name} has no live version yet: train and promote one.")
        done = dg.AssetKey([declared.name, "daily", "published"])
        days = calendar.days(context.scheduled_execution_time)
        day = next_day(context.instance, job, done, days)
        if day is None:
            return dg.SkipReason("Every day that is over has been scored.")
        return dg.RunRequest(run_key=day, partition_key=day)

    return score_daily


def _monitor_daily(declared: PipelineAssets, calendar: Calendar) -> dg.ScheduleDefinition:
    job = monitor_job_name(declared.name)

    @dg.schedule(
        name=f"{declared.name}_outcomes",
        job_name=job,
        cron_schedule=_LATER_EVERY_MORNING,
        execution_timezone=calendar.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every morning, compare the next published day with what came of it.",
    )
    def monitor_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        published = context.instance.get_materialized_partitions(
            dg.AssetKey([declared.name, "daily", "published"])
        )
        done = dg.AssetKey([declared.name, "outcomes"])
        day = next_day(context.instance, job, done, sorted(published))
        if day is None:
            return dg.SkipReason("Every published day has been compared with its outcomes.")
        return dg.RunRequest(run_key=day, partition_key=day)

    return monitor_daily
