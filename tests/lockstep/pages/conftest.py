"""A home in trouble: days that are blocked, damaged, broken off, and in part set aside."""

from datetime import date
from functools import partial
from pathlib import Path

import pytest

from assets.orders import orders
from lockstep.dagster.jobs import job_name
from lockstep.dagster.runs import run_job
from lockstep.store.attempts import RECORD
from tests.fixtures.orders import PROJECT, Workplace, home_after, workplace_of
from tests.fixtures.writes import carried_out

WARNED, DAMAGED, BLOCKED, ASIDE, BROKEN = (f"2020-03-0{day}" for day in (1, 2, 3, 4, 5))
HOSTILE = "<img src=x onerror='window.hacked = 1'>"
"""The key of a row that is set aside."""


@pytest.fixture(scope="session")
def troubled_home(scored_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the days of March went wrong in several ways; to be copied."""

    def trouble(place: Workplace) -> None:
        assert run_job(PROJECT, job_name("orders", "monitor"), place.instance, partition=WARNED).ok
        place.deliver(BLOCKED, orders(date.fromisoformat(BLOCKED)).drop(columns="price"))
        assert not place.publishes(BLOCKED)
        rows = orders(date.fromisoformat(ASIDE))
        rows["items"] = rows["items"].astype("object")
        rows.loc[:2, "items"] = None
        rows.loc[0, "order_id"] = HOSTILE
        place.deliver(ASIDE, rows)
        place.work_off(ASIDE)
        carried_out(partial(place.records().begin, BROKEN, "a run that is killed"))
        record = place.attempt(DAMAGED).folder / RECORD
        record.write_text(record.read_text()[:-100])

    return home_after(trouble, scored_home, "troubled", tmp_path_factory)


troubled = workplace_of("troubled_home")
"""A home of the test's own in which the days of March went wrong in several ways."""
