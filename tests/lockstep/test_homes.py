"""Homes: copied and moved, at odd paths, and looked at while there is none yet."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path

import pytest

from lockstep.dagster.instance import open_instance
from lockstep.errors import LockstepError
from lockstep.registry.databases import local_path
from lockstep.store.disks import replace_text
from tests.fixtures.homes import use_home
from tests.fixtures.orders import PROJECT, Workplace

DAY = "2020-03-01"
LOCATIONS = """
    SELECT artifact_location FROM experiments UNION SELECT artifact_uri FROM runs
    UNION SELECT artifact_location FROM logged_models
    UNION SELECT source FROM model_versions UNION SELECT storage_location FROM model_versions
"""

Enter = Callable[[Path], Workplace]


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Enter]:
    """Makes a folder the home of this process."""
    with ExitStack() as instances:

        def enter(path: Path) -> Workplace:
            use_home(path, monkeypatch)
            return Workplace(instances.enter_context(open_instance(PROJECT.home)))

        yield enter


def test_a_copy_in_a_folder_of_any_name_needs_nothing_of_the_original_and_leaves_it_as_it_was(
    live_home: Path, tmp_path: Path, enter: Enter
) -> None:
    original, kept, copied = (tmp_path / name for name in ("original", "kept", "a #b & ü/home"))
    shutil.copytree(live_home, original)
    enter(original).registry.open()  # it is itself a copy
    before = digests(original)
    shutil.copytree(original, copied)
    original.rename(kept)
    place = enter(copied)
    assert place.fit(place.declared) == 2
    assert all(place.promote(version).ok for version in (2, 1))
    assert place.score(DAY).ok
    assert digests(kept) == before
    assert {made.name for made in tmp_path.iterdir()} == {"a #b & ü", "kept"}
    assert all(path.is_relative_to(copied) for path in stored_locations(copied))
    from mlflow import pyfunc

    model = pyfunc.load_model(place.registry.versions("orders")[0].location)
    assert model.metadata.signature is not None


@pytest.mark.parametrize("name", ["%41", "what?"])
def test_a_folder_that_dagster_would_take_for_another_is_refused(
    tmp_path: Path, enter: Enter, name: str
) -> None:
    with pytest.raises(LockstepError, match="Set DAGSTER_HOME to another folder"):
        enter(tmp_path / name)


def test_experiments_that_lie_elsewhere_are_left_where_they_are(
    live_home: Path, tmp_path: Path, enter: Enter
) -> None:
    shutil.copytree(live_home, tmp_path / "home")
    client = enter(tmp_path / "home").registry._connection.client
    client.create_experiment("mine", artifact_location="s3://bucket/mlflow/artifacts/mine")
    (tmp_path / "home").rename(tmp_path / "moved")
    moved = enter(tmp_path / "moved").registry._connection.client
    mine = moved.get_experiment_by_name("mine")
    assert mine.artifact_location == "s3://bucket/mlflow/artifacts/mine"


def test_files_have_the_permissions_that_the_umask_leaves(
    tmp_path: Path, umask: Callable[[int], int]
) -> None:
    umask(0o027)
    folder = tmp_path / "open"
    folder.mkdir(mode=0o750)
    replace_text(folder / "record.json", "{}")
    assert (folder / "record.json").stat().st_mode & 0o777 == 0o640


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Sets the umask for the test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def digests(folder: Path) -> dict[Path, str]:
    """The bytes of all files of a folder, as digests."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): sha256(path.read_bytes()).hexdigest() for path in files}


def stored_locations(home: Path) -> set[Path]:
    """The folders that MLflow's database names."""
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db")) as database:
        return {local_path(location) for (location,) in database.execute(LOCATIONS)}
