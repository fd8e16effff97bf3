"""Dagster's settings in a home: written, brought up to date, and a person's own left alone."""

from pathlib import Path

import dagster as dg
import pytest

from lockstep.dagster.instance import lacking_settings, open_instance, prepare_instance
from lockstep.dagster.schedules import ONE_AT_A_TIME
from lockstep.errors import LockstepError
from lockstep.project.home import Home
from tests.fixtures.homes import use_home

FORMER = """\
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
    assert limits(home) == [ONE_AT_A_TIME]
    assert lacking_settings(home) == []


def test_a_home_with_the_settings_of_an_older_lockstep_does_so_too(home: Home) -> None:
    written(home, FORMER)
    assert limits(home) == [ONE_AT_A_TIME]


def test_runs_log_from_info_on_in_a_new_home_and_in_one_of_an_older_lockstep(home: Home) -> None:
    older = prepare_instance(home).joinpath("dagster.yaml")
    before, _, _ = older.read_text().partition("python_logs:")
    older.write_text(before)
    with open_instance(home) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        assert instance.python_log_level == "INFO"


def test_settings_that_a_person_changed_stay_and_what_they_lack_is_said(home: Home) -> None:
    changed = FORMER.replace("max_concurrent_runs: 2", "max_concurrent_runs: 5")
    path = written(home, changed)
    prepare_instance(home)
    assert path.read_text() == changed
    order, level = lacking_settings(home)
    assert order.startswith(f"{path} does not limit {ONE_AT_A_TIME}")
    assert level.startswith(f"{path} does not set python_log_level")


def test_a_level_that_a_person_chose_is_not_said_to_be_lacking(home: Home) -> None:
    written(home, f"{FORMER}# {ONE_AT_A_TIME}\npython_logs:\n  python_log_level: DEBUG\n")
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
