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
    """A command that meets a mistake, what it has to say, the status, and what was edited."""

    command: str
    said: str
    status: int = 2
    make: Callable[[Path], object] = lambda project: None


def edited(file: str, before: str, after: str) -> Callable[[Path], object]:
    """A mistake in a file of the project."""

    def make(project: Path) -> None:
        text = (project / file).read_text()
        assert before in text
        (project / file).write_text(text.replace(before, after, 1))

    return make


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
DAY = "--day 2013-04-01"
NOWHERE = "sqlite:////nowhere-at-all/mlflow.db"

MISTAKES = {
    "a threshold in percent, listed": Mistake("list", PERCENT_SAID, 1, PERCENT),
    "a threshold in percent, trained": Mistake("train wine", PERCENT_SAID, 2, PERCENT),
    "a reduction that there is not": Mistake(
        "list",
        "@window: how[0] is 'cuont'; give one of 'count', 'sum', 'mean', 'min', 'max', 'last', "
        "'distinct' (did you mean 'count'?).",
        1,
        edited("transforms/wine.py", "\nPIPELINE = Pipeline(", REDUCTION),
    ),
    "no assets": Mistake(
        "list",
        "none in assets/ declares it a pipeline: add assets/wine.py with ASSETS = PipelineAssets",
        1,
        lambda project: (project / "assets/wine.py").unlink(),
    ),
    "an unknown column in a suite": Mistake(
        "list",
        "is about 'alcohl', and there is no such column. Did you mean 'alcohol'?",
        1,
        edited("expectations/wine.py", 'column="alcohol"', 'column="alcohl"'),
    ),
    "an address that Apprise does not know": Mistake(
        "alerts test",
        "team was not reached: its address in [tool.lockstep.alerts] has slak://, which Apprise "
        "does not know (did you mean 'slack'?)",
        1,
        APPRISE,
    ),
    "a keyword for a name": Mistake("new --pipeline class", "'class' is a word of Python's"),
    "a name that is too long": Mistake(
        f"new --pipeline {'a' * 300}", "A name of 300 letters is too long"
    ),
    "a folder's name that is too long": Mistake(
        f"new {'a' * 300}", "cannot be used (File name too long). Give another path."
    ),
    "a file in the way of a project": Mistake(
        "new README.md/x", "cannot be written (Not a directory). Name another place."
    ),
    "a folder for a table": Mistake(
        "new --pipeline z --from .", ".: it is a folder; name a file in it."
    ),
    "a keyword for a table": Mistake(
        "new --pipeline z --from new_bottles.csv --table class=new_bottles.csv",
        "no word of Python's",
    ),
    "nothing for a version": Mistake("promote wine ''", "the command is an empty text"),
    "nothing for an option": Mistake("rollback wine --to=", "--to has an empty text"),
    "nothing for a folder": Mistake("checks wine --docs ''", "--docs has an empty text"),
    "a port that is none": Mistake("serve wine --port 99999", "or equal to 65535"),
    "a port of the system's choice": Mistake("up --port 0", "or equal to 1"),
    "a drain without an end": Mistake("serve wine --drain inf", "or equal to 86400"),
    "too many workers": Mistake("serve wine --workers 99999999", "less than or equal to 1024"),
    "a folder for a record": Mistake(
        "trace wine --record .", ".: it is a folder; name a file in it."
    ),
    "a folder for a scored file": Mistake("trace wine --key a --file tests", "tests is a folder"),
    "which of several records": Mistake(
        "trace wine --record new_bottles.csv", "by --key, such as --key 'new 1'."
    ),
    "a picture in no folder": Mistake(
        "trace wine --record new_bottles.csv --picture nowhere/x.svg",
        "nowhere/x.svg cannot be drawn: there is no folder nowhere. Make it, or name another file.",
    ),
    "a version for a row that was scored": Mistake(
        f"trace wine --key a {DAY} --against checkout",
        "--version, --against and --picture are for a record of your own: --record FILE.",
    ),
    **{
        f"a day that nobody scored, {command}": Mistake(
            f"quarantine {command} wine {DAY}", "wine has made no attempt at 2013-04-01 yet."
        )
        for command in ("list", "show --key a", "retry --key a")
    },
    "a day that nobody scored, checks": Mistake(
        f"checks wine {DAY}", "No check of wine has run for 2013-04-01 in"
    ),
    "an attempt at nothing": Mistake(
        "quarantine list wine --attempt 1", "Say of which partition: either --day DAY"
    ),
    "a row of no file": Mistake(
        f"quarantine retry wine {DAY} --key a --row 3",
        "--row goes with --rows FILE: it says which row that corrects.",
    ),
    **{
        f"a registry's address that is none, {command}": Mistake(
            f"MLFLOW_TRACKING_URI=nonsense {command}", "nonsense is no address of a"
        )
        for command in ("list", "status", "alerts", "up", "versions wine")
    },
    **{
        f"a home that cannot be, {command}": Mistake(
            f"LOCKSTEP_HOME=README.md/home {command}", "and no folder can be there"
        )
        for command in ("list", "status", "versions wine", "checks wine", "train wine")
    },
    **{
        f"a registry in no folder, {command}": Mistake(
            f"MLFLOW_TRACKING_URI={NOWHERE} {command}", "in no folder that there is"
        )
        for command in (
            *("list", "status", "alerts"),
            *(f"{command} wine" for command in ("versions", "promote", "rollback")),
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
