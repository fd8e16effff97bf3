"""Mistakes of a new user: each is told in one clear line, with the right exit status."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from lockstep.templates.project_writing import write_project
from tests.fixtures.commands import Lockstep


class Mistake(NamedTuple):
    """A mistake, the command that meets it, and what that has to say."""

    make: Callable[[Path], object]
    command: str
    status: int
    said: str


def edited(file: str, before: str, after: str) -> Callable[[Path], object]:
    """A mistake in a file of the project."""

    def make(project: Path) -> None:
        text = (project / file).read_text()
        assert before in text
        (project / file).write_text(text.replace(before, after, 1))

    return make


def nothing(_: Path) -> None:
    """The project as it was written."""


PERCENT = edited("assets/wine.py", "threshold=0.85", 'threshold="85%"')
PERCENT_SAID = "Quality: threshold is '85%'; give a number, such as 0.85."
RECEIVERS = '\n[tool.lockstep.alerts.receivers]\nteam = "slak://secret/models"\n'
APPRISE = edited("pyproject.toml", "\n[tool.dg]\n", RECEIVERS + "\n[tool.dg]\n")
REDUCTION = """
from datetime import timedelta
from lockstep import Event, EventTime, window


class Visit(Event, known_after=timedelta(0)):
    cellar: Key[str]
    at: EventTime


@window(Visit, over=timedelta(days=1), how=["cuont"])
def visits(bottle, alcohol):
    return None


PIPELINE = Pipeline("""
NOWHERE = "sqlite:////nowhere-at-all/mlflow.db"

MISTAKES = {
    "a threshold in percent, listed": Mistake(PERCENT, "list", 1, PERCENT_SAID),
    "a threshold in percent, trained": Mistake(PERCENT, "train wine", 2, PERCENT_SAID),
    "a reduction that there is not": Mistake(
        edited("transforms/wine.py", "\nPIPELINE = Pipeline(", REDUCTION),
        "list",
        1,
        "@window: how[0] is 'cuont'; give one of 'count', 'sum', 'mean', 'min', 'max', 'last', "
        "'distinct' (did you mean 'count'?).",
    ),
    "no assets": Mistake(
        lambda project: (project / "assets/wine.py").unlink(),
        "list",
        1,
        "none in assets/ declares it a pipeline: add assets/wine.py with ASSETS = PipelineAssets",
    ),
    "an unknown column in a suite": Mistake(
        edited("expectations/wine.py", 'column="alcohol"', 'column="alcohl"'),
        "list",
        1,
        "is about 'alcohl', and there is no such column. Did you mean 'alcohol'?",
    ),
    "a keyword for a name": Mistake(
        nothing, "new --pipeline class", 2, "'class' is a word of Python's"
    ),
    "a name that is too long": Mistake(
        nothing, f"new --pipeline {'a' * 300}", 2, "A name of 300 letters is too long"
    ),
    "a folder's name that is too long": Mistake(
        nothing, f"new {'a' * 300}", 2, "cannot be used (File name too long). Give another path."
    ),
    "an address that Apprise does not know": Mistake(
        APPRISE,
        "alerts test",
        1,
        "team was not reached: its address in [tool.lockstep.alerts] has slak://, which Apprise "
        "does not know (did you mean 'slack'?)",
    ),
    **{
        f"a home that cannot be, {command}": Mistake(
            nothing, f"LOCKSTEP_HOME=README.md/home {command}", 2, "and no folder can be there"
        )
        for command in ("list", "status", "versions wine", "checks wine", "train wine")
    },
    **{
        f"a registry in no folder, {command}": Mistake(
            nothing, f"MLFLOW_TRACKING_URI={NOWHERE} {command}", 2, "in no folder that there is"
        )
        for command in ("versions wine", "promote wine", "rollback wine")
    },
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `lockstep new` writes it."""
    folder = tmp_path_factory.mktemp("mistakes") / "bottles"
    write_project(folder)
    return folder


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_in_one_line(
    name: str, written: Path, tmp_path: Path, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake = MISTAKES[name]
    project = tmp_path / "bottles"
    shutil.copytree(written, project)
    mistake.make(project)
    lockstep.go_to(project, tmp_path / "home")
    words = mistake.command.split()
    while "=" in words[0]:
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    answer = lockstep(*words)
    lines = [line for line in (answer.err or answer.out).splitlines() if mistake.said in line]
    assert answer.status == mistake.status, answer
    assert len(lines) == 1, answer
    assert len(answer.err.splitlines()) <= 1, answer
    assert "secret" not in answer.out + answer.err
