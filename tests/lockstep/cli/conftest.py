"""Commands carried out in this process: no library is loaded anew."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lockstep.cli.main import main


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that says what was wrong, of a command that was used wrongly."""
        assert self.status == 2, self
        (line,) = self.err.splitlines()
        return line.removeprefix("error: ")


Lockstep = Callable[..., Answer]


@pytest.fixture
def lockstep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lockstep:
    """Runs a command in this process, in the folder of the project `orders`."""
    monkeypatch.chdir(Path(__file__).parents[2] / "projects" / "orders")

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["lockstep", *arguments])
        monkeypatch.setenv("COLUMNS", "300")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return Answer(int(stop.value.code or 0), said.out, said.err)

    return run
