"""Declarations: a pipeline's sources and the demands on its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from lockstep.artifacts.artifact import OF_TABLE
from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import meant
from lockstep.columns.setting_checks import Age, Allowed, declaration, demand_fit, demand_setting
from lockstep.errors import DeclarationError
from lockstep.project.constraint_levels import Constraints
from lockstep.project.quality import Quality
from lockstep.project.serving import Serving
from lockstep.project.sinks import COORDINATES, IS_CURRENT, Sink
from lockstep.project.sources import DeclaredSource, misread
from lockstep.project.table_assets import TableAssets, check_tables
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.suites.suites import SuiteJson, Suites

OnViolation: TypeAlias = Literal["block", "set_aside"]
Weekday: TypeAlias = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


@declaration
@dataclass(frozen=True)
class Calendar:
    """The days to score.

    Attributes:
        start: The first day.
        end: The last day, for a calendar that is replayed; None for one that goes on.
        timezone: The time zone of the days, as an IANA name.
        weekdays: Its days of the week, such as `("Mon", "Tue")`; all by default.
        holidays: Days that it leaves out.
    """

    start: date
    end: date | None = None
    timezone: str = "UTC"
    weekdays: Sequence[Weekday] = WEEKDAYS
    holidays: Iterable[date] = ()

    def __post_init__(self) -> None:
        some = "those that it has, such as ('Mon', 'Tue', 'Wed', 'Thu', 'Fri')"
        demand_setting(bool(self.weekdays), "Calendar: weekdays", self.weekdays, some)
        holidays = tuple(self.holidays)
        demand_fit("Calendar: holidays", holidays, tuple[date, ...])  # an iterator's, too
        object.__setattr__(self, "weekdays", tuple(self.weekdays))  # so that it can be hashed
        object.__setattr__(self, "holidays", tuple(sorted({*holidays})))
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise DeclarationError(
                f"Calendar: there is no time zone {self.timezone!r}"
                f"{meant(self.timezone, available_timezones())}; use a name such as "
                "'America/New_York', or leave it out for UTC."
            ) from None
        if self.end is not None and self.end < self.start:
            raise DeclarationError(
                f"Calendar: its end {self.end} is before its start {self.start}."
            )
        if self.start > datetime.now(zone).date():
            raise DeclarationError(
                f"Calendar: it starts on {self.start}, so that it has no days yet; start it today "
                "or earlier."
            )

    def days(self, now: datetime | None = None) -> list[str]:
        """The past days, in ISO form and in order."""
        today = (now or datetime.now(UTC)).astimezone(ZoneInfo(self.timezone)).date()
        last = min(self.end, today - timedelta(days=1)) if self.end else today - timedelta(days=1)
        count = (last - self.start).days + 1
        dates = (self.start + timedelta(days=number) for number in range(count))
        return [day.isoformat() for day in dates if self.has(day)]

    def has(self, day: date) -> bool:
        """Whether a day has one of the weekdays and is no holiday."""
        return WEEKDAYS[day.weekday()] in self.weekdays and day not in self.holidays

    def end_of(self, day: str) -> datetime:
        """The end of a day, in UTC."""
        after = date.fromisoformat(day) + timedelta(days=1)
        return datetime.combine(after, time.min, ZoneInfo(self.timezone)).astimezone(UTC)


@declaration
@dataclass(frozen=True, eq=False)
class PipelineAssets:
    """A pipeline with the sources of its rows and the demands on them.

    Attributes:
        pipeline: The columns.
        history: Labelled rows to train on.
        suites: Expectations on input, features and outputs; none by default.
        daily: The source of a day's rows to score; None for a pipeline scored from its inbox only.
        outcomes: The source of a day's outcomes: keys and the outcome's fields; None where
            outcomes never arrive.
        label_delay: How long after the end of a day its outcomes may take; until then the day is
            looked at again.
        min_known: Share of a day's rows whose outcome has to be known. With less, the day is not
            measured and, after `label_delay`, that is a warning.
        inbox: How CSV files are written that are dropped into its inbox.
        calendar: The days of `daily`; required with a `daily` source.
        quality: Demands on predictions, measured on held-out rows and on live ones.
        slices: Text columns whose values part the rows for the quality by slice; or, by column,
            by how much a slice's metric may be worse than that of all rows.
        holdout: Share of the newest history rows on which a fit to the older ones is evaluated.
        max_quarantined: Largest share of a batch, or of the history, that all steps together may
            quarantine, and that may repeat a key; more blocks it. One row is always allowed,
            unless none is left.
        max_age: How old the newest training row of a version may be.
        constraints: Levels of the constraints that a batch breaks.
        on_violation: What becomes of a file of several days where a day breaks one of these:
            `"set_aside"` keeps that day in quarantine and publishes the others, `"block"` holds the
            file back. A batch of one day is held back in any case.
        kept_attempts: Number of attempts at scoring a day or file to keep, with the published one.
        serving: Settings of its server; None for a pipeline without one.
        sinks: Where published predictions are written besides the home, such as
            `[ParquetSink("predictions")]`.
        tables: The tables that its look-ups and windows read, each with its source.
        by_hand: By test of the ML Test Score that people do, such as `model 1`: where its results
            are. See `lockstep scorecard`.
        owners: Who answers for it, as Dagster shows them: mail addresses, or `team:NAME`.
    """

    pipeline: Annotated[Pipeline, Allowed(meant="the PIPELINE of its module in transforms/")]
    history: DeclaredSource
    suites: Suites = field(default_factory=Suites)
    daily: DeclaredSource | None = None
    outcomes: DeclaredSource | None = None
    label_delay: Age = field(default=timedelta())
    min_known: Annotated[float, Allowed(above=0, most=1)] = 0.9
    calendar: Calendar | None = None
    quality: Sequence[Quality] = ()
    slices: Annotated[
        Sequence[str] | Mapping[str, Annotated[float, Allowed(least=0)]],
        Allowed(meant="names of columns, such as ['region'] or {'region': 0.05}"),
    ] = ()
    holdout: Annotated[float, Allowed(above=0, below=1)] = 0.2
    max_quarantined: Annotated[float, Allowed(least=0, most=1)] = 0.05
    max_age: Age = field(default=timedelta(days=365))
    constraints: Constraints = field(default_factory=Constraints)
    on_violation: OnViolation = "set_aside"
    kept_attempts: Annotated[int, Allowed(least=1)] = 3
    serving: Serving | None = None
    inbox: CsvFormat = USUAL
    sinks: Sequence[
        Annotated[Sink, Allowed(meant="a ParquetSink('predictions') or SqlSink(URL)")]
    ] = ()
    tables: Sequence[TableAssets] = ()
    by_hand: Mapping[str, str] = field(default_factory=dict)
    owners: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._check_sources()
        check_tables(self.pipeline, self.tables)
        if self.outcomes is not None and self.pipeline.outcome is None:
            raise DeclarationError(
                f"{self.name} has outcomes, but its pipeline declares no outcome; give "
                "Pipeline(..., outcome=...)."
            )
        self._check_label_delay()
        graph = self.pipeline.graph
        for quality in self.quality:
            self._check_column("quality", quality.column, graph.served, "is served")
            self._check_column("quality", quality.label, graph.labels, "is a label")
            quality.check_fit(graph)
        for name in self.slices:
            self._check_column("slices", name, graph.served, "is served")
        for name in self.constraints.columns:
            fields = self.pipeline.record_schema.names
            self._check_column("constraints", name, fields, "is a field of the record")
        self._check_sinks()
        if self.serving is not None and self.request_log is not None:
            logged = (*self.pipeline.record_schema.names, *graph.outputs)
            hidden = graph.personal.intersection(logged).difference(self.request_log.redacted)
            log = replace(self.request_log, drop=(*self.request_log.drop, *sorted(hidden)))
            object.__setattr__(self, "serving", replace(self.serving, log=log))
            for name, how in self.request_log.redacted.items():
                setting = f"RequestLog({'drop' if how == 'dropped' else 'hash'}=...)"
                self._check_column(setting, name, logged, "is a field or an output")

    def _check_sources(self) -> None:
        if self.daily is not None and self.calendar is None:
            raise DeclarationError(
                f"{self.name} has a daily source but no calendar; give both, such as "
                "calendar=Calendar(date(2024, 1, 31))."
            )
        if self.outcomes is not None and self.daily is None:
            raise DeclarationError(f"{self.name} has outcomes of days, but no daily source.")
        for role, is_daily in (("history", False), ("daily", True), ("outcomes", True)):
            source = getattr(self, role)
            if source is None and is_daily:
                continue
            wrong = misread(source, is_daily=is_daily)
            if wrong is not None:
                raise DeclarationError(f"{self.name}: {role} {wrong}")

    def _check_label_delay(self) -> None:
        if self.label_delay and self.outcomes is None:
            raise DeclarationError(
                f"{self.name} has a label_delay, but no source of outcomes; give outcomes=..., or "
                "leave it out."
            )

    def _check_sinks(self) -> None:
        names = [sink.describe() for sink in self.sinks]
        for name in names:
            if names.count(name) > 1:
                raise DeclarationError(f"{self.name}: sinks has {name} twice; keep one of them.")
        columns = {*self.pipeline.record_schema.names, *self.pipeline.graph.outputs}
        taken = columns & {*COORDINATES, IS_CURRENT} if self.sinks else ()
        for name in sorted(taken):
            raise DeclarationError(
                f"{self.name}: sinks write a column {name!r} of their own, beside which the "
                f"pipeline's {name!r} cannot stand; name that otherwise."
            )

    def _check_column(self, setting: str, name: str, known: Sequence[str], what: str) -> None:
        if name not in known:
            raise DeclarationError(
                f"{self.name}: {setting} names {name!r}, but no column of that name {what}"
                f"{meant(name, known)}."
            )

    def suites_json(self) -> dict[str, SuiteJson]:
        """The suites in their plain form, by role: see `Suites.to_json`. Those of tables follow.

        Raises:
            SuiteError: A suite cannot be made, or names a column that its rows do not have: the
                record's fields for the input suite, a table's for its own, the served columns for
                the others.
        """
        fields, served = self.pipeline.record_schema.names, self.pipeline.graph.served
        known = {"input": fields, "features": served, "outputs": served}
        judged = [table for table in self.tables if table.suite is not None]
        return {
            **{
                role: self.suites.to_json(role, names, self.pipeline.graph.personal)
                for role, names in known.items()
            },
            **{f"{OF_TABLE}{table.name}": table.suite_json() for table in judged},
        }

    @property
    def has_suites(self) -> bool:
        """Whether it expects anything of its data, or of its tables' rows."""
        roles = ("input", "features", "outputs")
        of_tables = any(table.suite is not None for table in self.tables)
        return of_tables or any(map(self.suites.expects, roles))

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.pipeline.name

    @property
    def timezone(self) -> str:
        """The time zone of its days, as an IANA name."""
        return self.calendar.timezone if self.calendar is not None else "UTC"

    @property
    def request_log(self) -> RequestLog | None:
        """Settings of its server's request log; None without a server or a log."""
        return self.serving.log if self.serving is not None else None
