"""MLflow's database file: all of its tables or none, and the locations of files in them.

MLflow makes and migrates its tables in some 1,700 statements, each committed by itself: a process
that is killed in between leaves a file that no MLflow can use. Here they are made in memory, and
written in one transaction. MLflow stores absolute locations of files: a home that was moved or
copied would still read from and write to its former place.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlparse

from lockstep.columns.plain import one_line
from lockstep.errors import RegistryError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BUSY_SECONDS = 60
_CONTENT = ("experiments", "registered_models")
"""MLflow's tables that have a row as soon as anything is stored."""
_LAYOUT = ("mlflow", "artifacts")
"""The last parts of the folder of files in every home, by which a former one is recognized."""
_STORED = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""MLflow's tables and columns that hold locations."""


def is_blank(file: Path) -> bool:
    """Whether a database file is missing or was only just created."""
    return not file.exists() or file.stat().st_size == 0


def complete_tables(file: Path) -> bool:
    """Make or migrate MLflow's tables where a file lacks some; return whether they hold nothing.

    Whether it lacks some is MLflow's own question: it would then make them itself. Tables that were
    left half made, and hold nothing, are made anew. Raises RegistryError where they hold something,
    and MLflow cannot complete them; sqlite3.Error where the file cannot be read or written.
    """
    with closing(sqlite3.connect(file, timeout=_BUSY_SECONDS)) as disk:
        tables = _tables(disk)
        is_empty = not any(_has_rows(disk, name) for name in tables.intersection(_CONTENT))
        if not _is_complete(tables) or (is_empty and not _is_newest(disk)):
            if not is_empty:
                _lock(disk)
            _complete(disk, file, is_empty)
        return is_empty


def _complete(disk: sqlite3.Connection, file: Path, is_empty: bool) -> None:
    from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine
    from sqlalchemy.exc import SQLAlchemyError

    engine = create_sqlalchemy_engine("sqlite:///:memory:")  # type: ignore[no-untyped-call]
    pooled = engine.raw_connection()
    try:
        memory = pooled.driver_connection
        if not is_empty:
            disk.backup(memory)
        try:
            _initialize_tables(engine)  # type: ignore[no-untyped-call]
        except SQLAlchemyError as error:
            raise RegistryError(
                f"MLflow's tables in {file} are half made: a change of them was broken off, and "
                f"this MLflow cannot complete it ({one_line(str(getattr(error, 'orig', error)))}). "
                "Restore the file from a copy, or move it away to begin anew."
            ) from error
        memory.backup(disk)
    finally:
        pooled.close()
        engine.dispose()


def _lock(disk: sqlite3.Connection) -> None:
    """Keep others from reading and writing a database until this connection is closed.

    Whatever they wrote between two transactions of this connection would be lost.
    """
    disk.execute("PRAGMA locking_mode = EXCLUSIVE")
    disk.execute("BEGIN EXCLUSIVE")
    disk.commit()  # which keeps the lock


def _is_complete(tables: set[str]) -> bool:
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.db.utils import _all_tables_exist  # noqa: F401  # registers all tables

    return tables.issuperset(Base.metadata.tables)


def _is_newest(disk: sqlite3.Connection) -> bool:
    from mlflow.store.db.utils import _get_latest_schema_revision

    if "alembic_version" not in _tables(disk):
        return False
    revisions = disk.execute("SELECT version_num FROM alembic_version").fetchall()
    newest = _get_latest_schema_revision()  # type: ignore[no-untyped-call]
    return [(newest,)] == revisions


def _tables(disk: sqlite3.Connection) -> set[str]:
    return {name for (name,) in disk.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _has_rows(disk: sqlite3.Connection, table: str) -> bool:
    return disk.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None


def location(path: Path) -> str:
    """A folder as MLflow takes it: as the path of an address."""
    return quote(str(path))


def local_path(location: str) -> Path | None:
    """The folder that a location names; None if it is not on this machine."""
    address = urlparse(location)
    return Path(unquote(address.path)) if address.scheme in ("", "file") else None


def is_of_home(root: Path, database: Path) -> bool:
    """Whether a folder of files and a database file belong to one home."""
    return _is_layout(root) and database.parent == root.parent


def move_locations(connection: Connection, root: Path) -> None:
    """Update the locations in a database whose home was moved or copied; `root` is absolute."""
    from sqlalchemy import column, select, table

    experiments = table("experiments", column("artifact_location"))
    stored = connection.execute(select(experiments.c.artifact_location)).scalars()
    former = {folder for folder in map(_root, stored) if folder not in (None, root)}
    for prefix in {prefix for each in former for prefix in (str(each), location(each))}:
        for name, columns in _STORED.items():
            for each in columns:
                _substitute(connection, name, each, f"{prefix}/", f"{location(root)}/")


def _substitute(connection: Connection, name: str, stored: str, old: str, new: str) -> None:
    """Replace a prefix of the texts in a column."""
    from sqlalchemy import column, func, table, update

    rows = table(name, column(stored))
    value = rows.c[stored]
    connection.execute(
        update(rows)
        .where(func.substr(value, 1, len(old)) == old)
        .values({stored: new + func.substr(value, len(old) + 1)})
    )


def _root(stored: str | None) -> Path | None:
    """A home's folder of files around a location; None if it lies in no home."""
    path = local_path(stored or "")
    if path is None:
        return None
    return next(filter(_is_layout, path.parents), None)


def _is_layout(root: Path) -> bool:
    return root.parts[-len(_LAYOUT) :] == _LAYOUT
