"""MLflow's tables in a file are all there or none, whenever the process that makes them ends."""

from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lockstep.errors import RegistryError
from lockstep.registry.databases import is_blank
from lockstep.registry.registry import Registry
from tests.fixtures.writes import carried_out, kill_at, kill_before

pytest.importorskip("mlflow.store.db.utils")  # imported once, for all processes that are forked


def registry_of(file: Path) -> Registry:
    return Registry(f"sqlite:///{file}", artifact_root=file.parent / "artifacts", wait=0.01)


def make_by_mlflow(file: Path, revision: str = "heads") -> None:
    """Make MLflow's tables as it does itself, up to one of its releases."""
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.initial_models import Base

    engine = create_sqlalchemy_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous = OFF")
        Base.metadata.create_all(connection)
        connection.commit()
        config = _get_alembic_config(str(engine.url))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    engine.dispose()


def execute(file: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement).fetchall()


ADD_EXPERIMENT = (
    "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
    "VALUES (7, 'of a person', '/somewhere', 'active')"
)
OLDER = "c9d4e5f6a7b8"
"""The revision of an older MLflow: several tables were added since."""


@pytest.fixture
def half_made(tmp_path: Path) -> Path:
    """A file in which MLflow itself was killed while it copied a table."""
    file = tmp_path / "mlflow.db"

    def work() -> None:
        kill_before(lambda statement: statement.startswith("INSERT INTO _alembic_tmp_metrics"))
        make_by_mlflow(file)

    assert carried_out(work).was_killed
    return file


LONG = [1, 4, 20, 150, 900, 1500]


@pytest.mark.parametrize(
    "statement", [400, *(pytest.param(each, marks=pytest.mark.long) for each in LONG)]
)
def test_a_kill_leaves_no_tables_or_all_of_them(tmp_path: Path, statement: int) -> None:
    file = tmp_path / "mlflow.db"

    def work() -> None:
        kill_at(statement)
        registry_of(file).open()

    assert carried_out(work).was_killed
    assert is_blank(file)
    assert registry_of(file).versions("tumour") == ()
    registry_of(file).open()
    assert execute(file, "SELECT name, artifact_location FROM experiments") == [
        ("Default", str(tmp_path / "artifacts" / "0"))
    ]


def test_a_kill_while_the_tables_are_written_to_the_file_leaves_none(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        registry_of(file).open()

    assert carried_out(work).status == -signal.SIGXFSZ
    assert not is_blank(file)  # some of it was written
    registry_of(file).open()
    assert registry_of(file).versions("tumour") == ()
    assert execute(file, "SELECT name FROM experiments") == [("Default",)]


def test_half_made_tables_that_hold_nothing_are_made_anew(half_made: Path) -> None:
    registry_of(half_made).open()
    assert registry_of(half_made).versions("tumour") == ()


def test_half_made_tables_that_hold_something_are_told_with_their_cause(half_made: Path) -> None:
    execute(half_made, ADD_EXPERIMENT)
    before = half_made.read_bytes()
    cause = r"\((duplicate column name: step|table _alembic_tmp_metrics already exists)\)"
    with pytest.raises(
        RegistryError,
        match=rf"MLflow's tables in {half_made} are half made: a change of them was broken off, "
        rf"and this MLflow cannot complete it {cause}. Restore the file from a copy",
    ):
        registry_of(half_made).open()
    assert half_made.read_bytes() == before


def test_a_migration_that_is_killed_leaves_the_tables_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    make_by_mlflow(file, OLDER)
    execute(file, ADD_EXPERIMENT)
    before = file.read_bytes()

    def work() -> None:
        kill_at(100)
        registry_of(file).open()

    assert carried_out(work).was_killed
    shutil.copy(file, tmp_path / "left.db")
    assert execute(tmp_path / "left.db", "SELECT * FROM alembic_version") == [(OLDER,)]
    assert file.read_bytes() == before
    registry = registry_of(file)
    registry.open()
    assert registry.versions("tumour") == ()
    names = {name for (name,) in execute(file, "SELECT name FROM experiments")}
    assert "of a person" in names


def test_an_error_of_a_statement_is_not_told_as_one_of_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    registry = registry_of(file)
    registry.open()
    execute(file, "ALTER TABLE registered_models RENAME COLUMN description TO words")
    with pytest.raises(RegistryError, match="no such column") as raised:
        registry_of(file).versions("tumour")
    assert "disk" not in str(raised.value)
