"""What a pipeline's file in this package declares: its sources and the demands on its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from lockstep.columns.errors import DeclarationError
from lockstep.columns.pipeline import Pipeline
from lockstep.project.quality import Quality
from lockstep.project.sources import Source
from lockstep.suites.suites import Suites


@dataclass(frozen=True)
class Calendar:
    """The days there are to score.

    Attributes:
        start: The first day.
        end: The last day, for a calendar that is replayed; None for one that goes on.
        timezone: Where a day begins and ends, as an IANA name.
    """

    start: date
    end: date | None = None
    timezone: str = "UTC"

    def days(self, now: datetime | None = None) -> list[str]:
        """The days that are over by now, in ISO form and in order."""
        today = (now or datetime.now(UTC)).astimezone(ZoneInfo(self.timezone)).date()
        last = min(self.end, today - timedelta(days=1)) if self.end else today - timedelta(days=1)
        count = (last - self.start).days + 1
        return [(self.start + timedelta(days=number)).isoformat() for number in range(count)]


@dataclass(frozen=True, eq=False)
class PipelineAssets:
    """A pipeline with the sources of its rows and the demands on them.

    Attributes:
        pipeline: The columns.
        history: Labelled rows to train on.
        suites: What input, features and outputs must look like; nothing by default.
        daily: The rows of one day to score; None for a pipeline scored from its inbox only.
        outcomes: What became of a day's rows: their keys and the outcome's fields; None where
            outcomes never arrive.
        calendar: The days that `daily` has; needed where there is a `daily` source.
        quality: Demands on predictions, measured on held-out rows and on live ones.
        slices: Text columns whose values part the rows for the quality by slice.
        holdout: Share of the newest history rows on which a fit to the older ones is evaluated.
        max_quarantined: Largest share of a batch, or of the history, that may be quarantined, and
            that may repeat a key; more blocks it. One row always may be, unless it is the only one.
        max_age: For how long a version is fresh after its newest training row.
    """

    pipeline: Pipeline
    history: Source
    suites: Suites = field(default_factory=Suites)
    daily: Source | None = None
    outcomes: Source | None = None
    calendar: Calendar | None = None
    quality: Sequence[Quality] = ()
    slices: Sequence[str] = ()
    holdout: float = 0.2
    max_quarantined: float = 0.05
    max_age: timedelta = field(default=timedelta(days=365))

    def __post_init__(self) -> None:
        if self.daily is not None and self.calendar is None:
            raise DeclarationError(f"{self.name} has a daily source but no calendar; give both.")
        if self.outcomes is not None and self.daily is None:
            raise DeclarationError(f"{self.name} has outcomes of days, but no daily source.")
        if not 0 < self.holdout < 1:
            raise DeclarationError(f"{self.name}: holdout is a share between 0 and 1.")
        graph = self.pipeline.graph
        for quality in self.quality:
            if quality.column not in graph.served or quality.label not in graph.labels:
                raise DeclarationError(
                    f"{self.name}: quality is measured between a column that is served and a "
                    f"label, not between {quality.column!r} and {quality.label!r}."
                )
            quality.check_fit(graph)
        for name in self.slices:
            if name not in graph.served:
                raise DeclarationError(f"{self.name}: slices names {name!r}, which is no column.")

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.pipeline.name
