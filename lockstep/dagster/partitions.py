"""Partitions: the days of a calendar, the files of an inbox, and the segments of a request log."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import cache

import dagster as dg

from lockstep.checks.streams import Stream
from lockstep.project.declaration import WEEKDAYS, Calendar, PipelineAssets


def stream_partitions(declared: PipelineAssets, stream: Stream) -> dg.PartitionsDefinition[str]:
    """The days or files of a stream, a partition each."""
    if stream.name == "daily" and declared.calendar is not None:
        return daily_partitions(declared.calendar)
    return inbox_partitions(declared.name)


@cache
def daily_partitions(calendar: Calendar) -> dg.DailyPartitionsDefinition:
    """The days of a calendar, a partition each."""
    end = calendar.end
    without = [number for number, name in enumerate(WEEKDAYS, 1) if name not in calendar.weekdays]
    left_out: list[str | datetime] = [f"0 0 * * {number % 7}" for number in without]
    left_out += [datetime.combine(day, time.min) for day in calendar.holidays]
    return dg.DailyPartitionsDefinition(
        start_date=calendar.start.isoformat(),
        end_date=(end + timedelta(days=1)).isoformat() if end is not None else None,
        timezone=calendar.timezone,
        exclusions=left_out or None,
    )


def published_by(calendar: Calendar) -> dg.FreshnessPolicy | None:
    """That a day is published by noon of the next; None for a calendar that ends.

    It knows the weekdays of a calendar, and no holidays.
    """
    if calendar.end is not None:
        return None
    mornings = sorted((WEEKDAYS.index(name) + 2) % 7 for name in calendar.weekdays)
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"0 12 * * {','.join(map(str, mornings))}",
        lower_bound_delta=timedelta(hours=12),
        timezone=calendar.timezone,
    )


def inbox_partitions(pipeline: str) -> dg.DynamicPartitionsDefinition:
    """The files of a pipeline's inbox, a partition each."""
    return dg.DynamicPartitionsDefinition(name=f"{pipeline}_inbox")


def request_partitions(pipeline: str) -> dg.DynamicPartitionsDefinition:
    """The sealed segments of a pipeline's request log, a partition each."""
    return dg.DynamicPartitionsDefinition(name=f"{pipeline}_requests")
