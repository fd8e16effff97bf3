"""The state of a project's pipelines: versions, days and files, findings, quality, servers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPException
from threading import Lock
from urllib.error import HTTPError
from urllib.request import urlopen

from lockstep.artifacts.ledgers import ledger_of
from lockstep.artifacts.lock import is_held
from lockstep.checks.reports import CheckReport
from lockstep.errors import DamagedError
from lockstep.overview.background import LastAnswer, Question
from lockstep.overview.standing import OpenFinding
from lockstep.overview.tiles import PUBLISHED, StreamHistory, Tile
from lockstep.overview.version_state import Models, VersionState, version_state
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.store.handovers import Handovers
from lockstep.store.inbox import files_in
from lockstep.store.parquet import Store
from lockstep.store.status import STEPS
from lockstep.store.streams import (
    CANDIDATE,
    CHAMPION,
    gate_records,
    inbox_of,
    outcome_records,
    request_records,
    stream_records,
    streams,
    training_records,
)
from lockstep.store.table_deliveries import STEP as TABLE
from lockstep.store.table_deliveries import table_records

SHOWN = 30
"""Days and files that are shown of a stream."""
_LOOKS = 90
"""Looks at outcomes whose figures are shown."""
_READY_SECONDS = 2.0
"""Seconds after which a server that does not answer is not there."""


@dataclass(frozen=True)
class StreamState:
    """The last partitions of a stream.

    Attributes:
        name: Name of the stream, such as `"daily"`.
        unit: What a partition is: a day or a file.
        tiles: The last partitions, the earliest first.
        waiting: Number of files that lie in the inbox and were not taken yet.
    """

    name: str
    unit: str
    tiles: tuple[Tile, ...]
    waiting: int = 0


@dataclass(frozen=True)
class Series:
    """A figure of the predictions on live rows over time.

    Attributes:
        title: What it is of, such as `late_probability auc`.
        rule: The demand on it, such as `at least 0.6`; empty without one.
        threshold: The value that is demanded; None likewise.
        figures: By day, its value over the seven days up to it, and the lower and upper end of its
            range in the weeks of training; None without one.
    """

    title: str
    rule: str
    threshold: float | None
    figures: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True)
class ServerState:
    """The HTTP server of a pipeline.

    Attributes:
        address: Its address; empty where `lockstep up` does not run.
        is_ready: Whether it answers requests.
        version: The version that answers; None without one.
        message: What is wrong with it, or what to do; empty if nothing.
    """

    address: str = ""
    is_ready: bool = False
    version: int | None = None
    message: str = ""


@dataclass(frozen=True)
class PipelineState:
    """The state of a pipeline.

    Attributes:
        name: Its name.
        error: Why it cannot be imported; None if it can. Nothing else is known then.
        versions: The wanted version and the live one.
        streams: The last days and files.
        findings: The checks in error and those that warn, of all that is open. Those of published
            days and files stay until somebody saw to them: see `lockstep.overview.standing`.
        quality: Its predictions on live rows over time.
        server: Its server; None without one.
    """

    name: str
    error: str | None = None
    versions: VersionState = field(default_factory=VersionState)
    streams: tuple[StreamState, ...] = ()
    findings: tuple[OpenFinding, ...] = ()
    quality: tuple[Series, ...] = ()
    server: ServerState | None = None

    @property
    def is_failed(self) -> bool:
        """Whether a person has to do something."""
        return bool(self.error or self.versions.refused or self.together("failed"))

    @property
    def is_warned(self) -> bool:
        """Whether a warning is open."""
        return any(each.result == "warned" for each in self.findings)

    def together(self, result: str) -> list[tuple[OpenFinding, list[str]]]:
        """The findings of a result, those of one check and column as one.

        Returns:
            The finding that was made last, since the first of them, and the other partitions, the
            last ones first.
        """
        same: dict[tuple[str, str, str | None], list[OpenFinding]] = {}
        for each in self.findings:
            if each.result == result:
                same.setdefault((each.asset, each.check, each.column), []).append(each)
        groups = [sorted(group, key=lambda each: each.since) for group in same.values()]
        return [
            (
                replace(group[-1], since=group[0].since),
                [each.partition or "" for each in group[-2::-1]],
            )
            for group in groups
        ]


class Watched:
    """A pipeline, with what its records told last.

    Args:
        declared: The pipeline.
        home: The home.
    """

    def __init__(self, declared: PipelineAssets, home: Home) -> None:
        self.declared, self._home = declared, home
        self.histories = histories_of(declared, Store(home.data / declared.name))
        self._inbox = inbox_of(declared, home)
        self.server: Question[ServerState] | None = None
        if declared.serving is not None:
            self.server = Question(partial(_server, home, declared.name))

    def find(self, asset: str) -> tuple[StreamHistory, str] | None:
        """The records of an asset, and the step that makes it; None if it has none."""
        found = ((history, history.step_of(asset)) for history in self.histories.values())
        return next(((history, step) for history, step in found if step is not None), None)

    def state(self, registry: LastAnswer[Models], until: float) -> PipelineState:
        """Its state now.

        Args:
            registry: What the registry answered last.
            until: The time until which to wait for its server, by the monotonic clock.
        """
        name = self.declared.name
        for history in self.histories.values():
            history.look()
        history = self.histories["gate"]
        gate = next(map(history.tile, history.newest(1)), None)
        versions = version_state(name, self._home, registry, gate)
        is_judged = gate is not None and versions.wanted in (None, gate.version)
        shown = tuple(self._stream(each.name, each.unit) for each in streams(self.declared))
        tiles = [*([gate] if gate is not None and is_judged else []), *self._open(shown)]
        findings = [_open(each, tile.at) for tile in tiles for each in tile.findings]
        findings += [each.finding for held in self._partitioned() for each in held.standing()]
        server = self.server.answer(until) if self.server is not None else None
        return PipelineState(
            name=name,
            versions=versions,
            streams=shown,
            findings=(*findings, *self._not_handed_over(shown)),
            quality=self._quality(),
            server=server.value or ServerState(message=server.trouble or "") if server else None,
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
        return StreamState(name, unit, tuple(history.tile(each) for each in wanted), waiting)

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
                # The gate judges versions: see `version_state`.
                if not history.has_partitions or tile.state not in PUBLISHED:
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
                            found = CheckReport.found(asset, check, tile.partition, result)
                            yield _open(found, tile.at)

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

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        known = pipelines(project)
        self.project, self.home = project, project.home
        self.watched = {name: Watched(known.declared[name], self.home) for name in known.declared}
        self.broken = known.broken
        self.lock = Lock()
        self._registry: Question[Models] = Question(self._models)

    def models(self, wait: float) -> LastAnswer[Models]:
        """What the registry holds; see `states`."""
        self._registry.begin()
        return self._registry.answer(time.monotonic() + wait)

    def states(self, wait: float, only: str | None = None) -> list[PipelineState]:
        """The state of every pipeline, in the order of their names.

        Args:
            wait: Seconds to wait for the registry and the servers; without their answer, that of
                the last time holds.
            only: Name of the only pipeline that is wanted; all by default.
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
            return [
                self.watched[name].state(registry, until)
                if name in self.watched
                else PipelineState(name, self.broken[name].error)
                for name in names
            ]

    def _models(self) -> Models:
        registry = self.home.registry()
        return {name: registry.model(name) for name in self.watched}


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
    training = {step: f"{name}/{step}" for step in ("history", "training_set", CANDIDATE)}
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


def _open(report: CheckReport, since: str) -> OpenFinding:
    """A finding that is open until its asset is made anew."""
    return OpenFinding(**vars(report), since=since)


def _server(home: Home, name: str) -> ServerState:
    """Ask the server of a pipeline whether it is ready."""
    address = home.addresses.servers.get(name, "")
    if not address or not is_held(home.served):
        return ServerState(message="Not started: `lockstep up`")
    try:
        with urlopen(f"{address}/ready", timeout=_READY_SECONDS) as response:
            told = json.load(response)
    except HTTPError as error:
        told = json.load(error) if error.code == 503 else {"refused": str(error)}
    except (OSError, HTTPException, ValueError) as error:
        return ServerState(address, message=f"It does not answer: {error}")
    if told.get("ready"):
        return ServerState(address, True, told.get("version"))
    return ServerState(address, message=str(told.get("refused") or "No version is live yet."))
