"""Dagster's settings in a home: written, and a person's own left alone."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)

from assets.orders import ASSETS
from lockstep.dagster.backfill import backfill_job
from lockstep.dagster.definitions import definitions
from lockstep.dagster.instance import (
    find_instance,
    lacking_settings,
    open_instance,
    prepare_instance,
)
from lockstep.dagster.jobs import BACKFILL_TAG, job_name
from lockstep.dagster.schedules import AHEAD, ONE_AT_A_TIME
from lockstep.errors import LockstepError
from lockstep.project.home import Home
from tests.fixtures.homes import use_home
from tests.fixtures.orders import PROJECT
from tests.fixtures.writes import carried_out, kill_at

OWN = """\
# Written by Lockstep where it is missing; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
run_retries:
  enabled: false
run_monitoring:
  # A run whose process was killed would otherwise count as running for ever.
  enabled: true
  max_runtime_seconds: 86400
concurrency:
  runs:
    max_concurrent_runs: 2
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    use_home(tmp_path, monkeypatch)
    return Home(tmp_path)


def written(home: Home, text: str) -> Path:
    """The settings' file with this text."""
    path = home.dagster / "dagster.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def limits(home: Home) -> list[str]:
    """Tags of which the queue of a home limits the runs."""
    with open_instance(home) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        return [one["key"] for one in queue.tag_concurrency_limits]


def test_a_new_home_runs_days_one_at_a_time(home: Home) -> None:
    assert limits(home) == [ONE_AT_A_TIME, BACKFILL_TAG]
    assert lacking_settings(home) == []


def test_a_home_from_before_tags_were_hidden_still_runs_days_one_at_a_time(home: Home) -> None:
    prepare_instance(home)
    file = home.dagster / "dagster.yaml"
    written = file.read_text()
    file.write_text(written.replace(ONE_AT_A_TIME, "lockstep/one_at_a_time"))
    assert limits(home) == [ONE_AT_A_TIME, BACKFILL_TAG]
    assert file.read_text() == written


def test_runs_log_from_info_on(home: Home) -> None:
    with open_instance(home) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        assert instance.python_log_level == "INFO"


REPOSITORY = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="assets.orders")),
    "__repository__",
)


@dg.job
def nothing() -> None:
    """A job without an op."""


RANGE = {"first": "2024-01-01", "last": "2024-01-31"}


def queued(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    tags: dict[str, str],
    config: dict[str, str] | None = None,
) -> str:
    """Have a job with this configuration of each of its ops wait in the queue."""
    configured = {name: {"config": config} for name in job.graph.node_dict} if config else {}
    run = instance.create_run_for_job(
        job,
        run_config={"ops": configured},
        tags=tags,
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=RemoteJobOrigin(REPOSITORY, job.name),
        job_code_origin=dg.reconstructable(nothing).get_python_origin(),
    )
    return run.run_id


def next_in_queue(instance: dg.DagsterInstance) -> list[str]:
    """The runs that Dagster's daemon would start now."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    runs = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), None)
    return [run.run_id for run in runs]


def test_backfills_that_came_first_leave_the_daily_runs_their_places(home: Home) -> None:
    prepare_instance(home)
    job = backfill_job(ASSETS)
    with open_instance(home) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        ranges = [queued(instance, job, {}, RANGE) for _ in range(3)]
        pages = [queued(instance, nothing, {BACKFILL_TAG: "year"}) for _ in range(3)]
        next_in_queue(instance)  # which makes the pool known to Dagster
        assert next_in_queue(instance) == [ranges[0], pages[0]]  # one of each kind
        day = queued(instance, nothing, {ONE_AT_A_TIME: "daily", **AHEAD})
        assert next_in_queue(instance) == [day, ranges[0]]


def test_settings_that_a_person_changed_stay_and_what_they_lack_is_said(home: Home) -> None:
    changed = OWN.replace("max_concurrent_runs: 2", "max_concurrent_runs: 5")
    path = written(home, changed)
    prepare_instance(home)
    assert path.read_text() == changed
    order, backfills, pools, level = lacking_settings(home)
    assert order.startswith(f"{path} does not limit {ONE_AT_A_TIME}")
    assert backfills.startswith(f"{path} does not limit {BACKFILL_TAG}")
    assert pools.startswith(f"{path} does not set pools with")
    assert level.startswith(f"{path} does not set python_log_level")


def test_a_level_that_a_person_chose_is_not_said_to_be_lacking(home: Home) -> None:
    limited = f"# {ONE_AT_A_TIME}\n# {BACKFILL_TAG}\n# granularity: run\n"
    written(home, f"{OWN}{limited}python_logs:\n  python_log_level: DEBUG\n")
    assert lacking_settings(home) == []


def test_a_folder_that_cannot_be_written_to_is_told_in_one_line(home: Home) -> None:
    (home.dagster / ".lock").mkdir(parents=True)
    with pytest.raises(LockstepError, match=f"{home.dagster} cannot be written to"):
        open_instance(home)


@pytest.mark.parametrize(
    "storage",
    [
        "postgres_db: {username: dagster, hostname: db, db_name: dagster}",
        "postgres_db: {username: dagster, hostname: db, db_name: dagster, scheme: postgresql}",
        "postgres_url: postgresql://dagster@db/dagster",
        "postgres_url: postgresql+psycopg://dagster@db/dagster",
        "postgres_url: {env: DAGSTER_STORE}",
    ],
)
def test_a_driver_by_which_dagster_fails_at_its_first_event_is_refused(
    home: Home, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_STORE", "postgresql://dagster@db/dagster")
    file = written(home, f"storage:\n  postgres:\n    {storage}\n")
    with pytest.raises(LockstepError, match="through psycopg, by which it fails") as refused:
        prepare_instance(home)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize(
    "storage",
    [
        "postgres_db: {username: dagster, hostname: db, scheme: postgresql+psycopg2}",
        "postgres_url: postgresql+psycopg2://dagster@db/dagster",
        "postgres_url: {env: DAGSTER_STORE}",
    ],
)
def test_the_driver_that_dagster_is_made_for_is_let_through(
    home: Home, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_STORE", "postgresql+psycopg2://dagster@db/dagster")
    written(home, f"storage:\n  postgres:\n    {storage}\n")
    assert prepare_instance(home) == home.dagster


@pytest.mark.parametrize("use", [open_instance, find_instance])
def test_a_folder_that_is_named_and_not_there_is_refused(
    use: Callable[[Home], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagstre"))
    with pytest.raises(LockstepError, match="dagstre is not a folder: DAGSTER_HOME"):
        use(Home(tmp_path / "home"))
    assert not (tmp_path / "dagstre").exists()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgresql+psycopg2://dagster@127.0.0.1:9/dagster", "does not answer .*refused"),
        ("{env: DAGSTER_STORE_OF_NOBODY}", "DAGSTER_STORE_OF_NOBODY.* is not set"),
    ],
)
def test_storage_that_dagster_cannot_reach_is_told_in_one_line(
    home: Home, address: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    written(home, f"storage:\n  postgres:\n    postgres_url: {address}\n")
    with pytest.raises(LockstepError, match=reason) as refused:
        open_instance(home)
    assert len(str(refused.value).splitlines()) == 1


KILLS = [44, *(pytest.param(each, marks=pytest.mark.long) for each in (2, 17, 71, 98))]


@pytest.mark.parametrize("statement", KILLS)
def test_an_instance_whose_making_is_killed_can_be_used(home: Home, statement: int) -> None:
    def work() -> None:
        kill_at(statement)
        open_instance(home)

    assert carried_out(work).was_killed
    made = dg.asset(lambda: 1, name="made")
    with open_instance(home) as instance:
        run = dg.materialize([made], instance=instance)
        assert run.success
        assert [record.dagster_run.run_id for record in instance.get_run_records()] == [run.run_id]
        assert len(instance.fetch_materializations(dg.AssetKey("made"), limit=1).records) == 1
        assert instance.get_daemon_heartbeats() == {}
        assert list(instance.all_instigator_state()) == []


def test_trainings_run_one_after_another(home: Home) -> None:
    job = definitions(PROJECT).resolve_job_def(job_name("orders", "train"))
    with open_instance(home) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        first, _ = (queued(instance, job, {}) for _ in range(2))
        next_in_queue(instance)  # which makes the pool known to Dagster
        assert next_in_queue(instance) == [first]
