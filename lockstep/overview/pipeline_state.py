"""The state of a project's pipelines: versions, days and files, findings, quality, servers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from threading import Lock
from urllib.error import HTTPError
from urllib.request import urlopen

from lockstep.artifacts.ledgers import ledger_of
from lockstep.artifacts.lock import is_held
from lockstep.overview.background import LastAnswer, Question
from lockstep.overview.open_findings import OpenFinding, joined
from lockstep.overview.tiles import Seen, StreamHistory, Tile
from lockstep.overview.version_state import Models, VersionState, version_state
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.project.quality import METRICS
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
    """

    name: str
    unit: str
    tiles: tuple[Tile, ...]

    @property
    def missed(self) -> tuple[str, ...]:
        """The partitions that nobody tried."""
        return tuple(tile.partition for tile in self.tiles if tile.state == "not_tried")


@dataclass(frozen=True)
class Figure:
    """A figure of the predictions on live rows, over the seven days up to a day.

    Attributes:
        day: The day.
        value: The figure.
        low: The lower end of its range in the weeks of training; None without one.
        high: The upper end; likewise.
    """

    day: str
    value: float
    low: float | None
    high: float | None

    @property
    def is_usual(self) -> bool:
        """Whether it is within its range."""
        above = self.low is None or self.value >= self.low
        return above and (self.high is None or self.value <= self.high)


@dataclass(frozen=True)
class Series:
    """A figure of the predictions on live rows over time.

    Attributes:
        title: What it is of, such as `late_probability auc`.
        rule: The demand on it, such as `at least 0.6`; empty without one.
        threshold: The value that is demanded; None likewise.
        is_least: Whether that is the least one.
        figures: The figures, the earliest first.
    """

    title: str
    rule: str
    threshold: float | None
    is_least: bool
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class ServerState:
    """The HTTP server of a pipeline.

    Attributes:
        address: Its address; empty where `lockstep up` does not run.
        is_ready: Whether it answers requests.
        version: The version that answers; None without one.
        message: What is wrong with it, or what to do; empty if nothing.
    """

    address: str
    is_ready: bool
    version: int | None
    message: str


@dataclass(frozen=True)
class PipelineState:
    """The state of a pipeline.

    Attributes:
        name: Its name.
        error: Why it cannot be imported; None if it can. Nothing else is known then.
        versions: The wanted version and the live one.
        streams: The last days and files.
        waiting: Number of files that lie in the inbox and were not taken yet.
        findings: What is open, the errors first.
        quality: Its predictions on live rows over time.
        server: Its server; None without one.
    """

    name: str
    error: str | None = None
    versions: VersionState = field(default_factory=VersionState)
    streams: tuple[StreamState, ...] = ()
    waiting: int = 0
    findings: tuple[OpenFinding, ...] = ()
    quality: tuple[Series, ...] = ()
    server: ServerState | None = None

    @property
    def errors(self) -> tuple[OpenFinding, ...]:
        """The findings in error."""
        return tuple(each for each in self.findings if each.is_error)

    @property
    def warnings(self) -> tuple[OpenFinding, ...]:
        """The findings that warn."""
        return tuple(each for each in self.findings if not each.is_error)

    @property
    def is_failed(self) -> bool:
        """Whether a person has to do something."""
        return self.error is not None or bool(self.errors) or bool(self.versions.refused)


class Watched:
    """A pipeline, with what its records told last.

    Args:
        declared: The pipeline.
        home: The home.
    """

    def __init__(self, declared: PipelineAssets, home: Home) -> None:
        self.declared, self._home = declared, home
        self.histories = _histories(declared, Store(home.data / declared.name))
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
        gate = next(self._last("gate"), None)
        versions, of_gate = version_state(name, self._home, registry, gate)
        of_streams = tuple(self._stream(each.name, each.unit) for each in streams(self.declared))
        findings = [*of_gate, *(each for seen in self._open(of_streams) for each in seen.findings)]
        server = self.server.answer(until) if self.server is not None else None
        return PipelineState(
            name=name,
            versions=versions,
            streams=of_streams,
            waiting=len(files_in(self._inbox.folder)),
            findings=joined(findings),
            quality=self._quality(),
            server=None if server is None else server.value or _no_server(server.trouble or ""),
        )

    def _stream(self, name: str, unit: str) -> StreamState:
        history, calendar = self.histories[name], self.declared.calendar
        if name == "daily" and calendar is not None:
            wanted = last_days(calendar, history.partitions)
        else:
            wanted = history.newest(SHOWN)
            new = {path.name for path in files_in(self._inbox.folder / "claimed")} - {*wanted}
            untried = new - {*history.partitions} if new else new
            wanted = [*wanted, *sorted(untried)][-SHOWN:]
        return StreamState(name, unit, tuple(history.seen(each).tile for each in wanted))

    def _open(self, shown: Sequence[StreamState]) -> Iterator[Seen]:
        """What is seen of the partitions that wait for a person, and of the last one attempted.

        Each day has to go through. The file of a partition may be taken away, which ends it.
        """
        for name in self.histories:
            if name not in ("gate", "daily", "inbox", "outcomes"):
                yield from self._last(name)
        tiles = {each.name: each.tiles for each in shown}
        for name in ("daily", "outcomes"):
            if name in self.histories:
                history, damaged = self.histories[name], _damaged(tiles.get(name, ()))
                yield from map(history.seen, sorted({*history.open(), *damaged}))
                yield from self._last(name, is_open=False)
        inbox, damaged = self.histories["inbox"], _damaged(tiles["inbox"])
        for partition in (tile.partition for tile in tiles["inbox"]):
            is_open = inbox.is_open(partition) or partition in damaged
            if is_open and self._inbox.file(partition) is not None:
                yield inbox.seen(partition)
        yield from self._last("inbox", is_open=False)

    def _last(self, name: str, *, is_open: bool = True) -> Iterator[Seen]:
        """What is seen of the partition attempted last, also if its last attempt does not count."""
        history = self.histories[name]
        for partition in history.newest(1):
            seen = history.seen(partition)
            if is_open or not (history.is_open(partition) or seen.tile.state == "damaged"):
                yield seen

    def _quality(self) -> tuple[Series, ...]:
        if "outcomes" not in self.histories:
            return ()
        history = self.histories["outcomes"]
        days = history.partitions[-_LOOKS:]
        of_days = {day: history.seen(day, anew=False).quality for day in days}
        demanded = {quality.title: quality for quality in self.declared.quality}
        found: dict[str, list[Figure]] = {}
        for day, quality in of_days.items():
            for title, (value, low, high) in quality.items():
                found.setdefault(title, []).append(Figure(day, value, low, high))
        return tuple(
            Series(
                title=title,
                rule=demanded[title].rule if title in demanded else "",
                threshold=demanded[title].threshold if title in demanded else None,
                is_least=title in demanded and METRICS[demanded[title].metric].higher_is_better,
                figures=tuple(figures),
            )
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
        self._broken = known.broken
        self._lock = Lock()
        self._registry: Question[Models] = Question(self._models)

    def states(self, wait: float, only: str | None = None) -> list[PipelineState]:
        """The state of every pipeline, in the order of their names.

        Args:
            wait: Seconds to wait for the registry and the servers; without their answer, that of
                the last time holds.
            only: Name of the only pipeline that is wanted; all by default.
        """
        names = [name for name in sorted((*self.watched, *self._broken)) if only in (None, name)]
        watched = [self.watched[name] for name in names if name in self.watched]
        self._registry.begin()
        for each in watched:
            if each.server is not None:
                each.server.begin()
        until = time.monotonic() + wait
        registry = self._registry.answer(until)
        with self._lock:
            return [
                self.watched[name].state(registry, until)
                if name in self.watched
                else PipelineState(name, self._broken[name].error)
                for name in names
            ]

    def _models(self) -> Models:
        registry = self.home.registry()
        return {name: registry.model(name) for name in self.watched}


def _damaged(tiles: Sequence[Tile]) -> set[str]:
    return {tile.partition for tile in tiles if tile.state == "damaged"}


def last_days(calendar: Calendar, attempted: Sequence[str]) -> list[str]:
    """The last days of a calendar; of one that has ended, those up to the last one attempted."""
    days = calendar.days()
    if calendar.end is not None and days and days[-1] == calendar.end.isoformat():
        last = max(attempted, default="")
        days = [day for day in days if day <= last]
    return sorted({*days[-SHOWN:], *attempted[-1:]})[-SHOWN:]


def _histories(declared: PipelineAssets, store: Store) -> dict[str, StreamHistory]:
    """The records of a pipeline: of its streams, and of all that is made for them."""
    name = declared.name
    training = {step: f"{name}/{step}" for step in ("history", "training_set", CANDIDATE)}
    gate = {CHAMPION: f"{name}/{CHAMPION}"}
    found = {
        "training": StreamHistory(
            training_records(declared, store), training, has_partitions=False
        ),
        "gate": StreamHistory(gate_records(declared, store), gate, has_partitions=False),
    }
    for table in declared.tables:
        records = table_records(declared, ledger_of(store.root, table.schema))
        asset = {TABLE: f"{name}/tables/{table.name}"}
        found[f"tables/{table.name}"] = StreamHistory(records, asset, has_partitions=False)
    for stream in streams(declared):
        assets = {step: f"{name}/{stream.name}/{step}" for step in STEPS}
        found[stream.name] = StreamHistory(stream_records(declared, store, stream.name), assets)
    if declared.outcomes is not None:
        found["outcomes"] = StreamHistory(
            outcome_records(declared, store), {"outcomes": f"{name}/outcomes"}
        )
    if declared.request_log is not None:
        found["requests"] = StreamHistory(
            request_records(declared, store), {"requests": f"{name}/requests"}
        )
    return found


def _server(home: Home, name: str) -> ServerState:
    """Ask the server of a pipeline whether it is ready."""
    address = home.addresses.servers.get(name, "")
    if not address or not is_held(home.served):
        return _no_server("Not started: `lockstep up`")
    try:
        with urlopen(f"{address}/ready", timeout=_READY_SECONDS) as response:
            told = json.load(response)
    except HTTPError as error:
        told = json.load(error) if error.code == 503 else {"refused": str(error)}
    except (OSError, HTTPException, ValueError) as error:
        return ServerState(address, False, None, f"It does not answer: {error}")
    ready = bool(told.get("ready"))
    message = "" if ready else told.get("refused") or "No version is live yet."
    return ServerState(address, ready, told.get("version"), str(message))


def _no_server(message: str) -> ServerState:
    return ServerState("", False, None, message)
