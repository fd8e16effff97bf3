"""Services that are killed and come back: MLflow's server, and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lockstep.checks.streams import streams
from lockstep.errors import RegistryUnreachableError
from lockstep.project.sinks import SqlSink
from lockstep.registry.live import Live
from lockstep.registry.registry import Registry
from lockstep.scoring.steps import all_steps
from lockstep.scoring.work import Work
from tests.fixtures.mlflow_server import end_mlflow, start_mlflow
from tests.fixtures.orders import Workplace
from tests.fixtures.places import FILE, Delivery, Place
from tests.fixtures.ports import free_port
from tests.fixtures.postgres import Postgres, running_postgres

pytestmark = pytest.mark.long

DAY, NEXT = "2020-03-01", "2020-03-02"


def test_scoring_without_mlflow_publishes_nothing_and_all_once_it_is_back(
    live: Workplace, tmp_path: Path
) -> None:
    port, folder = free_port(), tmp_path / "server"
    folder.mkdir()
    database = f"sqlite:///{live.home.mlflow}/mlflow.db"
    off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    registry = Registry(f"http://127.0.0.1:{port}", cache=tmp_path / "cache", wait=0.01)
    serving = Live(registry, "orders", live.home.live("orders"))
    daily, _ = streams(live.declared)

    def score(day: str) -> None:
        work = Work(live.declared, live.store, "daily", day)
        all_steps(work, serving, partial(daily.read, live.home, day))

    server = start_mlflow(folder, port, database, **off)
    try:
        score(DAY)
        before = live.records().export_path(DAY).read_bytes()
        end_mlflow(server)
        for day in (DAY, NEXT):
            with pytest.raises(RegistryUnreachableError, match="does not answer") as raised:
                score(day)
            assert len(str(raised.value).splitlines()) == 1
        assert live.records().export_path(DAY).read_bytes() == before
        assert live.records().partitions() == [DAY]
        server = start_mlflow(folder, port, database, **off)
        score(NEXT)
    finally:
        end_mlflow(server)
    assert live.records().partitions() == [DAY, NEXT]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        server.create("scores")
        yield server


def test_a_database_that_is_gone_holds_nothing_back_and_is_given_all_once_it_is_back(
    place: Place, deliveries: Sequence[Delivery], postgres: Postgres
) -> None:
    sink = SqlSink(postgres.url("scores"))
    place = replace(place, declared=replace(place.declared, sinks=(sink,)))
    first, second = deliveries
    place.score(first.file)
    assert in_database(sink) == len(first.wanted.published["risk"])
    postgres.kill()
    place.score(second.file)
    assert place.recorded() == second.wanted
    (result,) = place.work().handovers.results(FILE).values()
    assert result.result == "failed"
    assert "OperationalError" in result.summary
    postgres.start()
    assert place.work().handovers.catch_up() == [FILE]
    assert in_database(sink) == len(second.wanted.published["risk"])
    (result,) = place.work().handovers.results(FILE).values()
    assert result.passed


def in_database(sink: SqlSink) -> int:
    """How many rows count, of which no key is there twice."""
    from sqlalchemy import NullPool, create_engine, text

    query = f"SELECT count(*), count(DISTINCT order_id) FROM {sink.table} WHERE is_current"
    with create_engine(sink.url, poolclass=NullPool).connect() as connection:
        rows, keys = connection.execute(text(query)).one()
    assert rows == keys
    return int(rows)
