"""Mistakes of a new user: each is told in one clear line, with the right exit status."""

import shlex
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
    "a file in the way of a project": Mistake(
        nothing, "new README.md/x", 2, "cannot be written (Not a directory). Name another place."
    ),
    "a folder for a table": Mistake(
        nothing, "new --pipeline z --from .", 2, ".: it is a folder; name a file in it."
    ),
    "a keyword for a table": Mistake(
        nothing,
        "new --pipeline z --from new_bottles.csv --table class=new_bottles.csv",
        2,
        "no word of Python's",
    ),
    "nothing for a version": Mistake(nothing, "promote wine ''", 2, "the command is an empty text"),
    "nothing for an option": Mistake(nothing, "rollback wine --to=", 2, "--to has an empty text"),
    "nothing for a folder": Mistake(
        nothing, "checks wine --docs ''", 2, "--docs has an empty text"
    ),
    "a port that is none": Mistake(nothing, "serve wine --port 99999", 2, "or equal to 65535"),
    "a port of the system's choice": Mistake(nothing, "up --port 0", 2, "or equal to 1"),
    "a drain without an end": Mistake(nothing, "serve wine --drain inf", 2, "or equal to 86400"),
    "more workers than a machine has": Mistake(
        nothing, "serve wine --workers 99999999", 2, "less than or equal to 1024"
    ),
    "a folder for a record": Mistake(
        nothing, "trace wine --record .", 2, ".: it is a folder; name a file in it."
    ),
    "a folder for a scored file": Mistake(
        nothing, "trace wine --key a --file tests", 2, "tests is a folder"
    ),
    "which of several records": Mistake(
        nothing, "trace wine --record new_bottles.csv", 2, "by --key, such as --key 'new 1'."
    ),
    "a picture in no folder": Mistake(
        nothing,
        "trace wine --record new_bottles.csv --picture nowhere/x.svg",
        2,
        "nowhere/x.svg cannot be drawn: there is no folder nowhere. Make it, or name another file.",
    ),
    "a version for a row that was scored": Mistake(
        nothing,
        "trace wine --key a --day 2013-04-01 --against checkout",
        2,
        "--version, --against and --picture are for a record of your own: --record FILE.",
    ),
    **{
        f"a day that nobody scored, {command}": Mistake(
            nothing,
            f"quarantine {command} wine --day 2013-04-01",
            2,
            "wine has made no attempt at 2013-04-01 yet.",
        )
        for command in ("list", "show --key a", "retry --key a")
    },
    "a day that nobody scored, checks": Mistake(
        nothing, "checks wine --day 2013-04-01", 2, "No check of wine has run for 2013-04-01 in"
    ),
    "an attempt at nothing": Mistake(
        nothing, "quarantine list wine --attempt 1", 2, "Say of which partition: either --day DAY"
    ),
    "a row of no file": Mistake(
        nothing,
        "quarantine retry wine --day 2013-04-01 --key a --row 3",
        2,
        "--row goes with --rows FILE: it says which row that corrects.",
    ),
    **{
        f"a registry's address that is none, {command}": Mistake(
            nothing, f"MLFLOW_TRACKING_URI=nonsense {command}", 2, "nonsense is no address of a"
        )
        for command in ("list", "status", "alerts", "up", "versions wine")
    },
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
        for command in (
            "versions wine",
            "promote wine",
            "rollback wine",
            "list",
            "status",
            "alerts",
        )
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
    words = shlex.split(mistake.command)
    while "=" in words[0]:
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    answer = lockstep(*words)
    lines = [line for line in (answer.err or answer.out).splitlines() if mistake.said in line]
    assert answer.status == mistake.status, answer
    assert len(lines) == 1, answer
    assert len(answer.err.splitlines()) <= 1, answer
    assert "secret" not in answer.out + answer.err
