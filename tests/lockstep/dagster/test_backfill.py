"""Ranges of days in one run: what is written, and what Dagster shows of each day."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.dagster.backfill import PartitionWatch
from lockstep.dagster.definitions import definitions
from lockstep.dagster.event_log import EventLog
from lockstep.dagster.jobs import backfill_op, job_name
from lockstep.dagster.partition_events import StepEvents, unreported
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.runs import run_job
from lockstep.dagster.schedules import schedules
from lockstep.dagster.tries import sign
from lockstep.registry.live import Live
from lockstep.scoring import steps
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import EDITED, PROJECT, Workplace
from tests.fixtures.ticks import days_asked_for

FIRST, SECOND, THIRD = DAYS = ("2020-03-01", "2020-03-02", "2020-03-03")
MORNING = datetime(2020, 3, 4, 6, tzinfo=UTC)


def backfill(place: Workplace, days: Sequence[str]) -> tuple[RunReport, list[RunReport]]:
    """Score days in one run; return its result, and that of each day."""
    reports: list[RunReport] = []
    config = {"first": days[0], "last": days[-1]}
    whole = run_job(
        PROJECT,
        job_name("orders", "backfill"),
        place.instance,
        ops={backfill_op("orders"): {"config": config}},
        resources={"watch": PartitionWatch(on_report=reports.append)},
    )
    return whole, reports


def deliver_nothing(place: Workplace, day: str) -> None:
    """Have upstream deliver no rows, so that a check blocks the day."""
    place.deliver(day, orders_of(day).head(0))


def shown(place: Workplace, step: str) -> set[str]:
    """The days of which Dagster shows an asset."""
    return place.instance.get_materialized_partitions(asset(step))


def asset(step: str) -> dg.AssetKey:
    return dg.AssetKey(["orders", "daily", step])


def evaluations(place: Workplace, step: str, check: str) -> list[dg.AssetCheckEvaluation]:
    """The recorded evaluations of a check, the last one first."""
    records = place.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(asset(step), check), limit=50
    )
    return [record.evaluation for record in records if record.evaluation is not None]


def status(place: Workplace, run: str) -> dg.DagsterRunStatus:
    """How a run ended."""
    found = place.instance.get_run_by_id(run)
    assert found is not None
    return found.status


def lacking(place: Workplace) -> list[str]:
    """The days that ended and are not shown."""
    found = unreported("orders", place.records(), place.instance)
    return [attempt.record.partition for attempt in found]


def test_each_day_is_shown_with_its_checks_and_the_rows_that_they_looked_at(
    live: Workplace,
) -> None:
    whole, reports = backfill(live, DAYS)
    assert [report.partition for report in reports] == [*DAYS]
    assert all(report.ok and report.wrote("/published") for report in reports)
    for step in ("batch", "scored", "published"):
        assert shown(live, step) == {*DAYS}
    for step, check in (("batch", "input_suite"), ("scored", "golden_replay")):
        found = evaluations(live, step, check)
        assert [one.partition for one in found] == [*reversed(DAYS)]
        for one in found:
            assert one.passed
            assert one.target_materialization_data is not None
            (made,) = live.instance.fetch_materializations(
                dg.AssetRecordsFilter(asset(step), asset_partitions=[str(one.partition)]), limit=5
            ).records
            assert one.target_materialization_data.storage_id == made.storage_id
            assert made.run_id == whole.run_id
    assert status(live, whole.run_id) is dg.DagsterRunStatus.SUCCESS


def test_a_day_of_a_range_is_what_a_run_of_its_own_makes_of_it(scored: Workplace) -> None:
    alone = scored.attempt(FIRST)
    _, (report, _) = backfill(scored, (FIRST, SECOND))
    again = scored.attempt(FIRST)
    for name in ("batch", "published"):
        before, after = alone.read(name), again.read(name)
        kept = [column for column in before.column_names if column not in ("scored_at", "came_at")]
        assert before.select(kept).equals(after.select(kept))
    for step in ("batch", "scored"):
        before, after = (one.record.steps[step].results for one in (alone, again))
        assert {name: one.result for name, one in before.items()} == {
            name: one.result for name, one in after.items()
        }
    own = scored.score(FIRST)
    assert {check.check: check.result for check in own.checks} == {
        check.check: check.result for check in report.checks
    }
    for key, values in own.materialized.items():
        lacks = values.keys() - report.materialized[key].keys()
        assert not lacks - {"what became of the file"}, key


def test_a_newly_promoted_version_scores_a_range_again_and_both_stay_readable(
    three_versions: Workplace,
) -> None:
    place, days = three_versions, (FIRST, SECOND)
    assert backfill(place, days)[0].error is None
    before = {day: place.attempt(day).read("published").to_pandas() for day in days}
    place.let_serve(EDITED)
    assert backfill(place, days)[0].error is None
    for day in days:
        attempt = place.records().demand(day)
        assert attempt.record.steps["published"].version == EDITED
        both = attempt.read("side_by_side").to_pandas().set_index("order_id")
        assert (set(both["version"]), set(both["version_before"])) == ({EDITED}, {1})
        now = attempt.read("published").to_pandas()
        for shown, column in ((before[day], "will_return_before"), (now, "will_return")):
            assert (both[column] == shown.set_index("order_id")["will_return"]).all()
        assert (both["will_return_before"] != both["will_return"]).any()
        rescored = attempt.record.steps["scored"].results["rescored"]
        assert rescored.numbers["rows with other columns"] > 0
        earlier = place.records().attempt(day, 1).read("published").to_pandas()
        assert earlier["will_return"].tolist() == before[day]["will_return"].tolist()
    assert {one.partition for one in evaluations(place, "scored", "rescored")} == {*days}


def test_the_version_is_loaded_once(live: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    load = Live.load

    def counted(self: Live, state: Any) -> LoadedVersion:
        opened.append(state)
        return load(self, state)

    monkeypatch.setattr(Live, "load", counted)
    backfill(live, (FIRST, SECOND))
    assert len(opened) == 1


def test_a_blocked_day_is_shown_and_the_others_go_on(live: Workplace) -> None:
    deliver_nothing(live, SECOND)
    whole, reports = backfill(live, DAYS)
    assert [report.ok for report in reports] == [True, False, True]
    assert shown(live, "batch") == {FIRST, THIRD}, "no row of the other day went on"
    assert shown(live, "published") == {FIRST, THIRD}
    assert {check.partition for check in reports[1].failed} == {SECOND}
    for check in reports[1].failed:
        (last, *_) = [
            one for one in evaluations(live, "batch", check.check) if one.partition == SECOND
        ]
        assert not last.passed
    assert status(live, whole.run_id) is dg.DagsterRunStatus.FAILURE


def test_a_day_that_was_committed_and_not_shown_is_shown_by_the_next_backfill(
    live: Workplace,
) -> None:
    live.work_off(FIRST)  # as a process leaves it that is killed before it shows the day
    deliver_nothing(live, SECOND)
    live.work_off(SECOND)
    assert lacking(live) == [FIRST, SECOND]
    backfill(live, (THIRD, THIRD))
    assert lacking(live) == []
    assert shown(live, "published") == {FIRST, THIRD}
    assert shown(live, "batch") == {FIRST, THIRD}, "no row of the other day went on"
    backfill(live, (THIRD, THIRD))
    assert len(evaluations(live, "batch", "input_suite")) == 4, "nothing is shown twice"


def test_an_attempt_that_replaces_a_shown_one_is_shown_by_the_next_run_of_a_day(
    scored: Workplace,
) -> None:
    assert lacking(scored) == [], "runs of days have shown them"
    scored.work_off(FIRST)
    assert lacking(scored) == [FIRST]
    assert scored.score(THIRD).ok
    assert lacking(scored) == []
    (newest, *_) = scored.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset("published"), asset_partitions=[FIRST]), limit=1
    ).records
    assert newest.asset_materialization is not None
    assert newest.asset_materialization.metadata["attempt"].value == scored.attempt(FIRST).number


def test_the_events_of_a_day_are_written_all_or_none(live: Workplace) -> None:
    with closing(index_of(live)) as database, database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON asset_check_executions "
            "WHEN NEW.check_name = 'golden_replay' "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    whole, _ = backfill(live, (FIRST, SECOND))
    assert whole.is_mistake
    assert "cannot be recorded" in str(whole.error)
    assert live.records().partitions() == [FIRST]
    assert shown(live, "batch") == set()
    assert evaluations(live, "batch", "input_suite") == []
    with closing(index_of(live)) as database, database:
        database.execute("DROP TRIGGER full")
    assert backfill(live, (SECOND, SECOND))[0].ok
    assert shown(live, "published") == {FIRST, SECOND}


def index_of(place: Workplace) -> sqlite3.Connection:
    """The database of the events of all runs."""
    return sqlite3.connect(place.home.dagster / "history" / "runs" / "index.db")


def test_an_event_log_that_is_not_sqlite_s_own_is_written_as_dagster_writes_it() -> None:
    key = dg.AssetKey("scored")
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(dg.GraphDefinition("empty").to_job())
        made = dg.AssetMaterialization(key, partition=FIRST)
        check = dg.AssetCheckEvaluation(key, "golden_replay", passed=True, partition=FIRST)
        EventLog(instance, run).write([StepEvents(made, (check,))])
        assert instance.get_materialized_partitions(key) == {FIRST}


def test_a_day_that_code_breaks_off_is_told_and_shown_with_its_traceback(
    live: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Live, "state", lambda _: 1 / 0)
    whole, (report,) = backfill(live, (FIRST, FIRST))
    assert (report.error, report.is_mistake) == ("ZeroDivisionError: division by zero", False)
    assert status(live, whole.run_id) is dg.DagsterRunStatus.FAILURE
    (record,) = live.instance.fetch_observations(asset("batch"), limit=5).records
    assert record.asset_observation is not None
    assert "ZeroDivisionError" in str(record.asset_observation.metadata["broke off"].value)


def test_why_a_day_could_not_be_scored_lies_beside_its_attempt(
    live: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "score_batch", lambda *_: 1 / 0)
    backfill(live, (FIRST, FIRST))
    assert live.attempt(FIRST).reason == "division by zero"


def test_days_that_the_calendar_does_not_have_are_one_clear_line(live: Workplace) -> None:
    whole, reports = backfill(live, ("2031-01-01", "2031-01-02"))
    assert reports == []
    assert whole.is_mistake
    assert str(whole.error).startswith("orders has no day from 2031-01-01 to 2031-01-02")


def test_the_schedule_leaves_to_a_person_what_a_backfill_found_blocked(live: Workplace) -> None:
    deliver_nothing(live, SECOND)
    backfill(live, (FIRST, SECOND))
    score, *_ = schedules(live.declared)
    assert days_asked_for(score, live, MORNING) == [THIRD]


def test_the_schedule_leaves_the_days_of_a_backfill_under_way_to_it(live: Workplace) -> None:
    config = {backfill_op("orders"): {"config": {"first": FIRST, "last": SECOND}}}
    run = live.instance.create_run_for_job(
        definitions(PROJECT).resolve_job_def(job_name("orders", "backfill")),
        run_config={"ops": config},
        status=dg.DagsterRunStatus.STARTED,
    )
    sign(live.instance, run)
    score, *_ = schedules(live.declared)
    assert days_asked_for(score, live, MORNING) == [THIRD]
