"""Four kinds of skew, each made on a copy of the project and left to the checks to find."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.artifacts.pointers import read_live
from lockstep.errors import LockstepError
from lockstep.project.home import Home
from lockstep.project.project import FILE, Project
from lockstep.store.parquet import Store

PIPELINE = "flight_delay"
PROJECT = Project.find(Path(__file__))


@dataclass(frozen=True)
class Skew:
    """A kind of skew.

    Attributes:
        name: Its name in the summary.
        story: What happens, in a line.
        column: The column that a check must name.
        change: Changes the copy of the project.
        command: What is run on the copy then; its checks have to find the skew.
        needs_history: Whether the copy needs the data that was scored before.
    """

    name: str
    story: str
    column: str
    change: Callable[[Path], None]
    command: tuple[str, ...]
    needs_history: bool = False


@dataclass(frozen=True)
class Catch:
    """What came of a skew.

    Attributes:
        skew: What was done.
        check: The failed check that names the column; None if none does.
        asset: The asset that it is on.
        summary: What the check found.
        published: Whether anything was published in spite of it.
    """

    skew: Skew
    check: str | None
    asset: str | None
    summary: str
    published: bool

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "skew": self.skew.name,
            "check": self.check,
            "column": self.skew.column if self.check is not None else None,
            "published": self.published,
        }


def _append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def _substitute(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if text.count(old) != 1:
        raise LockstepError(f"{path} does not hold {old!r} once; the demonstration needs it.")
    path.write_text(text.replace(old, new))


def _send_celsius(project: Path) -> None:
    """Upstream converts the temperatures of all hours from a certain day on."""
    _append(
        project / "assets" / f"{PIPELINE}.py",
        f"""

import dataclasses
from datetime import UTC, datetime


def weather_in_celsius() -> pa.Table:
    table = weather()
    place, temp = table.column_names.index("temp"), table.column("temp")
    begin = pa.scalar(datetime.fromisoformat({SKEWED_DAY!r}).replace(tzinfo=UTC))
    is_before = compute.less(table.column("hour"), begin)
    celsius = compute.divide(compute.subtract(temp, 32.0), 1.8)
    return table.set_column(place, "temp", compute.if_else(is_before, temp, celsius))


_WEATHER = TableAssets(Weather, FunctionSource(weather_in_celsius), suite=weather_suite)
ASSETS = dataclasses.replace(ASSETS, tables=[_WEATHER, *ASSETS.tables[1:]])
""",
    )


def _change_code(project: Path) -> None:
    """Somebody takes hhmm for a number of minutes."""
    _substitute(
        project / "transforms" / f"{PIPELINE}.py",
        "return sched_dep_time // 100 * 60 + sched_dep_time % 100",
        "return sched_dep_time",
    )


def _use_batch_mean(project: Path) -> None:
    """Somebody measures the spread from the mean of whatever rows came together."""
    _substitute(
        project / "transforms" / f"{PIPELINE}.py",
        "return weather_temp - weather_dewp",
        "return weather_temp - weather_dewp - np.nanmean(weather_temp - weather_dewp)",
    )


def _ask_of_the_future(project: Path) -> None:
    """Somebody looks up the weather as of an hour after the departure."""
    _substitute(
        project / "transforms" / f"{PIPELINE}.py",
        "return Asked(origin, as_of=scheduled_at)",
        "return Asked(origin, as_of=scheduled_at + np.timedelta64(1, 'h'))",
    )


SKEWED_DAY = "2013-05-01"
SKEWS = (
    Skew(
        "celsius",
        f"upstream sends temp in Celsius from {SKEWED_DAY} on",
        "temp",
        _send_celsius,
        ("tables", PIPELINE, "--deliver", "--json"),
        needs_history=True,
    ),
    Skew(
        "code",
        "the code of departure_minute changes between fit and promotion",
        "departure_minute",
        _change_code,
        ("promote", PIPELINE, "--json"),
    ),
    Skew(
        "batch_mean",
        "dew_point_spread uses the mean of its batch",
        "dew_point_spread",
        _use_batch_mean,
        ("train", PIPELINE, "--json"),
    ),
    Skew(
        "future",
        "weather is looked up an hour ahead: the weather of the coming minutes",
        "weather_temp",
        _ask_of_the_future,
        ("train", PIPELINE, "--json"),
    ),
)


class SkewedCopy:
    """A copy of the project and of the home in which a skew is tried, in a process of its own.

    Args:
        skew: What to do to the copy.
        home: The home to copy from; it is only read.
        registry: A copy of the registry's database to work on.
    """

    def __init__(self, skew: Skew, home: Home, registry: Path) -> None:
        self.skew = skew
        self.folder = home.path / "demo" / skew.name
        shutil.rmtree(self.folder, ignore_errors=True)
        project = self.folder / "project"
        for package in PROJECT.packages:
            shutil.copytree(
                PROJECT.root / package,
                project / package,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        shutil.copyfile(PROJECT.root / FILE, project / FILE)
        skew.change(project)
        self.home = Home(self.folder / "home")
        self.home.mlflow.mkdir(parents=True)
        shutil.copyfile(registry, self.home.mlflow / "mlflow.db")
        shutil.copytree(home.mlflow / "artifacts", self.home.mlflow / "artifacts")
        if skew.needs_history:
            shutil.copytree(home.data, self.home.data)
            pointer = self.home.live(PIPELINE)
            pointer.parent.mkdir(parents=True)
            shutil.copyfile(home.live(PIPELINE), pointer)
        self._live_before = read_live(self.home.live(PIPELINE))
        self._start(project)

    def _start(self, project: Path) -> None:
        own = ("DAGSTER_HOME", "MLFLOW_TRACKING_URI")
        others = {name: value for name, value in os.environ.items() if name not in own}
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from lockstep.cli.main import run; run()", *self.skew.command],
            cwd=project,
            env={**others, "LOCKSTEP_HOME": str(self.home.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def catch(self) -> Catch:
        """Wait for the process, and see which failed check names the column.

        Raises:
            LockstepError: The process gave no answer.
        """
        out, err = self._process.communicate()
        try:
            answer = json.loads(out)
        except json.JSONDecodeError:
            raise LockstepError(
                f"The demonstration of {self.skew.name} broke: {(err or out).strip()[-600:]}"
            ) from None
        checks = [check for run in answer["runs"] for check in run["checks"]]
        named = [
            check
            for check in checks
            if check["result"] == "failed" and check["column"] == self.skew.column
        ]
        errors = [run["error"] for run in answer["runs"] if run["error"] is not None]
        nothing: dict[str, Any] = {
            "check": None,
            "asset": None,
            "summary": "; ".join(errors) or "no failed check names the column",
        }
        found = next(iter(named), nothing)
        return Catch(
            skew=self.skew,
            check=found["check"],
            asset=found["asset"],
            summary=found["summary"],
            published=self._has_published(),
        )

    def _has_published(self) -> bool:
        """Whether skewed rows were published, or a version that would do so went live."""
        published = Store(self.home.data / PIPELINE).path("daily/published", SKEWED_DAY).exists()
        return published or read_live(self.home.live(PIPELINE)) != self._live_before
