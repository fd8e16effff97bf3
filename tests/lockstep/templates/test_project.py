"""The project that `lockstep new` writes: its commands do what its README says, its tests pass."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import parquet

from lockstep.templates.writing import WritingError, write_project
from tests.conftest import use_home

COMMAND = "from lockstep.cli.main import run; run()"


class Written:
    """A project that was written, and commands run in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lockstep(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("-c", COMMAND, *arguments)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def bottles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """A new project, with a home of its own."""
    folder = tmp_path_factory.mktemp("new") / "bottles"
    write_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        use_home(folder / ".lockstep", patch)
        patch.delenv("LOCKSTEP_HOME")
        yield Written(folder)


@pytest.fixture(scope="module")
def answers(bottles: Written) -> dict[str, subprocess.CompletedProcess[str]]:
    """What the commands of its README answer, in their order."""
    readme = (bottles.folder / "README.md").read_text()
    commands = re.findall(r"^    lockstep (.+)$", readme, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["train", "promote", "score"]
    return {one.split()[0]: bottles.lockstep(*one.split(), "--json") for one in commands}


@pytest.mark.parametrize("command", ["train", "promote", "score"])
def test_each_command_of_its_readme_succeeds(
    answers: dict[str, subprocess.CompletedProcess[str]], command: str
) -> None:
    assert answers[command].returncode == 0, answers[command].stdout + answers[command].stderr


def test_no_check_of_its_training_fails(
    answers: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    checks = json.loads(answers["train"].stdout)["runs"][0]["checks"]
    assert {one["check"]: one["summary"] for one in checks if one["result"] != "passed"} == {}


def test_the_bottle_of_31_percent_is_set_aside_and_the_others_are_published(
    answers: dict[str, subprocess.CompletedProcess[str]], bottles: Written
) -> None:
    (run,) = json.loads(answers["score"].stdout)["runs"]
    inbox = bottles.folder / ".lockstep" / "data" / "wine" / "inbox"
    published = parquet.read_table(inbox / "published" / f"{run['partition']}.parquet")
    assert published.column("bottle").to_pylist() == ["new 1", "new 2", "new 3"]
    quarantined = inbox / "batch_quarantine" / f"{run['partition']}.parquet"
    (row,) = parquet.read_table(quarantined).to_pylist()
    assert (row["key"], row["columns"]) == ("new 4", ["alcohol"])


def test_its_tests_pass(bottles: Written) -> None:
    found = bottles.python("-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert found.returncode == 0, found.stdout
    assert "3 passed" in found.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "test", "said"),
    [
        (
            "transforms",
            "flavanoids / phenols",
            "flavanoids / phenols.mean()",
            "depends_on_its_own_row",
            "flavanoid_share",
        ),
        ("expectations", "max_value=17", "max_value=14", "is_what_the_suites", "alcohol"),
    ],
    ids=["row-locality", "suites"],
)
def test_its_tests_name_the_column_at_fault(
    tmp_path: Path, file: str, old: str, new: str, test: str, said: str
) -> None:
    write_project(tmp_path / "bottles")
    edited = tmp_path / "bottles" / file / "wine.py"
    edited.write_text(edited.read_text().replace(old, new))
    found = Written(tmp_path / "bottles").python(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", test)
    )
    assert found.returncode == 1, found.stdout
    assert re.search(rf"^E +AssertionError: .*{said}", found.stdout, re.MULTILINE), found.stdout


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
