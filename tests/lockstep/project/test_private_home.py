"""A home's rows are its owner's alone; shared folders are as the umask and their owner say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.project.home import Home
from lockstep.store.disks import make_folder, replace_text
from lockstep.store.lock import locked


def modes(folder: Path) -> dict[str, str]:
    """By path below a folder, its mode."""
    return {
        str(path.relative_to(folder)): f"{path.stat().st_mode & 0o777:o}"
        for path in folder.rglob("*")
    }


@pytest.fixture(autouse=True)
def umask(tmp_path: Path) -> Iterator[None]:
    """That of a team, whose members share a folder."""
    tmp_path.chmod(0o775)
    before = os.umask(0o002)
    yield
    os.umask(before)


def write_in(data: Path) -> dict[str, str]:
    replace_text(data / "orders" / "records" / "day.json", "{}")
    with locked(data / "orders" / "locks" / "day.lock", "a day"):
        pass
    return modes(data)


def test_rows_of_a_home_are_its_owners_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    assert write_in(home.data) == {
        "orders": "700",
        "orders/records": "700",
        "orders/records/day.json": "600",
        "orders/locks": "700",
        "orders/locks/day.lock": "600",
    }
    assert set(modes(home.path).values()) <= {"700", "600"}


def test_a_shared_folder_is_as_the_umask_says(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", shared=tmp_path / "shared")
    home.prepare()
    assert not home.data.exists()
    assert write_in(home.data) == {
        "orders": "775",
        "orders/records": "775",
        "orders/records/day.json": "664",
        "orders/locks": "775",
        "orders/locks/day.lock": "664",
    }


def test_a_home_that_was_opened_to_others_stays_open(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.data.chmod(0o750)
    home.prepare()
    assert write_in(home.data)["orders/records/day.json"] == "664"


def test_a_folder_that_is_private_wherever_it_is_leaves_those_above_as_they_are(
    tmp_path: Path,
) -> None:
    make_folder(tmp_path / "open" / "log", private=True)
    assert modes(tmp_path) == {"open": "775", "open/log": "700"}
