"""The example of README.md: its text agrees with its files, and its commands do what it says."""

import json
import re
import shutil
from pathlib import Path

import pytest
from pyarrow import parquet

PROJECT = Path(__file__).parents[3]
EXAMPLE = PROJECT / "docs" / "example"
SECTION = (
    (PROJECT / "README.md")
    .read_text()
    .partition("## Add a pipeline of your own")[2]
    .partition("\n## ")[0]
)
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
DEFINITIONS = [one.strip() for block in BLOCKS for one in block.split("\n\n\n")]


def squeezed(text: str) -> str:
    """A text without its white space."""
    return "".join(text.split())


def test_the_readme_walks_through_each_file() -> None:
    assert len(BLOCKS) == 4
    assert all(f"(`{path.relative_to(EXAMPLE)}`)" in SECTION for path in EXAMPLE.rglob("*.py"))


@pytest.mark.parametrize("code", DEFINITIONS, ids=range(len(DEFINITIONS)))
def test_code_in_the_readme_is_that_of_the_files(code: str) -> None:
    files = [squeezed(path.read_text()) for path in EXAMPLE.rglob("*.py")]
    assert any(squeezed(code) in file for file in files), code


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, checkouts):
    """The commands of the README, run on a copy of the project, and where they ran."""
    checkout = checkouts(tmp_path_factory.mktemp("example"))
    for copied in re.findall(r"^cp (\S+) (\S+)$", SECTION, re.MULTILINE):
        shutil.copy(PROJECT / copied[0], checkout.folder / copied[1])
    commands = re.findall(r"^\.venv/bin/lockstep (.+)$", SECTION, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["train", "promote", "score"]
    answers = {}
    for command in commands:
        arguments = [
            str(PROJECT / one) if one.startswith("docs/") else one for one in command.split()
        ]
        answers[arguments[0]] = checkout.lockstep(*arguments, "--json")
    return checkout, answers


@pytest.mark.parametrize("command", ["train", "promote", "score"])
def test_each_command_of_the_readme_succeeds(answers, command: str) -> None:
    answer = answers[1][command]
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_no_check_of_the_examples_training_fails(answers) -> None:
    checks = json.loads(answers[1]["train"].stdout)["runs"][0]["checks"]
    assert {one["check"]: one["summary"] for one in checks if one["result"] != "passed"} == {}


def test_three_bottles_are_published_and_the_one_of_31_percent_is_in_quarantine(answers) -> None:
    (run,) = json.loads(answers[1]["score"].stdout)["runs"]
    inbox = answers[0].home / "data" / "wine" / "inbox"
    published = parquet.read_table(inbox / "published" / f"{run['partition']}.parquet")
    assert published.column("bottle").to_pylist() == ["new 1", "new 2", "new 3"]
    quarantined = inbox / "batch_quarantine" / f"{run['partition']}.parquet"
    (row,) = parquet.read_table(quarantined).to_pylist()
    assert (row["key"], row["columns"]) == ("new 4", ["alcohol"])
