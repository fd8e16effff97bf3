"""Where needs and tables come from: files that are delivered into the home's folder `upstream`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from expectations.depots import climate_suite
from lockstep import Calendar, Constraints, PipelineAssets, Quality, TableAssets
from lockstep.errors import NotDeliveredError
from lockstep.project.project import Project
from transforms.depots import PIPELINE, Article, Climate, Sale


@dataclass(frozen=True)
class Upstream:
    """Files of JSON lines; the name of a day's file has the day."""

    name: str

    def read(self, day: date | None = None) -> Path:
        """The path of the file."""
        folder = Project.find(Path(__file__)).home.path / "upstream"
        file = folder / f"{self.name.format(day=day)}.jsonl"
        if not file.exists():
            raise NotDeliveredError(f"{self.describe()}: there is no file {file.name}; deliver it.")
        return file

    def describe(self) -> str:
        """What it is, in one line."""
        return f"upstream/{self.name}.jsonl"


ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    history=Upstream("history"),
    daily=Upstream("needs-{day}"),
    calendar=Calendar(date(2020, 3, 1), date(2020, 3, 6)),
    quality=[Quality("expected", "needed", "mae", threshold=20.0)],
    constraints=Constraints(default="warn"),
    tables=[
        TableAssets(
            Climate, Upstream("climate-{day}"), suite=climate_suite, since=date(2019, 12, 30)
        ),
        TableAssets(Article, Upstream("articles")),
        TableAssets(Sale, Upstream("sales")),
    ],
)
