"""Days that somebody selects together on Dagster's pages: one run, and a result a day.

The pages' own mutation is sent to the schema of Dagster's web server, and worked off by the
backfill and the queue of its daemon, with the code server and the run in processes of their own.
"""

from collections.abc import Iterator, Sequence
from logging import getLogger
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)
from dagster_graphql.client.query import LAUNCH_PARTITION_BACKFILL_MUTATION
from dagster_graphql.test.utils import execute_dagster_graphql

from lockstep.dagster.definitions import definitions
from lockstep.dagster.jobs import PAGES_JOB, job_name
from lockstep.dagster.schedules import schedules
from lockstep.dagster.workspace import job_origin, workspace_file
from tests.fixtures.orders import PROJECT, Workplace
from tests.fixtures.ticks import days_asked_for
from tests.fixtures.waiting import wait_until
from tests.lockstep.dagster.test_backfill import (
    DAYS,
    FIRST,
    MORNING,
    SECOND,
    THIRD,
    asset,
    deliver_nothing,
    evaluations,
    shown,
)

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
STEPS = ("batch", "scored", "published")
LONGEST_SECONDS = 600


@pytest.fixture
def workspace(
    live: Workplace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WorkspaceProcessContext]:
    """The workspace of the project, with its code server."""
    monkeypatch.chdir(PROJECT.root)
    target = WorkspaceFileTarget([str(workspace_file(PROJECT))])
    with create_test_daemon_workspace_context(target, live.instance) as context:
        yield context


def of_assets(days: Sequence[str], steps: Sequence[str] = STEPS) -> dict[str, Any]:
    """What the page of assets asks for."""
    keys = [{"path": asset(step).path} for step in steps]
    return {"partitionNames": list(days), "assetSelection": keys, "tags": []}


def of_job(days: Sequence[str]) -> dict[str, Any]:
    """What the page of a job asks for."""
    repository = {"repositoryLocationName": "orders", "repositoryName": "__repository__"}
    name = f"{job_name('orders', 'score_daily')}_partition_set"
    selector = {"partitionSetName": name, "repositorySelector": repository}
    return {"partitionNames": list(days), "selector": selector, "tags": []}


def launch(workspace: WorkspaceProcessContext, asked: dict[str, Any]) -> str:
    """Begin a backfill as the pages do; return its number."""
    answer = execute_dagster_graphql(
        workspace.create_request_context(),
        LAUNCH_PARTITION_BACKFILL_MUTATION,
        {"backfillParams": asked},
    )
    launched = answer.data["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return str(launched["backfillId"])


def work_off(workspace: WorkspaceProcessContext, number: str) -> PartitionBackfill:
    """Do what the daemon does until a backfill is through; return it."""
    instance = workspace.instance

    def backfill() -> PartitionBackfill:
        found = instance.get_backfill(number)
        assert found is not None
        return found

    def is_through() -> bool:
        list(execute_backfill_iteration(workspace, getLogger("backfill")))
        list(queue.run_iteration(workspace))
        return backfill().status is not BulkActionStatus.REQUESTED

    with QueuedRunCoordinatorDaemon(interval_seconds=1) as queue:
        wait_until(is_through, LONGEST_SECONDS, 0.5)
    return backfill()


def runs_of(instance: dg.DagsterInstance, number: str) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": number})))


def judged(place: Workplace, step: str, check: str) -> set[str | None]:
    """The days of which Dagster shows a result of a check."""
    found = evaluations(place, step, check)
    return {one.partition for one in found if isinstance(one, dg.AssetCheckEvaluation)}


@pytest.mark.long
def test_days_that_are_selected_together_are_one_run_with_a_result_a_day(
    live: Workplace, workspace: WorkspaceProcessContext
) -> None:
    deliver_nothing(live, SECOND)
    number = launch(workspace, of_assets(DAYS))
    done = work_off(workspace, number)
    (run,) = runs_of(live.instance, number)
    assert run.status is dg.DagsterRunStatus.FAILURE, "a day was blocked"
    assert done.status is BulkActionStatus.COMPLETED_FAILED
    assert live.records().partitions() == [FIRST, THIRD]
    for step in STEPS:
        assert shown(live, step) == {FIRST, THIRD}
    assert judged(live, "batch", "input_suite") == {*DAYS}
    assert judged(live, "scored", "golden_replay") == {FIRST, THIRD}
    for day in (FIRST, THIRD):
        filtered = dg.AssetRecordsFilter(asset("published"), asset_partitions=[day])
        (made,) = live.instance.fetch_materializations(filtered, limit=5).records
        assert made.run_id == run.run_id


@pytest.mark.long
def test_days_that_are_selected_on_the_page_of_the_job_are_one_run_likewise(
    live: Workplace, workspace: WorkspaceProcessContext
) -> None:
    number = launch(workspace, of_job((FIRST, SECOND)))
    assert work_off(workspace, number).status is BulkActionStatus.COMPLETED_SUCCESS
    (run,) = runs_of(live.instance, number)
    assert run.is_success
    assert live.records().partitions() == [FIRST, SECOND]
    for step in STEPS:
        assert shown(live, step) == {FIRST, SECOND}


def ranged(place: Workplace, *steps: str) -> dg.ExecuteInProcessResult:
    """A run of two days of some steps."""
    job = definitions(PROJECT).resolve_job_def(job_name("orders", "score_daily"))
    return job.execute_in_process(
        instance=place.instance,
        raise_on_error=False,
        tags=dict(zip(RANGE, (FIRST, SECOND), strict=True)),
        asset_selection=[asset(step) for step in steps],
    )


def test_days_that_all_go_through_are_a_run_that_does(live: Workplace) -> None:
    assert ranged(live, *STEPS).success
    for step in STEPS:
        assert shown(live, step) == {FIRST, SECOND}
    left = evaluations(live, "scored", "golden_replay")
    assert [type(one) for one in left] == [dg.AssetCheckEvaluation] * 2, "none stays planned"


def test_steps_of_several_days_without_their_batch_are_one_clear_line(live: Workplace) -> None:
    result = ranged(live, "scored")
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    assert "select batch, scored and published, or one day alone" in str(
        failed.step_failure_data.error
    )


@pytest.mark.parametrize(
    ("job", "steps", "open_days"),
    [
        (PAGES_JOB, STEPS, [THIRD]),
        (PAGES_JOB, ("published",), [*DAYS]),
        (job_name("orders", "score_daily"), None, [THIRD]),
    ],
)
def test_the_schedule_leaves_the_days_that_were_selected_to_their_run(
    live: Workplace, job: str, steps: Sequence[str] | None, open_days: list[str]
) -> None:
    tags = dict(zip(RANGE, (FIRST, SECOND), strict=True))
    selection = None if steps is None else frozenset(map(asset, steps))
    run = dg.DagsterRun(
        job,
        status=dg.DagsterRunStatus.QUEUED,
        tags=tags,
        asset_selection=selection,
        remote_job_origin=job_origin(PROJECT, job),
    )
    live.instance.add_run(run)
    score, *_ = schedules(live.declared)
    assert days_asked_for(score, live, MORNING) == open_days
