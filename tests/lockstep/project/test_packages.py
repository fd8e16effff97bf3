"""Packages of one name in several projects, and in the environment: each project sees its own."""

import subprocess
import sys
from pathlib import Path

import pytest

COLUMNS = """
from lockstep import Floats, Key, Outcome, Pipeline, Record, feature, label
from transforms.shared import FACTOR


class Row(Record):
    name: Key[str]
    x: float


class Later(Outcome):
    y: float


@feature
def scaled(x: Floats) -> Floats:
    return x * FACTOR


@label
def truth(y: Floats) -> Floats:
    return y


PIPELINE = Pipeline(__name__, record=Row, outcome=Later)
"""
ASSETS = """
from lockstep import CsvSource, PipelineAssets
from transforms.same import PIPELINE

ASSETS = PipelineAssets(pipeline=PIPELINE, history=CsvSource("data/same.csv"))
"""
BOTH = """
import sys
from pathlib import Path

from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.project.sources import decode_source

one, two = (Project.find(Path(folder)) for folder in sys.argv[1:])
found = []
for project in (one, two, one, two):
    declared = pipelines(project).get("same")
    rows = decode_source(declared.history, declared.pipeline.joint_schema).columns
    import transforms.same
    from transforms import shared

    assert transforms.same.PIPELINE is declared.pipeline
    assert shared.FACTOR == declared.pipeline.evaluate(rows, ("scaled",))["scaled"][0]
    found.append((shared.FACTOR, id(shared), id(declared)))
assert found[0] == found[2] and found[1] == found[3], found
print([factor for factor, *_ in found])
"""
ONE = """
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project

found = pipelines(Project.find())
print(found.names, [broken.error for broken in found.broken.values()])
"""


def project(folder: Path, factor: int, *, is_package: bool) -> Path:
    for package in ("transforms", "assets", "data"):
        (folder / package).mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.lockstep]\n")
    (folder / "transforms" / "same.py").write_text(COLUMNS)
    (folder / "transforms" / "shared.py").write_text(f"FACTOR = {factor}\n")
    (folder / "assets" / "same.py").write_text(ASSETS)
    (folder / "data" / "same.csv").write_text("name,x,y\na,1,2\n")
    if is_package:
        for package in ("transforms", "assets"):
            (folder / package / "__init__.py").touch()
    return folder


def run(program: str, *arguments: Path, cwd: Path, path: Path | None = None) -> str:
    """What a program prints in a process of its own, that has a further folder to import from."""
    begin = f"import sys; sys.path.append({str(path)!r})\n" if path is not None else ""
    found = subprocess.run(
        [sys.executable, "-c", begin + program, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.mark.parametrize("second", [False, True], ids=["second plain", "second a package"])
@pytest.mark.parametrize("first", [False, True], ids=["first plain", "first a package"])
def test_two_projects_with_the_same_names_live_in_one_process(
    tmp_path: Path, first: bool, second: bool
) -> None:
    one = project(tmp_path / "one", 2, is_package=first)
    two = project(tmp_path / "two", 3, is_package=second)
    assert run(BOTH, one, two, cwd=tmp_path) == "[2, 3, 2, 3]"


@pytest.mark.parametrize("is_package", [False, True], ids=["plain", "a package"])
def test_an_installed_package_of_the_name_does_not_shadow_the_projects(
    tmp_path: Path, is_package: bool
) -> None:
    here = project(tmp_path / "one", 2, is_package=is_package)
    for package in ("transforms", "assets"):
        (tmp_path / "installed" / package).mkdir(parents=True)
        (tmp_path / "installed" / package / "__init__.py").touch()
    assert run(ONE, cwd=here, path=tmp_path / "installed") == "['same'] []"


def test_an_installed_package_that_was_imported_before_does_not_either(tmp_path: Path) -> None:
    here = project(tmp_path / "one", 2, is_package=False)
    (tmp_path / "installed" / "transforms").mkdir(parents=True)
    (tmp_path / "installed" / "transforms" / "__init__.py").touch()
    before = "import transforms\n"
    assert run(before + ONE, cwd=here, path=tmp_path / "installed") == "['same'] []"


def test_a_project_is_found_from_a_folder_in_it_and_its_paths_are_its_own(tmp_path: Path) -> None:
    here = project(tmp_path / "one", 2, is_package=False)
    program = ONE + "print(len(found.get('same').history.read().read_text()))\n"
    assert run(program, cwd=here / "data") == "['same'] []\n15"
