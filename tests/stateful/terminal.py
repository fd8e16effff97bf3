"""The terminal: actions carried out one by one, each in a process that may be killed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks._writes import Writes

_LONGEST_SECONDS = 300
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.stateful.preloaded"])


@dataclass(frozen=True)
class Ended:
    """How an action ended.

    Attributes:
        status: Its exit status; negative where a signal ended it.
        output: What it said.
        errors: What it said on stderr.
        writes: How many writes it made; None where it was killed.
    """

    status: int
    output: str
    errors: str
    writes: int | None

    def __str__(self) -> str:
        """The exit status, what checks are in error, and what was said on stderr."""
        failed = [
            f"{one['asset']} {one['check']}: {one['summary']}"
            for one in self._checks
            if one["result"] == "failed"
        ]
        return "\n".join([f"exit status {self.status}", *failed, self.errors])

    @property
    def was_killed(self) -> bool:
        """Whether it was killed before it ended by itself."""
        return self.status < 0

    def has_published(self, partition: str) -> bool:
        """Whether a run of the action published a partition."""
        return any(run["partition"] == partition and run["published"] for run in self._runs)

    def has_passed(self, asset: str) -> bool:
        """Whether an asset was checked, and no check of it is in error."""
        found = [one for one in self._checks if one["asset"].endswith(asset)]
        return bool(found) and all(one["result"] != "failed" for one in found)

    @property
    def _runs(self) -> Sequence[Mapping[str, Any]]:
        told = json.loads(self.output) if self.output else {}
        return told["runs"] if isinstance(told, dict) and "runs" in told else ()

    @property
    def _checks(self) -> list[Mapping[str, Any]]:
        return [one for run in self._runs for one in run["checks"]]


class Started:
    """An action that is under way."""

    def __init__(self, process: BaseProcess, folder: Path) -> None:
        self._process, self._folder = process, folder

    def end(self) -> Ended:
        """Wait for its end."""
        self._process.join(_LONGEST_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"{self._read('err')}: not over after {_LONGEST_SECONDS} s")
        status = self._process.exitcode
        count = self._read("writes")
        return Ended(status, self._read("out"), self._read("err"), int(count) if count else None)

    def _read(self, name: str) -> str:
        file = self._folder / name
        return file.read_text() if file.exists() else ""


class Terminal:
    """Starts actions, each in a process forked from one in which all libraries are loaded.

    Args:
        folder: Where to keep what they say.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0

    def start(
        self,
        action: Callable[..., None],
        *arguments: Any,
        project: Path,
        home: Path,
        last_write: int | None = None,
    ) -> Started:
        """Start an action in a project; kill it before the write of a number."""
        self._number += 1
        folder = self._folder / str(self._number)
        folder.mkdir(parents=True)
        process = _CONTEXT.Process(
            target=_carry_out, args=(action, arguments, project, home, last_write, folder)
        )
        process.start()
        return Started(process, folder)


def _carry_out(
    action: Callable[..., None],
    arguments: tuple[Any, ...],
    project: Path,
    home: Path,
    last_write: int | None,
    folder: Path,
) -> None:
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
        os.environ.pop(name, None)
    os.environ["LOCKSTEP_HOME"] = str(home)
    os.chdir(project)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY), number)
    writes = Writes(home, last_write)
    writes.watch()
    try:
        action(*arguments)
    finally:
        (folder / "writes").write_text(str(writes.count))
