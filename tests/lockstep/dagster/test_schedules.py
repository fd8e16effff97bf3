"""The schedules: each tick takes the next day, and says why where there is none."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.execution.plan.objects import StepFailureData

from assets.orders import ASSETS, fates
from lockstep.dagster.definitions import definitions
from lockstep.dagster.jobs import job_name
from lockstep.dagster.runs import run_job
from lockstep.dagster.schedules import MOST_DAYS, ONE_AT_A_TIME, run_requests, schedules
from lockstep.dagster.tries import OUTSIDE_TAG
from lockstep.project.sources import FunctionSource
from lockstep.scoring.outcomes import compare_outcomes
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, Workplace
from tests.fixtures.ticks import AFTER_THE_CALENDAR, days_asked_for, record_run

SCORE, MONITOR, AUDIT = schedules(ASSETS)
LATE = replace(ASSETS, label_delay=timedelta(days=30))
_, MONITOR_LATE, _ = schedules(LATE)
DAILY, OUTCOMES = job_name("orders", "score_daily"), job_name("orders", "monitor")
FIRST, SECOND = "2020-03-01", "2020-03-02"
OUTSIDE = {OUTSIDE_TAG: "OSError"}


def morning(month: int, day: int) -> datetime:
    """When the schedules tick in 2020."""
    return datetime(2020, month, day, 6, 30, tzinfo=UTC)


def block(place: Workplace, day: str) -> None:
    """Have a day that holds no rows tried, and blocked."""
    place.deliver(day, orders_of(day).head(0))
    assert not place.publishes(day)


def kill(place: Workplace, day: str) -> None:
    """Have a run of a day recorded that was killed: it ended, and no step of it failed."""
    record_run(place, DAILY, dg.DagsterRunStatus.FAILURE, day)


def fail_outside(place: Workplace, day: str) -> None:
    """Have a run of a day recorded that failed for a cause from outside."""
    fail(place, day, OUTSIDE)


def fail(place: Workplace, day: str, tags: dict[str, str], job: str = DAILY) -> None:
    """Have a run of a day recorded a step of which failed."""
    run = record_run(place, job, dg.DagsterRunStatus.FAILURE, day, tags)
    failed = dg.DagsterEvent(
        "STEP_FAILURE", run.job_name, event_specific_data=StepFailureData(None, None)
    )
    place.instance.report_dagster_event(failed, run.run_id)


def look(place: Workplace, day: str, known: int, at: datetime) -> None:
    """Have a run look at a day of which the outcomes of the first rows have arrived."""
    source = FunctionSource(lambda of: fates(of).head(known))
    compare_outcomes(LATE, source, place.registry, place.store, day, now=at)
    record_run(place, OUTCOMES, dg.DagsterRunStatus.SUCCESS, day)


# Days to score


def test_homes_that_share_a_dagster_do_not_wait_for_each_other(scored: Workplace) -> None:
    other = replace(scored.home, path=scored.home.path / "other")
    first, same, elsewhere = (
        run_requests(scored.instance, home, DAILY, [SECOND], AFTER_THE_CALENDAR)[0].tags
        for home in (scored.home, scored.home, other)
    )
    assert first[ONE_AT_A_TIME] == same[ONE_AT_A_TIME] != elsewhere[ONE_AT_A_TIME]
    assert first[ONE_AT_A_TIME].startswith("orders_score_daily-")


def test_a_tick_takes_all_days_that_were_missed_in_order(live: Workplace) -> None:
    days = [f"2020-03-0{day}" for day in range(1, 6)]
    assert days_asked_for(SCORE, live, morning(3, 6)) == days


def test_a_tick_takes_a_bounded_number_of_days() -> None:
    days = [f"{date(2020, 1, 1) + timedelta(number)}" for number in range(MOST_DAYS + 9)]
    with dg.DagsterInstance.ephemeral() as instance:
        requests = run_requests(instance, PROJECT.home, DAILY, days, AFTER_THE_CALENDAR)
    assert [request.partition_key for request in requests] == days[:MOST_DAYS]


def test_days_that_are_scored_or_blocked_are_not_taken_again(live: Workplace) -> None:
    live.work_off(FIRST)
    block(live, SECOND)
    assert days_asked_for(SCORE, live, morning(3, 5)) == ["2020-03-03", "2020-03-04"]


def test_a_day_is_taken_again_that_an_older_copy_of_the_data_does_not_hold(
    scored: Workplace,
) -> None:
    shutil.copytree(scored.home.data, scored.home.path / "copy")
    scored.work_off("2020-03-03")
    shutil.rmtree(scored.home.data)
    (scored.home.path / "copy").rename(scored.home.data)
    assert days_asked_for(SCORE, scored, morning(3, 5)) == ["2020-03-03", "2020-03-04"]


@pytest.mark.parametrize("ends", [fail_outside, kill])
def test_a_day_that_was_killed_or_failed_from_outside_is_taken_again_a_few_times(
    live: Workplace, ends: Callable[[Workplace, str], None]
) -> None:
    for _ in range(4):
        ends(live, FIRST)
        assert days_asked_for(SCORE, live, morning(3, 2)) == [FIRST]
    ends(live, FIRST)
    assert "has been scored" in days_asked_for(SCORE, live, morning(3, 2))


def test_a_day_that_failed_otherwise_is_left_to_a_person(live: Workplace) -> None:
    fail(live, FIRST, {})
    assert days_asked_for(SCORE, live, morning(3, 3)) == [SECOND]


def test_without_a_live_version_the_tick_says_what_to_do(workplace: Workplace) -> None:
    told = days_asked_for(SCORE, workplace)
    assert told == "orders has no live version yet: train and promote one."


# Days to compare with their outcomes


def test_only_published_days_are_compared_with_their_outcomes(live: Workplace) -> None:
    assert "Every published day" in days_asked_for(MONITOR, live)
    block(live, FIRST)
    live.work_off(SECOND)
    assert days_asked_for(MONITOR, live) == [SECOND]
    assert run_job(PROJECT, OUTCOMES, live.instance, partition=SECOND).ok
    assert "Every published day" in days_asked_for(MONITOR, live)


def test_a_day_is_looked_at_again_until_enough_is_known_the_oldest_first(
    scored: Workplace,
) -> None:
    look(scored, FIRST, known=12, at=morning(3, 3))
    look(scored, SECOND, known=12, at=morning(3, 3))
    assert "Every published day" in days_asked_for(MONITOR_LATE, scored, morning(3, 4))
    assert days_asked_for(MONITOR_LATE, scored, morning(3, 6)) == [FIRST, SECOND]
    look(scored, FIRST, known=120, at=morning(3, 6))
    assert days_asked_for(MONITOR_LATE, scored, morning(3, 7)) == [SECOND]


def test_a_day_is_looked_at_a_last_time_after_its_delay_and_then_left(scored: Workplace) -> None:
    look(scored, FIRST, known=12, at=morning(3, 30))
    look(scored, SECOND, known=120, at=morning(3, 30))
    assert days_asked_for(MONITOR_LATE, scored, morning(4, 1)) == [FIRST]
    look(scored, FIRST, known=12, at=morning(4, 1))
    assert "Every published day" in days_asked_for(MONITOR_LATE, scored, morning(4, 20))


def test_each_look_at_a_day_is_a_run_of_its_own(scored: Workplace) -> None:
    found = {
        run_requests(scored.instance, scored.home, OUTCOMES, [FIRST], at)[0].run_key
        for at in (morning(3, 3), morning(3, 6))
    }
    assert len(found) == 2


def test_a_look_that_failed_from_outside_is_taken_again_after_ones_that_went_well(
    scored: Workplace,
) -> None:
    for _ in range(5):
        look(scored, FIRST, known=12, at=morning(3, 3))
    fail(scored, FIRST, OUTSIDE, OUTCOMES)
    assert FIRST in days_asked_for(MONITOR_LATE, scored, morning(3, 6))
    fail(scored, FIRST, {}, OUTCOMES)
    assert FIRST not in days_asked_for(MONITOR_LATE, scored, morning(3, 6))


def test_a_look_that_failed_is_taken_again_once_the_day_is_published_again(
    scored: Workplace,
) -> None:
    fail(scored, FIRST, {}, OUTCOMES)
    assert days_asked_for(MONITOR, scored) == [SECOND]
    assert scored.publishes(FIRST)
    assert days_asked_for(MONITOR, scored) == [FIRST, SECOND]
    fail(scored, FIRST, {}, OUTCOMES)
    assert days_asked_for(MONITOR, scored) == [SECOND]


# Which schedules there are


@pytest.mark.parametrize(
    ("lacks", "names"),
    [
        (["outcomes"], ["orders_daily", "orders_audit"]),
        (["daily", "calendar", "outcomes"], ["orders_audit"]),
    ],
    ids=["no outcomes", "no daily source"],
)
def test_a_pipeline_has_the_schedules_of_what_it_declares(
    lacks: list[str], names: list[str]
) -> None:
    found = schedules(replace(ASSETS, **dict.fromkeys(lacks)))
    assert [schedule.name for schedule in found] == names


def test_a_tick_of_the_audit_requests_one_run_a_week(live: Workplace) -> None:
    with dg.build_schedule_context(
        instance=live.instance,
        scheduled_execution_time=AFTER_THE_CALENDAR,
        repository_def=definitions(PROJECT).get_repository_def(),
    ) as context:
        assert len(AUDIT.evaluate_tick(context).run_requests or ()) == 1
    assert AUDIT.cron_schedule == "0 3 * * 0"


@pytest.mark.parametrize("schedule", [SCORE, MONITOR, AUDIT])
def test_every_schedule_runs_unless_somebody_stops_it(schedule: dg.ScheduleDefinition) -> None:
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
