"""The schedules: each tick takes the next day, and says why where there is none."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.plan.objects import StepFailureData

from assets.orders import ASSETS, fates
from lockstep.dagster.definitions import definitions, resources
from lockstep.dagster.jobs import job_name
from lockstep.dagster.runs import run_job
from lockstep.dagster.schedules import MOST_DAYS, ONE_AT_A_TIME, run_requests, schedules
from lockstep.dagster.tries import OUTSIDE_TAG
from lockstep.project.project import Project
from lockstep.project.sources import FunctionSource
from lockstep.scoring.outcomes import compare_outcomes

ORDERS = Project.find(Path(__file__).parents[2] / "projects" / "orders")

SCORE, MONITOR, AUDIT = schedules(ASSETS)
AFTER_THE_CALENDAR = datetime(2020, 4, 10, 6, tzinfo=UTC)


def tick(
    schedule: dg.ScheduleDefinition,
    workplace,
    at: datetime = AFTER_THE_CALENDAR,
) -> str | list[str]:
    """The days that a tick asks for, or why it asks for none."""
    with dg.build_schedule_context(
        instance=workplace.instance,
        scheduled_execution_time=at,
        resources=resources(ORDERS),
        repository_def=definitions(ORDERS).get_repository_def(),
    ) as context:
        found = schedule.evaluate_tick(context)
    if found.skip_message:
        return found.skip_message
    return [request.partition_key for request in found.run_requests]


def block(workplace, day: str) -> None:
    """Have a day that holds no rows tried, and blocked."""
    workplace.deliver(day, ASSETS.daily.read(date.fromisoformat(day)).head(0))
    assert not workplace.publishes(day)


def test_homes_that_share_a_dagster_do_not_wait_for_each_other(scored, tmp_path) -> None:
    other = replace(scored.home, path=tmp_path / "other")
    ahead = [
        run_requests(
            scored.instance, home, "orders_score_daily", ["2020-03-02"], AFTER_THE_CALENDAR
        )
        for home in (scored.home, scored.home, other)
    ]
    first, same, elsewhere = (request.tags[ONE_AT_A_TIME] for (request,) in ahead)
    assert first == same
    assert first != elsewhere
    assert first.startswith("orders_score_daily-")


def days_until(last: int, first: int = 1) -> list[str]:
    """Days of March 2020."""
    return [f"2020-03-{day:02}" for day in range(first, last + 1)]


def kill(
    workplace, day: str, tags: dict[str, str] | None = None, job: str | None = None
) -> dg.DagsterRun:
    """Have a run of a day recorded that was killed: it ended, and no step of it failed."""
    return workplace.instance.create_run_for_job(
        definitions(ORDERS).resolve_job_def(job or job_name("orders", "score_daily")),
        status=dg.DagsterRunStatus.FAILURE,
        tags={"dagster/partition": day, **(tags or {})},
    )


def fail(workplace, day: str, tags: dict[str, str], job: str | None = None) -> None:
    """Have a run of a day recorded a step of which failed."""
    run = kill(workplace, day, tags, job)
    failed = dg.DagsterEvent(
        "STEP_FAILURE", run.job_name, event_specific_data=StepFailureData(None, None)
    )
    workplace.instance.report_dagster_event(failed, run.run_id)


def test_a_tick_takes_all_days_that_were_missed_in_order(live) -> None:
    assert tick(SCORE, live, datetime(2020, 3, 6, 6, tzinfo=UTC)) == days_until(5)


def test_a_tick_takes_a_bounded_number_of_days() -> None:
    days = [f"{date(2020, 1, 1) + timedelta(number)}" for number in range(MOST_DAYS + 9)]
    with dg.DagsterInstance.ephemeral() as instance:
        requests = run_requests(
            instance, ORDERS.home, "orders_score_daily", days, AFTER_THE_CALENDAR
        )
    assert [request.partition_key for request in requests] == days[:MOST_DAYS]


def test_days_that_are_scored_or_blocked_are_not_taken_again(live) -> None:
    live.work_off("2020-03-01")
    block(live, "2020-03-02")
    assert tick(SCORE, live, datetime(2020, 3, 5, 6, tzinfo=UTC)) == days_until(4, first=3)


def test_a_day_is_taken_again_that_an_older_copy_of_the_data_does_not_hold(scored) -> None:
    shutil.copytree(scored.home.data, scored.home.path / "copy")
    scored.work_off("2020-03-03")
    shutil.rmtree(scored.home.data)
    (scored.home.path / "copy").rename(scored.home.data)
    assert tick(SCORE, scored, datetime(2020, 3, 5, 6, tzinfo=UTC)) == ["2020-03-03", "2020-03-04"]


def test_a_day_that_failed_from_outside_is_taken_again_a_few_times(live) -> None:
    morning = datetime(2020, 3, 2, 6, tzinfo=UTC)
    for _ in range(4):
        fail(live, "2020-03-01", {OUTSIDE_TAG: "OSError"})
        assert tick(SCORE, live, morning) == ["2020-03-01"]
    fail(live, "2020-03-01", {OUTSIDE_TAG: "OSError"})
    assert "has been scored" in tick(SCORE, live, morning)


def test_a_day_that_failed_otherwise_is_left_to_a_person(live) -> None:
    fail(live, "2020-03-01", {})
    assert tick(SCORE, live, datetime(2020, 3, 3, 6, tzinfo=UTC)) == ["2020-03-02"]


def test_a_day_whose_run_was_killed_is_taken_again_a_few_times(live) -> None:
    morning = datetime(2020, 3, 2, 6, tzinfo=UTC)
    for _ in range(4):
        kill(live, "2020-03-01")
        assert tick(SCORE, live, morning) == ["2020-03-01"]
    kill(live, "2020-03-01")
    assert "has been scored" in tick(SCORE, live, morning)


def test_without_a_live_version_the_tick_says_what_to_do(workplace) -> None:
    assert tick(SCORE, workplace) == "orders has no live version yet: train and promote one."


def test_only_published_days_are_compared_with_their_outcomes(live) -> None:
    assert "Every published day" in tick(MONITOR, live)
    block(live, "2020-03-01")
    live.work_off("2020-03-02")
    assert tick(MONITOR, live) == ["2020-03-02"]
    assert run_job(ORDERS, job_name("orders", "monitor"), live.instance, partition="2020-03-02").ok
    assert "Every published day" in tick(MONITOR, live)


LATE = replace(ASSETS, label_delay=timedelta(days=30))
_, MONITOR_LATE, _ = schedules(LATE)


def look(workplace, day: str, known: int, at: datetime) -> None:
    """Have a run look at a day of which the outcomes of the first rows have arrived."""
    source = FunctionSource(lambda of: fates(of).head(known))
    compare_outcomes(LATE, source, workplace.registry, workplace.store, day, now=at)
    workplace.instance.create_run_for_job(
        definitions(ORDERS).resolve_job_def(job_name("orders", "monitor")),
        status=dg.DagsterRunStatus.SUCCESS,
        tags={"dagster/partition": day},
    )


def morning(month: int, day: int) -> datetime:
    """When the schedule of outcomes ticks in 2020."""
    return datetime(2020, month, day, 6, 30, tzinfo=UTC)


def test_a_day_is_looked_at_again_until_enough_is_known_the_oldest_first(scored) -> None:
    look(scored, "2020-03-01", known=12, at=morning(3, 3))
    look(scored, "2020-03-02", known=12, at=morning(3, 3))
    assert "Every published day" in tick(MONITOR_LATE, scored, morning(3, 4))
    assert tick(MONITOR_LATE, scored, morning(3, 6)) == ["2020-03-01", "2020-03-02"]
    look(scored, "2020-03-01", known=120, at=morning(3, 6))
    assert tick(MONITOR_LATE, scored, morning(3, 7)) == ["2020-03-02"]


def test_a_day_is_looked_at_a_last_time_after_its_delay_and_then_left(scored) -> None:
    look(scored, "2020-03-01", known=12, at=morning(3, 30))
    look(scored, "2020-03-02", known=120, at=morning(3, 30))
    assert tick(MONITOR_LATE, scored, morning(4, 1)) == ["2020-03-01"]
    look(scored, "2020-03-01", known=12, at=morning(4, 1))
    assert "Every published day" in tick(MONITOR_LATE, scored, morning(4, 20))


def test_each_look_at_a_day_is_a_run_of_its_own(scored) -> None:
    job = job_name("orders", "monitor")
    mornings = (morning(3, 3), morning(3, 6))
    found = [
        run_requests(scored.instance, scored.home, job, ["2020-03-01"], at)[0].run_key
        for at in mornings
    ]
    assert len(set(found)) == 2


def test_a_look_that_failed_from_outside_is_taken_again_after_ones_that_went_well(scored) -> None:
    job = job_name("orders", "monitor")
    for _ in range(5):
        look(scored, "2020-03-01", known=12, at=morning(3, 3))
    fail(scored, "2020-03-01", {OUTSIDE_TAG: "OSError"}, job)
    assert "2020-03-01" in tick(MONITOR_LATE, scored, morning(3, 6))
    fail(scored, "2020-03-01", {}, job)
    assert "2020-03-01" not in tick(MONITOR_LATE, scored, morning(3, 6))


def test_a_look_that_failed_is_taken_again_once_the_day_is_published_again(scored) -> None:
    fail(scored, "2020-03-01", {}, job_name("orders", "monitor"))
    assert tick(MONITOR, scored) == ["2020-03-02"]
    assert scored.publishes("2020-03-01")
    assert tick(MONITOR, scored) == ["2020-03-01", "2020-03-02"]
    fail(scored, "2020-03-01", {}, job_name("orders", "monitor"))
    assert tick(MONITOR, scored) == ["2020-03-02"]


def test_a_pipeline_without_outcomes_has_no_schedule_for_them() -> None:
    names = [one.name for one in schedules(replace(ASSETS, outcomes=None))]
    assert names == ["orders_daily", "orders_audit"]


def test_a_pipeline_without_a_daily_source_has_the_audit_alone() -> None:
    (audit,) = schedules(replace(ASSETS, daily=None, calendar=None, outcomes=None))
    assert (audit.name, audit.cron_schedule) == ("orders_audit", "0 3 * * 0")


def test_a_tick_of_the_audit_requests_one_run(live) -> None:
    with dg.build_schedule_context(
        instance=live.instance,
        scheduled_execution_time=AFTER_THE_CALENDAR,
        repository_def=definitions(ORDERS).get_repository_def(),
    ) as context:
        assert len(AUDIT.evaluate_tick(context).run_requests or ()) == 1


@pytest.mark.parametrize("schedule", [SCORE, MONITOR, AUDIT])
def test_every_schedule_runs_unless_somebody_stops_it(schedule: dg.ScheduleDefinition) -> None:
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
