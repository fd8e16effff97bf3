"""The state of a project's pipelines: versions, days and files, findings, quality, servers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

from lockstep.checks.handovers import Handovers
from lockstep.checks.messages import Place
from lockstep.checks.reports import CheckReport
from lockstep.checks.streams import (
    CHAMPION,
    TRAINING,
    gate_records,
    inbox_of,
    outcome_records,
    request_records,
    stream_records,
    streams,
    training_records,
)
from lockstep.checks.table_deliveries import STEP as TABLE
from lockstep.checks.table_deliveries import table_records
from lockstep.columns.plain import counted
from lockstep.errors import DamagedError
from lockstep.pages.background import AskedRuns, LastAnswer, Question, ReadRuns
from lockstep.pages.outages import ServerState, server_state
from lockstep.pages.tiles import PUBLISHED, StreamHistory, Tile
from lockstep.pages.troubles import OpenFinding, Trouble, earliest, troubles_of
from lockstep.pages.version_state import Models, VersionState, version_state
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.store.inbox import files_in
from lockstep.store.ledgers import ledger_of
from lockstep.store.parquet import Store
from lockstep.store.status import STEPS

SHOWN = 30
"""Days and files that are shown of a stream."""
_LOOKS = 90
"""Looks at outcomes whose figures are shown."""


@dataclass(frozen=True)
class StreamState:
    """The last partitions of a stream."""

    name: str  # such as `"daily"`
    unit: str  # what a partition is: a day or a file
    tiles: tuple[Tile, ...]  # the earliest first
    waiting: int = 0  # files that lie in the inbox and were not taken yet


@dataclass(frozen=True)
class Series:
    """A figure of the predictions on live rows over time."""

    title: str  # what it is of, such as `late_probability auc`
    rule: str  # the demand on it, such as `at least 0.6`
    threshold: float | None
    # By day, its value over the seven days up to it, and the lower and upper end of its range in
    # the weeks of training; None without one.
    figures: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class PipelineState:
    """The state of a pipeline."""

    name: str
    error: str | None = None  # why it cannot be imported: then nothing else is known
    versions: VersionState = field(default_factory=VersionState)
    streams: tuple[StreamState, ...] = ()
    # Checks in error or that warn, of all that is open. Those of published days and files stay
    # until somebody saw to them: see `lockstep.pages.standing`.
    findings: tuple[OpenFinding, ...] = ()
    quality: tuple[Series, ...] = ()  # on live rows over time
    server: ServerState | None = None
    troubles: tuple[Trouble, ...] = ()  # those first for which a person has to act

    @property
    def is_failed(self) -> bool:
        """Whether a person has to do something."""
        return any(trouble.is_open for trouble in self.troubles)

    @property
    def is_warned(self) -> bool:
        """Whether a warning is open."""
        return any(each.result == "warned" for each in self.findings)

    def together(self, result: str) -> list[tuple[OpenFinding, list[str]]]:
        """The findings of a result, those of one check, column and state as one.

        Each is the finding that was made last, since the first of them, with the other partitions,
        the last ones first.
        """
        same: dict[tuple[str, str, str | None, str], list[OpenFinding]] = {}
        for each in self.findings:
            if each.result == result:
                kind = each.asset, each.check, each.column, each.state
                same.setdefault(kind, []).append(each)
        groups = [sorted(group, key=lambda each: each.since) for group in same.values()]
        return [
            (
                replace(group[-1], since=group[0].since),
                [each.partition or "" for each in group[-2::-1]],
            )
            for group in groups
        ]


class Watched:
    """A pipeline, with what its records told last."""

    def __init__(self, declared: PipelineAssets, home: Home) -> None:
        self.declared, self._home = declared, home
        self.histories = histories_of(declared, Store(home.data / declared.name))
        self._inbox = inbox_of(declared, home)
        self.server: Question[ServerState] | None = None
        if declared.serving is not None:
            self.server = Question(partial(server_state, home, declared.name))

    def find(self, asset: str) -> tuple[StreamHistory, str] | None:
        """The records of an asset, and the step that makes it; None if it has none."""
        found = ((history, history.step_of(asset)) for history in self.histories.values())
        return next(((history, step) for history, step in found if step is not None), None)

    def state(self, registry: LastAnswer[Models], until: float) -> PipelineState:
        """Its state now; its server is waited for until a time of the monotonic clock."""
        name = self.declared.name
        for history in self.histories.values():
            history.look()
        history = self.histories["gate"]
        gate = next(map(history.tile, history.newest(1)), None)
        versions = version_state(name, self._home, registry, gate)
        refused = versions.trouble
        is_judged = gate is not None and versions.wanted in (None, gate.version)
        is_judged &= refused is None or refused.is_open
        shown = tuple(self._stream(each.name, each.unit) for each in streams(self.declared))
        findings = [_waiting(each, gate) for each in gate.findings] if gate and is_judged else []
        if refused is not None and findings:
            typed = {"command": refused.command, "effect": refused.effect}
            findings, refused = [replace(each, **typed) for each in findings], None
        findings += [_waiting(each, tile) for tile in self._open(shown) for each in tile.findings]
        findings += [each.finding for held in self._partitioned() for each in held.standing()]
        findings += self._not_handed_over(shown)
        asked = self.server.answer(until) if self.server is not None else None
        server = (asked.value or ServerState(message=asked.trouble or "")) if asked else None
        troubles = [
            *troubles_of(findings),
            *filter(None, (refused, server.trouble if server is not None else None)),
            *_set_aside(name, shown),
        ]
        return PipelineState(
            name=name,
            versions=versions,
            streams=shown,
            findings=tuple(findings),
            quality=self._quality(),
            server=server,
            troubles=tuple(sorted(troubles, key=lambda trouble: not trouble.is_open)),
        )

    def _stream(self, name: str, unit: str) -> StreamState:
        history, calendar, waiting = self.histories[name], self.declared.calendar, 0
        if name == "daily" and calendar is not None:
            wanted = last_days(calendar, history.partitions)
        else:
            taken = {path.name for path in files_in(self._inbox.folder / "claimed")}
            untried = sorted(taken - {*history.partitions})
            wanted = [*history.newest(SHOWN), *untried][-SHOWN:]
            waiting = len(files_in(self._inbox.folder))
        tiles = tuple(tile for tile in map(history.tile, wanted) if not self._is_taken_away(tile))
        return StreamState(name, unit, tiles, waiting)

    def _is_taken_away(self, tile: Tile) -> bool:
        """Whether nothing came of a file, and its person took it away."""
        is_open = tile.stream == "inbox" and tile.state in ("blocked", "broken_off")
        return is_open and self._inbox.file(tile.partition) is None

    def _open(self, shown: Sequence[StreamState]) -> Iterator[Tile]:
        """The partitions that wait for a person, and what was made last that has no partitions.

        Each day has to go through. The file of a partition may be taken away, which ends it. What
        was found in those that went through stands by itself.
        """
        tiles = (tile for each in shown for tile in each.tiles)
        damaged = {tile.partition for tile in tiles if tile.state == "damaged"}
        for name, history in self.histories.items():
            wanted = {*history.open(), *damaged & {*history.partitions}, *history.newest(1)}
            if name == "inbox":
                last = history.newest(SHOWN)
                wanted = {each for each in wanted & {*last} if self._inbox.file(each) is not None}
            elif name not in ("daily", "outcomes"):
                wanted = {*history.newest(1)}
            for tile in map(history.tile, sorted(wanted) if name != "gate" else ()):
                # The gate judges versions: see `version_state`. What is under way may end well.
                if tile.state != "under_way" and not (
                    history.has_partitions and tile.state in PUBLISHED
                ):
                    yield tile

    def _partitioned(self) -> Iterator[StreamHistory]:
        return (history for history in self.histories.values() if history.has_partitions)

    def _not_handed_over(self, shown: Sequence[StreamState]) -> Iterator[OpenFinding]:
        """What a sink lacks of the days and files that are shown."""
        for stream in shown if self.declared.sinks else ():
            asset = f"{self.declared.name}/{stream.name}/published"
            handovers = Handovers.of(self.declared, self.histories[stream.name].records)
            for tile in stream.tiles:
                with suppress(DamagedError):  # its tile says so
                    if handovers.left(tile.partition):
                        for check, result in handovers.results(tile.partition).items():
                            report = CheckReport.found(asset, check, tile.partition, result)
                            yield OpenFinding.of(report, "not in a sink", tile.since)

    def _quality(self) -> tuple[Series, ...]:
        if "outcomes" not in self.histories:
            return ()
        history = self.histories["outcomes"]
        found: dict[str, dict[str, Sequence[float | None]]] = {}
        for day in history.partitions[-_LOOKS:]:
            for title, values in history.tile(day, anew=False).quality.items():
                found.setdefault(title, {})[day] = values
        rules = {each.title: each.rule for each in self.declared.quality}
        least = {each.title: each.threshold for each in self.declared.quality}
        return tuple(
            Series(title, rules.get(title, ""), least.get(title), figures)
            for title, figures in found.items()
        )


class Overview:
    """The pipelines of a project, as long as somebody looks at them.

    Without `runs`, only processes and time tell how runs go on.
    """

    def __init__(self, project: Project, runs: ReadRuns | None = None) -> None:
        known = pipelines(project)
        self.project, self.home = project, project.home
        self.watched = {name: Watched(known.declared[name], self.home) for name in known.declared}
        self.broken = known.broken
        self.lock = Lock()
        self._registry: Question[Models] = Question(self._models)
        self._runs = AskedRuns(runs) if runs is not None else None

    def models(self, wait: float) -> LastAnswer[Models]:
        """What the registry holds; see `states`."""
        self._registry.begin()
        return self._registry.answer(time.monotonic() + wait)

    def states(self, wait: float, only: str | None = None) -> list[PipelineState]:
        """The state of every pipeline, or of the only one wanted, in the order of their names.

        Where the registry and the servers do not answer within the seconds to wait, their last
        answer holds.
        """
        names = [name for name in sorted((*self.watched, *self.broken)) if only in (None, name)]
        watched = [self.watched[name] for name in names if name in self.watched]
        self._registry.begin()
        for each in watched:
            if each.server is not None:
                each.server.begin()
        until = time.monotonic() + wait
        registry = self._registry.answer(until)
        with self.lock:
            self.ask_runs(until, watched)
            return [
                self.watched[name].state(registry, until)
                if name in self.watched
                else _broken(name, str(self.broken[name].error))
                for name in names
            ]

    def ask_runs(self, until: float, watched: Iterable[Watched] | None = None) -> None:
        """Ask for the progress of the runs whose attempts are not through, with the lock held."""
        if self._runs is None:
            return
        asked = self.watched.values() if watched is None else watched
        histories = [history for each in asked for history in each.histories.values()]
        for history in histories:
            history.look()
        runs = self._runs.ask({run for each in histories for run in each.unfinished()}, until)
        for history in histories:
            history.runs = runs

    def _models(self) -> Models:
        registry = self.home.registry()
        return {name: registry.model(name) for name in self.watched}


def _broken(name: str, error: str) -> PipelineState:
    effect = "tries it again, once it is put right."
    trouble = Trouble("cannot be imported", command="lockstep list", effect=effect, why=error)
    return PipelineState(name, error, troubles=(trouble,))


def last_days(calendar: Calendar, attempted: Sequence[str]) -> list[str]:
    """The last days of a calendar; of one that has ended, those up to the last one attempted."""
    days = calendar.days()
    if calendar.end is not None and days and days[-1] == calendar.end.isoformat():
        last = max(attempted, default="")
        days = [day for day in days if day <= last]
    return sorted({*days[-SHOWN:], *attempted[-1:]})[-SHOWN:]


def histories_of(declared: PipelineAssets, store: Store) -> dict[str, StreamHistory]:
    """The records of a pipeline: of its streams, and of all that is made for them."""
    name, whole = declared.name, partial(StreamHistory, has_partitions=False)
    training = {step: f"{name}/{step}" for step in TRAINING}
    found = {
        "training": whole(training_records(declared, store), training),
        "gate": whole(gate_records(declared, store), {CHAMPION: f"{name}/{CHAMPION}"}),
    }
    for table in declared.tables:
        records = table_records(declared, ledger_of(store.root, table.schema))
        found[f"tables/{table.name}"] = whole(records, {TABLE: f"{name}/tables/{table.name}"})
    for stream in streams(declared):
        assets = {step: f"{name}/{stream.name}/{step}" for step in STEPS}
        found[stream.name] = StreamHistory(stream_records(declared, store, stream.name), assets)
    if declared.outcomes is not None:
        assets = {"outcomes": f"{name}/outcomes"}
        found["outcomes"] = StreamHistory(outcome_records(declared, store), assets)
    if declared.request_log is not None:
        assets = {"requests": f"{name}/requests"}
        found["requests"] = StreamHistory(request_records(declared, store), assets)
    return found


def _waiting(report: CheckReport, tile: Tile) -> OpenFinding:
    """A finding about what has to be made anew."""
    word = "with warnings" if report.result == "warned" else "with errors"
    if tile.state not in PUBLISHED:
        word = tile.state.replace("_", " ")
    if tile.stream == "gate" and tile.state == "blocked":
        word = f"refused version {tile.version}"
    return OpenFinding.of(report, word, tile.since)


def _set_aside(pipeline: str, shown: Iterable[StreamState]) -> Iterator[Trouble]:
    """The rows that published days and files do not hold; those of blocked ones wait with them."""
    tiles = [tile for stream in shown for tile in stream.tiles]
    lacking = [tile for tile in tiles if tile.quarantined and tile.state in PUBLISHED]
    if lacking:
        rows, first = sum(tile.quarantined for tile in lacking), lacking[0]
        named = f" {Place(f'{pipeline}/{first.stream}', first.partition).option}"
        yield Trouble(
            f"{counted(rows, 'row')} of "
            + (first.partition if len(lacking) == 1 else f"{len(lacking)} days or files")
            + " set aside",
            earliest(tile.since for tile in lacking),
            is_open=False,
            command=f"lockstep quarantine list {pipeline}{named if len(lacking) == 1 else ''}",
            effect="lists them with their reasons.",
            why="All other rows are published.",
        )
