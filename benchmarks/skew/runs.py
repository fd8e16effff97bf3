"""Faults end to end: a tenth of them as runs of Dagster, beside what was judged in process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from assets.flight_delay import ASSETS
from benchmarks.skew.data import delivery_of, same_rows
from benchmarks.skew.deliveries import DataFault
from benchmarks.skew.platform import Platform
from benchmarks.skew.site import NAME, copy_registry, reported
from benchmarks.skew.tables import FLIGHTS
from benchmarks.skew.workers import carry_out
from lockstep.columns.errors import LockstepError
from lockstep.project.project import FILE, Project

PROJECT = Project.find(Path(__file__))
_RUN = "from lockstep.cli.main import run; run()"
_DELIVERED = """

import dataclasses

import pandas as pd


def delivered(day: date) -> pa.Table | pd.DataFrame:
    path = Project.find(Path(__file__)).home.path / "upstream" / f"{day}.pickle"
    return pd.read_pickle(path) if path.exists() else departures(day)


ASSETS = dataclasses.replace(ASSETS, daily=FunctionSource(delivered))
"""
"""What a copy of the project's sources ends with: rows of a day may be delivered to a folder."""


@dataclass(frozen=True)
class Task:
    """A fault of a day, to be carried out as a run.

    Attributes:
        home: The home of the platform.
        work: Where to work.
        day: The day.
        fault: Name of the fault; none for the day as it is.
    """

    home: Path
    work: Path
    day: date
    fault: str


@dataclass(frozen=True)
class Told:
    """What the checks in error or in a warning were, by both ways.

    Attributes:
        fault: Name of the fault.
        in_process: What the assets' functions said, by check.
        as_run: What the run recorded, by check.
        published: Whether each let the day be published.
    """

    fault: str
    in_process: dict[str, str]
    as_run: dict[str, str]
    published: tuple[bool, bool]

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return self.in_process == self.as_run and self.published[0] == self.published[1]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "fault": self.fault,
            "agrees": self.agrees,
            "in_process": self.in_process,
            "as_run": self.as_run,
        }


def tenth(faults: list[DataFault]) -> list[DataFault]:
    """Every tenth fault; those of a day that comes again take two runs, and are left out."""
    return [one for one in faults if not one.again][::10]


def compare_runs(home: Path, work: Path, faults: list[DataFault], day: date) -> list[Told]:
    """Carry faults out in both ways.

    Args:
        home: The home of a platform that has scored the days before.
        work: Where to work.
        faults: The faults.
        day: The day.
    """
    tasks = [Task(home, work / f"run-{one.fault.name}", day, one.fault.name) for one in faults]
    return carry_out(_tried, tasks, "faults as runs of Dagster")


def _tried(task: Task) -> Told:
    whole = Platform.at(task.home, ASSETS)
    delivery = delivery_of(whole, task.day)
    (fault,) = (one for one in FLIGHTS.faults if one.fault.name == task.fault)
    rows = fault.change(delivery)
    if same_rows(rows, delivery.rows):
        raise LockstepError(f"{task.fault} changes nothing on {task.day}.")
    judged = whole.before(task.day, task.work / "judged").judge(task.day, rows)
    site = task.work / "home"
    whole.before(task.day, site / "data")
    shutil.copytree(task.home / "live", site / "live")
    copy_registry(task.home, site)
    (site / "cache").symlink_to(task.home / "cache")
    (site / "upstream").mkdir()
    rows.to_pickle(site / "upstream" / f"{task.day}.pickle")
    project = _copy_of_project(task.work / "project")
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "score", NAME, "--day", task.day.isoformat(), "--json"],
        cwd=project,
        env={**os.environ, "LOCKSTEP_HOME": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    results = reported(done.stdout or done.stderr)
    published = (site / "data" / NAME / "daily" / "published" / f"{task.day}.parquet").exists()
    shutil.rmtree(task.work)
    left_out = "code_parity"  # a copy of the project has another place
    return Told(
        fault=task.fault,
        in_process=_loud(judged.results, left_out),
        as_run=_loud(results, left_out),
        published=(bool(judged.out), published),
    )


def _loud(results: Any, left_out: str) -> dict[str, str]:
    """The checks that found something, each with how bad that is."""
    return {
        name: one.result
        for name, one in sorted(results.items())
        if one.result in ("failed", "warned") and name != left_out
    }


def _copy_of_project(folder: Path) -> Path:
    """A copy of the project in which upstream may deliver rows to a folder of the home."""
    for package in PROJECT.packages:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT.root / package, folder / package, ignore=ignored)
    shutil.copytree(PROJECT.root / "orchestration", folder / "orchestration")
    shutil.copyfile(PROJECT.root / FILE, folder / FILE)
    assets = folder / "assets" / f"{NAME}.py"
    assets.write_text(assets.read_text() + _DELIVERED)
    return folder
