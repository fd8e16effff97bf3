"""The project that `lockstep new` writes: its tests find what is wrong; nothing is overwritten.

That it runs is told by tests/lockstep/test_wheel.py.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.errors import WritingError
from lockstep.templates.project_writing import write_project


def test_its_tests_name_the_columns_at_fault(tmp_path: Path) -> None:
    folder = tmp_path / "bottles"
    write_project(folder)
    for file, old, new in (
        ("transforms", "flavanoids / phenols", "flavanoids / phenols.mean()"),
        ("expectations", "max_value=17", "max_value=14"),
    ):
        edited = folder / file / "wine.py"
        edited.write_text(edited.read_text().replace(old, new))
    chosen = "depends_on_its_own_row or is_what_the_suites"
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 1, found.stdout
    first, second = re.findall(r"^E +AssertionError: (.*)", found.stdout, re.MULTILINE)
    assert "flavanoid_share" in first
    assert "alcohol" in second


@pytest.mark.parametrize(
    "name", ["a b", "größe", ".hidden"], ids=["space", "umlaut", "leading dot"]
)
def test_a_name_that_is_none_for_a_project_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WritingError, match="is no name for a project"):
        write_project(tmp_path / name)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").touch()
    with pytest.raises(WritingError, match="is there already, and not empty"):
        write_project(tmp_path / "taken")
    assert [one.name for one in (tmp_path / "taken").iterdir()] == ["mine.txt"]


def test_an_empty_folder_becomes_the_project(tmp_path: Path) -> None:
    (tmp_path / "bottles").mkdir()
    assert tmp_path / "bottles" / ".gitignore" in write_project(tmp_path / "bottles")


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WritingError, match="cannot be written"):
        write_project(tmp_path / "file" / "bottles")
