"""Two checkouts with homes of their own, on an MLflow server and a Dagster that others run.

Both are on PostgreSQL. Everything is done by commands, as people do it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.mlflow_server import running_mlflow
from tests.fixtures.orders import Checkout
from tests.fixtures.postgres import Postgres, running_postgres
from tests.fixtures.terminal import Terminal

pytestmark = pytest.mark.long

DAY = "2020-03-01"
DAGSTER = """\
telemetry: {{enabled: false}}
storage:
  postgres:
    postgres_db:
      scheme: postgresql+psycopg2
      username: postgres
      hostname: 127.0.0.1
      port: {port}
      db_name: dagster
"""


@dataclass(frozen=True)
class Services:
    """What a team has before it has Lockstep."""

    mlflow: str
    dagster: Path
    postgres: Postgres


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("services")
    with running_postgres() as postgres:
        for database in ("mlflow", "dagster"):
            postgres.create(database)
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with running_mlflow(folder, postgres.url("mlflow"), **off) as address:
            dagster = folder / "dagster"
            dagster.mkdir()
            (dagster / "dagster.yaml").write_text(DAGSTER.format(port=postgres.port))
            yield Services(address, dagster, postgres)


@pytest.fixture(scope="module")
def homes(
    services: Services,
    tmp_path_factory: pytest.TempPathFactory,
    checkouts: Callable[[Path], Checkout],
) -> tuple[Checkout, Checkout]:
    """Two checkouts, the addresses of the services in their settings."""
    both = [checkouts(tmp_path_factory.mktemp(name)) for name in ("first", "second")]
    for checkout in both:
        with (checkout.folder / "pyproject.toml").open("a") as settings:
            settings.write(f'mlflow_tracking_uri = "{services.mlflow}"\n')
            settings.write(f'dagster_home = "{services.dagster}"\n')
    return both[0], both[1]


@pytest.fixture
def done(terminal: Terminal) -> Callable[..., Any]:
    """Carries out a command in a checkout; what it answers as JSON."""

    def done(checkout: Checkout, *arguments: str, status: int = 0) -> Any:
        place = {"project": checkout.folder, "home": checkout.home}
        ended = terminal.lockstep(*arguments, "--json", **place)
        assert ended.status == status, ended.output + ended.errors
        return json.loads(ended.output)

    return done


@pytest.fixture
def live(done: Callable[..., Any]) -> Callable[[Checkout], Any]:
    """Asks in a checkout what is live."""
    return lambda checkout: done(checkout, "versions", "orders")["live"]


def test_homes_of_one_registry_promote_score_and_roll_back_by_turns(
    services: Services, homes: tuple[Checkout, Checkout], done, live
) -> None:
    first, second = homes
    done(first, "train", "orders")
    done(first, "promote", "orders", "1")
    assert live(first) == live(second) | {"here": 1}
    assert live(second)["decided"]["home"] == str(first.home)

    # The other home takes it over, and scores.
    scored = done(second, "score", "orders", "--day", DAY)
    (report,) = scored["runs"]
    assert report["published"]
    told = {check["check"]: check for check in report["checks"]}["live_version"]
    assert told["result"] == "passed"
    assert f"in {first.home} on" in told["summary"]
    assert live(second) == live(first)

    # It promotes, and the first one scores by that, at once.
    done(second, "train", "orders")
    done(second, "promote", "orders", "2")
    (report,) = done(first, "score", "orders", "--day", DAY)["runs"]
    assert report["materialized"]["orders/daily/scored"]["version"] == 2
    now = live(first)
    assert (now["version"], now["before"], now["here"]) == (2, 1, 2)
    assert now["decided"]["home"] == str(second.home)

    # Each promotion went through the gate once, as Dagster has it in its database.
    assert runs(services, "orders_promote") == 2

    # A rollback in one home is one in the other.
    done(second, "rollback", "orders")
    (report,) = done(first, "score", "orders", "--day", "2020-03-02")["runs"]
    assert report["materialized"]["orders/daily/scored"]["version"] == 1

    # What is moved by hand is told apart from all that.
    from mlflow import MlflowClient

    MlflowClient(services.mlflow).set_registered_model_alias("orders", "live", "2")
    (report,) = done(first, "score", "orders", "--day", "2020-03-03", status=1)["runs"]
    told = {check["check"]: check for check in report["checks"]}["live_version"]
    assert told["result"] == "failed"
    assert "the alias was moved by hand; nothing is scored" in told["summary"]
    assert f"in {second.home} on" in told["summary"]


def runs(services: Services, job: str) -> int:
    """How many runs of a job Dagster has recorded."""
    psycopg2 = pytest.importorskip("psycopg2")
    connection = psycopg2.connect(services.postgres.url("dagster", driver="postgresql"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM runs WHERE pipeline_name = %s", (job,))
        (count,) = cursor.fetchone()
    connection.close()
    return int(count)
