"""What happens when the registry does not answer, or fails half-way."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from lockstep.errors import ArtifactError, RegistryError, RegistryUnreachableError
from lockstep.registry.description import Presentation
from lockstep.registry.registry import Registry
from tests.fixtures.ports import free_port


@pytest.fixture
def closed_port() -> int:
    """A port at which nothing listens."""
    return free_port()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


# It does not answer


def test_a_server_that_is_down_is_named(closed_port: int) -> None:
    registry = Registry(f"http://127.0.0.1:{closed_port}", attempts=2, wait=0.01)
    with pytest.raises(
        RegistryUnreachableError, match=rf"http://127\.0\.0\.1:{closed_port} .*Check"
    ):
        registry.load("tumour", "live")


def test_a_server_that_never_answers_is_given_up(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    registry = Registry(f"http://127.0.0.1:{silent_port}", attempts=2, wait=0.01)
    with pytest.raises(RegistryUnreachableError, match="timed out"):
        registry.versions("tumour")


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", attempts=2, wait=0.01)
    with pytest.raises(
        RegistryUnreachableError, match=r"mlflow\.db cannot be opened or written to \("
    ):
        registry.versions("tumour")


def test_a_database_below_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a directory")
    registry = Registry(f"sqlite:///{tmp_path}/home/mlflow.db", attempts=2, wait=0.01)
    with pytest.raises(
        RegistryUnreachableError, match=r"home/mlflow\.db cannot be opened or written to \("
    ):
        registry.open()


def test_a_database_of_another_mlflow_is_told_with_what_to_do(
    tmp_path: Path, empty_database: Path
) -> None:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    execute(uri, "UPDATE alembic_version SET version_num = 'of_another_time'")
    with pytest.raises(RegistryError, match=r"refused: .*mlflow db upgrade"):
        Registry(uri).versions("tumour")


@pytest.mark.parametrize("uri", ["mlruns", "carrier-pigeon://loft"])
def test_an_address_that_is_none_is_told(uri: str) -> None:
    with pytest.raises(RegistryError, match=f"{uri} is no address of a registry"):
        Registry(uri).versions("tumour")


@pytest.mark.parametrize(
    "address",
    [
        "http://ada:secret@127.0.0.1:{port}",
        "http://ada:se/secret@127.0.0.1:{port}",
        "http://127.0.0.1:{port}/a?token=secret",
        "postgresql+psycopg2://ada:se@secret@127.0.0.1:{port}/x?application_name=secret",
        "carrier-pigeon://ada:secret@loft",
    ],
)
def test_passwords_are_not_shown(address: str, closed_port: int) -> None:
    registry = Registry(address.format(port=closed_port), attempts=1, wait=0.01)
    with pytest.raises(RegistryError, match=r"\*\*\*|:\d+/a ") as raised:
        registry.versions("tumour")
    assert "secret" not in str(raised.value)


# It fails half-way


def statuses(registry: Registry) -> list[str]:
    client = registry._connection.client
    experiment = client.get_experiment_by_name("tumour")
    assert experiment is not None
    return [run.info.status for run in client.search_runs([experiment.experiment_id])]


def execute(uri: str, statement: str) -> None:
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement)


def break_table(registry: Registry, table: str) -> None:
    """Make the database refuse new rows in a table, as a full disk or a lost right would."""
    execute(
        registry.address.full,
        f"CREATE TRIGGER broken BEFORE INSERT ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END",
    )


TABLES = ("params", "inputs", "logged_models", "logged_model_metrics", "model_versions")


@pytest.mark.parametrize("table", [*TABLES, "model_version_tags"])
def test_no_version_appears_if_the_database_fails_half_way_and_the_next_attempt_succeeds(
    registry: Registry, tumour: Any, table: str
) -> None:
    break_table(registry, table)
    with pytest.raises(RegistryError, match="refused"):
        registry.log(tumour.pipeline, **tumour.arguments)
    assert registry.versions("tumour") == ()
    assert statuses(registry) == ["FAILED"]
    if table == "logged_model_metrics":  # its files are written in part
        client = registry._connection.client
        experiment = client.get_experiment_by_name("tumour")
        (model,) = client.search_logged_models([experiment.experiment_id])
        assert model.status == "FAILED"
    execute(registry.address.full, "DROP TRIGGER broken")
    assert registry.log(tumour.pipeline, **tumour.arguments).version == 1


def test_no_version_appears_if_its_files_cannot_be_written(registry: Registry, tumour: Any) -> None:
    assert registry.artifact_root is not None
    registry.artifact_root.mkdir()
    (registry.artifact_root / "tumour").write_text("in the way")
    with pytest.raises(RegistryError, match="cannot be written"):
        registry.log(tumour.pipeline, **tumour.arguments)
    assert registry.versions("tumour") == ()
    assert statuses(registry) == ["FAILED"]


class _Torn(Figure):
    """A plot whose drawing ends with an error."""

    error: type[BaseException]

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        raise self.error("of a plot")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_version_appears_if_a_plot_cannot_be_drawn_or_it_is_interrupted(
    registry: Registry, tumour: Any, error: type[BaseException]
) -> None:
    torn = _Torn()
    torn.error = error
    with pytest.raises(error, match="of a plot"):
        registry.log(tumour.pipeline, **tumour.arguments, shown=Presentation(plots={"roc": torn}))
    assert registry.versions("tumour") == ()
    assert statuses(registry) == ["FAILED"]


def test_an_alias_stays_where_it_was_if_the_next_version_fails(
    registry: Registry, tumour: Any
) -> None:
    registry.log(tumour.pipeline, **tumour.arguments)
    registry.set_alias("tumour", "champion", 1)
    break_table(registry, "model_versions")
    with pytest.raises(RegistryError):
        registry.log(tumour.pipeline, **tumour.arguments)
    assert registry.load("tumour", "champion").version == 1


def test_losing_the_files_does_not_lose_the_registry(registry: Registry, tumour: Any) -> None:
    registry.log(tumour.pipeline, **tumour.arguments)
    assert registry.artifact_root is not None
    shutil.rmtree(registry.artifact_root)
    with pytest.raises(ArtifactError, match=r"MLmodel cannot be read"):
        registry.load("tumour", 1)
