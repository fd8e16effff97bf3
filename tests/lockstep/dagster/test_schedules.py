"""The schedules: each tick takes the next day, and says why where there is none."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.orders import ASSETS
from lockstep.dagster.definitions import definitions
from lockstep.dagster.jobs import monitor_job_name
from lockstep.dagster.resources import resources
from lockstep.dagster.runs import run_job
from lockstep.dagster.schedules import schedules
from lockstep.project.declaration import Calendar
from lockstep.project.project import Project

ORDERS = Project.find(Path(__file__).parents[2] / "projects" / "orders")

SCORE, MONITOR = schedules(ASSETS)
AFTER_THE_CALENDAR = datetime(2020, 4, 10, 6, tzinfo=UTC)


def tick(
    schedule: dg.ScheduleDefinition,
    workplace,
    at: datetime = AFTER_THE_CALENDAR,
) -> str:
    """The day that a tick asks for, or why it asks for none."""
    with dg.build_schedule_context(
        instance=workplace.instance,
        scheduled_execution_time=at,
        resources=resources(ORDERS),
        repository_def=definitions(ORDERS).get_repository_def(),
    ) as context:
        found = schedule.evaluate_tick(context)
    if found.skip_message:
        return found.skip_message
    (request,) = found.run_requests
    return request.partition_key


def block(workplace, day: str) -> None:
    """Have a day that holds no rows tried, and blocked."""
    workplace.deliver(day, ASSETS.daily.read(date.fromisoformat(day)).head(0))
    assert not workplace.score(day).ok


def test_each_tick_takes_the_next_day_that_is_not_scored(live) -> None:
    taken = []
    for _ in range(3):
        taken.append(tick(SCORE, live))
        assert live.score(taken[-1]).ok
    assert taken == ["2020-03-01", "2020-03-02", "2020-03-03"]


def test_a_day_scored_out_of_turn_is_not_taken_again(live) -> None:
    live.score("2020-03-01")
    live.score("2020-03-03")
    assert tick(SCORE, live) == "2020-03-02"


def test_a_day_that_was_blocked_does_not_hold_up_the_next(live) -> None:
    block(live, "2020-03-01")
    assert tick(SCORE, live) == "2020-03-02"


def test_a_day_is_taken_when_it_is_over(live) -> None:
    morning = datetime(2020, 3, 2, 6, tzinfo=UTC)
    assert tick(SCORE, live, morning) == "2020-03-01"
    live.score("2020-03-01")
    assert "has been scored" in tick(SCORE, live, morning)


def test_a_calendar_that_ends_is_skipped_with_the_reason_once_it_is_through(live) -> None:
    short = replace(ASSETS, calendar=Calendar(date(2020, 3, 1), date(2020, 3, 2)))
    schedule = schedules(short)[0]
    for day in ("2020-03-01", "2020-03-02"):
        assert tick(schedule, live) == day
        live.score(day)
    assert tick(schedule, live) == "Every day that is over has been scored."


def test_without_a_live_version_the_tick_says_what_to_do(workplace) -> None:
    assert tick(SCORE, workplace) == "orders has no live version yet: train and promote one."


def test_only_published_days_are_compared_with_their_outcomes(live) -> None:
    assert "Every published day" in tick(MONITOR, live)
    block(live, "2020-03-01")
    live.score("2020-03-02")
    assert tick(MONITOR, live) == "2020-03-02"
    assert run_job(ORDERS, monitor_job_name("orders"), live.instance, partition="2020-03-02").ok
    assert "Every published day" in tick(MONITOR, live)


def test_a_pipeline_without_outcomes_has_no_schedule_for_them() -> None:
    assert [one.name for one in schedules(replace(ASSETS, outcomes=None))] == ["orders_daily"]


def test_a_pipeline_without_a_daily_source_has_no_schedule() -> None:
    assert schedules(replace(ASSETS, daily=None, calendar=None, outcomes=None)) == []


@pytest.mark.parametrize("schedule", [SCORE, MONITOR])
def test_every_schedule_runs_unless_somebody_stops_it(schedule: dg.ScheduleDefinition) -> None:
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
