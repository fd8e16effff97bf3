"""Age of the live version: the time from its newest training row to a batch."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from lockstep.columns.plain import counted
from lockstep.project.declaration import PipelineAssets
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion


def scoring_time(declared: PipelineAssets, stream: str, partition: str, now: datetime) -> datetime:
    """The time at which a batch counts as scored: now, unless the calendar has an end.

    With an end, a day counts as scored on that day, and a file on the last day at the latest.
    """
    calendar = declared.calendar
    if calendar is None or calendar.end is None:
        return now
    day = date.fromisoformat(partition) if stream == "daily" else calendar.end
    return min(now, datetime.combine(day, time.min, UTC) + timedelta(days=1))


def check_age(live: LoadedVersion, at: datetime, max_age: timedelta) -> CheckResult:
    """Check that a version's newest training row is not too old for a batch."""
    newest = live.trained_until
    if newest is None:
        return CheckResult.not_judged(
            f"Version {live.version} does not tell of when its newest training row is; one that "
            "is trained now does, if its records have an event time."
        )
    return compare_age(newest, at, max_age, f"Version {live.version} was trained on rows until")


def compare_age(newest: datetime, at: datetime, max_age: timedelta, subject: str) -> CheckResult:
    """Check that a training row is not too old at a time; its message begins with the subject."""
    age = max(at - newest, timedelta())
    return CheckResult(
        passed=age <= max_age,
        summary=f"{subject} {newest:%Y-%m-%d}, {counted(age.days, 'day')} before {at:%Y-%m-%d} "
        f"(at most {max_age.days}).",
        severity="WARN",
        numbers={"age_days": age.days},
    )
