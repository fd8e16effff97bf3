"""`lockstep demo`: a new project trained, promoted and scored, and a skew caught by name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from lockstep.cli.ending import interruption_told
from lockstep.errors import LockstepError

_COLUMN = "flavanoid_share"
_SOUND = "return flavanoids / phenols"
_SKEWED = "return flavanoids / phenols.mean()"
_ELSEWHERE = ("LOCKSTEP_HOME", "DAGSTER_HOME", "MLFLOW_TRACKING_URI")
"""Settings that would have the demonstration use another home or server."""
_LIMIT_SECONDS = 900
"""A command on some hundred bottles that takes longer hangs."""


def demo() -> None:
    """See it at work: a new project in a temporary folder, trained and scored; a skew is caught."""
    from lockstep.cli.console import say
    from lockstep.templates.project_writing import write_project

    folder = Path(tempfile.mkdtemp(prefix="lockstep-demo-")) / "bottles"
    write_project(folder)
    shown = _Demonstration(folder)
    say(f"A new project, as `lockstep new bottles` writes it: {folder}\n")
    with interruption_told(lambda: f"what was made is in {folder}; delete it, or go on there."):
        shown.train()
        shown.promote()
        shown.score()
        say(f"\nNow somebody lets {_COLUMN} depend on whatever rows come together:")
        caught = shown.skew()
    say(
        f"\nWhat next?\n\n  cd {folder}\n  lockstep checks wine    # every finding\n"
        "  lockstep up             # all of it in a browser: http://127.0.0.1:4000\n\n"
        f"Everything is in {folder} (what was written: .lockstep/ there); delete it when you are "
        "done. Your own: lockstep new NAME"
    )
    raise typer.Exit(0 if caught else 1)


@dataclass(frozen=True)
class _Demonstration:
    """Carries out commands in a project's folder, each in a process, and shows their results."""

    folder: Path

    def train(self) -> None:
        answer = self._run("train", "wine")
        (run,) = answer["runs"]
        quality = _check(run, "quality")
        self._say(f"Version {answer['version']} is registered: {quality['summary']}")

    def promote(self) -> None:
        answer = self._run("promote", "wine")
        (run,) = answer["runs"]
        replayed = _check(run, "golden_replay")
        self._say(f"Version {answer['live']} is live: {replayed['summary']}")

    def score(self) -> None:
        (run,) = self._run("score", "wine", "--file", "new_bottles.csv")["runs"]
        rows = _check(run, "row_conservation")
        aside = _check(run, "input_suite")
        self._say(f"Published: {rows['summary']} {aside['summary']}.")

    def skew(self) -> bool:
        """Change the code, train it, and undo the change; returns whether it was caught."""
        file = self.folder / "transforms" / "wine.py"
        sound = file.read_text(encoding="utf-8")
        file.write_text(sound.replace(_SOUND, _SKEWED), encoding="utf-8")
        self._say(f"transforms/wine.py: {_SKEWED}")
        try:
            (run,) = self._run("train", "wine", status=1)["runs"]
        finally:
            file.write_text(sound, encoding="utf-8")
        failed = [check for check in run["checks"] if check["result"] == "failed"]
        named = next((check for check in failed if check["column"] == _COLUMN), None)
        if named is None:
            self._say("No check named it.")
            return False
        self._say(f"Caught by {named['check']}: {named['summary']}")
        registered = any(asset.endswith("/candidate") for asset in run["materialized"])
        self._say("Registered all the same." if registered else "Nothing was registered.")
        return not registered

    def _run(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """The JSON that a command prints."""
        from lockstep.cli.console import say

        say(f"$ lockstep {' '.join(arguments)}")
        try:
            completed = subprocess.run(
                [
                    *(sys.executable, "-c", "from lockstep.cli.main import run; run()"),
                    *(*arguments, "--json"),
                ],
                cwd=self.folder,
                env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE},
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise LockstepError(
                f"The demonstration broke in {self.folder}: lockstep {' '.join(arguments)} has not "
                f"ended within {_LIMIT_SECONDS} seconds."
            ) from error
        try:
            answer: dict[str, Any] = json.loads(completed.stdout)
        except json.JSONDecodeError:
            answer = {}
        if completed.returncode != status or not answer:
            output = (completed.stderr or completed.stdout).strip()[-600:]
            raise LockstepError(
                f"The demonstration broke in {self.folder}: lockstep {' '.join(arguments)} ended "
                f"with status {completed.returncode}: {output}"
            )
        return answer

    def _say(self, line: str) -> None:
        from lockstep.cli.console import say

        say(f"  {line}")


def _check(run: dict[str, Any], name: str) -> dict[str, Any]:
    match: dict[str, Any] = next(check for check in run["checks"] if check["check"] == name)
    return match
