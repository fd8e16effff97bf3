"""Where readings come from: files that are delivered into the home's folder `upstream`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from expectations.meters import SUITES
from lockstep import Calendar, Constraints, PipelineAssets, Quality
from lockstep.project.project import Project
from transforms.meters import PIPELINE


@dataclass(frozen=True)
class Upstream:
    """Files of JSON lines; the name of a day's file is the day."""

    name: str = "{day}"

    def read(self, day: date | None = None) -> Path:
        """The path of the file."""
        folder = Project.find(Path(__file__)).home.path / "upstream"
        return folder / f"{self.name.format(day=day)}.jsonl"

    def describe(self) -> str:
        """What it is, in one line."""
        return f"upstream/{self.name}.jsonl"


ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    suites=SUITES,
    history=Upstream("history"),
    daily=Upstream(),
    calendar=Calendar(date(2020, 3, 1), date(2020, 3, 6)),
    quality=[Quality("expected_use", "use", "mae", threshold=20.0)],
    # keys of files begin with the name of the file, those of the history with the day
    constraints=Constraints(first_batches=0, columns={"reading_id": "warn"}),
)
