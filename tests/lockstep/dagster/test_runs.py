"""Runs of the command line, as Dagster's pages show them."""

import sqlite3
from contextlib import closing

import pytest

from lockstep.dagster.run_reports import RunReport
from lockstep.errors import LockstepError
from tests.fixtures.orders import Workplace


@pytest.fixture
def trained(workplace: Workplace, trained_home: tuple[object, RunReport]) -> str:
    """The run that trained the first version."""
    return trained_home[1].run_id


def test_a_run_is_under_the_code_location_of_its_project(
    workplace: Workplace, trained: str
) -> None:
    run = workplace.instance.get_run_by_id(trained)
    assert run is not None
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@orders"
    assert run.tags[".dagster/repository"] == "__repository__@orders"


def test_the_log_of_a_run_tells_rows_checks_and_time_of_each_step(
    workplace: Workplace, trained: str
) -> None:
    said = [entry.user_message for entry in workplace.instance.all_logs(trained)]
    for asset in ("history", "training_set", "candidate"):
        assert any(f"orders/{asset} made in" in line for line in said)
    assert any("row_count" in line and "quarantined" in line for line in said)
    assert any(line.startswith("checks: ") and "passed" in line for line in said)


def test_a_run_that_cannot_be_recorded_is_told_in_one_line(live: Workplace) -> None:
    folder = live.home.dagster
    with closing(sqlite3.connect(folder / "history" / "runs.db")) as database, database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON runs BEGIN INSERT INTO room VALUES (1); END"
        )
    with pytest.raises(LockstepError, match=f"cannot be recorded in {folder} .no such table"):
        live.score("2020-03-01")
