"""Locations of a registry's files, as MLflow stores them.

MLflow stores the absolute location of every experiment, run, model and version. A home that was
moved or copied would still read from and write to its former place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlparse

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LAYOUT = ("mlflow", "artifacts")
"""The last parts of the folder of files in every home, by which a former one is recognized."""
_STORED = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
"""MLflow's tables and columns that hold locations."""


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
