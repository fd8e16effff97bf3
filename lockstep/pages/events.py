"""Events: what a person has to look at, for as long as it lasts.

An event is read from what is recorded. Any process that looks finds the same events under the same
ids. What cannot be read, or is being worked on now, is unknown: then an event neither begins nor is
over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import get_args

from lockstep.checks.live_quality import QUALITY
from lockstep.checks.messages import Message, Place
from lockstep.checks.reports import CheckReport
from lockstep.checks.specs import CALIBRATION, INPUT_DRIFT, LIVE_QUALITY, PREDICTION_DRIFT
from lockstep.checks.streams import inbox_of, streams
from lockstep.columns.plain import listed
from lockstep.errors import LockstepError
from lockstep.pages.background import LastAnswer
from lockstep.pages.outages import is_starting
from lockstep.pages.pipeline_state import Overview, Watched
from lockstep.pages.tiles import StreamHistory, Tile, TileState
from lockstep.pages.version_state import Models
from lockstep.parity.changes import Changes
from lockstep.project.alerting import Kind
from lockstep.project.home import Home
from lockstep.registry.decisions import Decisions
from lockstep.registry.versions import RegisteredModel
from lockstep.store.lock import holder
from lockstep.store.results import CheckResult
from lockstep.store.status import RECORD

_PATIENCE = timedelta(hours=1)
"""How long an attempt may do nothing that is recorded."""
_DUE = timedelta(hours=8)
"""How long after the end of a day somebody has to have tried it: the schedule does so at six."""
_ANSWER_SECONDS = 5.0
_LATEST = "~"
"""Comes after the names of all days."""
_DRIFT_CHECKS = {"batch": INPUT_DRIFT.name, "scored": PREDICTION_DRIFT.name}
"""The check that reports a lasting change, by the step whose record holds it."""


@dataclass(frozen=True)
class OpenEvent:
    """An event that goes on."""

    pipeline: str
    kind: str  # one of `lockstep.project.alerting.Kind`
    what: str  # the subject, such as a day; of drift with the batch that it began with
    message: Message

    @property
    def id(self) -> str:
        """Its id, the same in every process."""
        return f"{self.pipeline} {self.kind} {self.what}"


@dataclass(frozen=True)
class Events:
    """The events of a project."""

    open: Mapping[str, OpenEvent] = field(default_factory=dict)  # by id
    unknown: Mapping[str, str] = field(default_factory=dict)  # reasons by the beginning of an id

    def is_over(self, event: str) -> bool:
        """Whether an event, by its id, is known not to go on."""
        is_unknown = any(f"{event} ".startswith(f"{name} ") for name in self.unknown)
        return event not in self.open and not is_unknown


def open_events(overview: Overview, now: datetime | None = None) -> Events:
    """The events of a project."""
    found: list[OpenEvent] = []
    unknown = {name: broken.error for name, broken in overview.broken.items()}
    models = overview.models(_ANSWER_SECONDS)
    with overview.lock:
        overview.ask_runs(time.monotonic() + _ANSWER_SECONDS)
        for name, watched in overview.watched.items():
            looked = _Looked(watched, overview.home, models, now or datetime.now(UTC), unknown)
            for kind in get_args(Kind):
                try:
                    found += getattr(looked, kind)()
                except (LockstepError, OSError) as error:
                    unknown[f"{name} {kind}"] = str(error)
    return Events({event.id: event for event in found}, unknown)


@dataclass(frozen=True)
class _Looked:
    """A pipeline at a time; a method yields the events of its kind, and notes what is unknown."""

    watched: Watched
    home: Home
    models: LastAnswer[Models]
    now: datetime
    unknown: dict[str, str]

    @property
    def name(self) -> str:
        return self.watched.declared.name

    @property
    def model(self) -> RegisteredModel:
        if self.models.trouble is not None:
            raise LockstepError(f"The registry does not tell: {self.models.trouble}")
        return (self.models.value or {}).get(self.name) or RegisteredModel({}, {})

    def event(self, kind: Kind, what: str, title: str, found: CheckReport) -> OpenEvent:
        told = Message(f"{title}: {found.summary}", found.where or "", found.todo or "")
        return OpenEvent(self.name, kind, what, told)

    def blocked(self) -> Iterator[OpenEvent]:
        """Days and files that a check blocks."""
        return self._unpublished("blocked", "blocked")

    def missed(self) -> Iterator[OpenEvent]:
        """Days and files that broke off, and days that nobody tried since a version was live."""
        yield from self._unpublished("missed", "broken_off")
        calendar, history = self.watched.declared.calendar, self.watched.histories.get("daily")
        decided = Decisions.of(self.name, self.model.tags).log
        if calendar is None or history is None or not decided:
            return
        for day in sorted({*calendar.days(self.now)} - {*history.partitions}):
            if decided[0].since < calendar.end_of(day) < self.now - _DUE:
                schedule = f"with the schedule {self.name}_daily on"
                todo = f"See that Dagster's daemon runs (`lockstep up`), {schedule}; at once: AGAIN"
                result = CheckResult(False, "nobody tried it.", todo=todo)
                found = _found(history.place("batch", day), result)
                yield self.event("missed", f"daily/{day}", f"{day} is not scored", found)

    def _unpublished(self, kind: Kind, state: TileState) -> Iterator[OpenEvent]:
        inbox = inbox_of(self.watched.declared, self.home)
        for stream in (each.name for each in streams(self.watched.declared)):
            history = self.watched.histories[stream]
            history.look()
            for partition in history.open():
                if stream == "inbox" and inbox.file(partition) is None:
                    continue  # somebody took it away
                tile, subject = history.tile(partition), f"{stream}/{partition}"
                errors = [each for each in tile.findings if each.result == "failed"]
                if tile.state != "blocked" and not self._is_left(history, tile):
                    self.unknown[f"{self.name} {kind} {subject}"] = f"{partition}: {tile.state}"
                elif tile.state == state:
                    by = f"blocked by {listed([each.check for each in errors], 3)}"
                    title = f"{partition} is {by if state == 'blocked' else 'broken off'}"
                    found = errors[0] if state == "blocked" else errors[-1]
                    yield self.event(kind, subject, title, found)

    def _is_left(self, history: StreamHistory, tile: Tile) -> bool:
        """Whether an attempt broke off, and is not merely between two steps."""
        if tile.state != "broken_off":
            return False
        last = next(history.records.newest_first(tile.partition), None)
        return last is not None and last.record.seen_at < self.now - _PATIENCE

    def refused(self) -> Iterator[OpenEvent]:
        """The wanted version, if it is not live and the gate refused it."""
        wanted, live = self.model.aliases.get("champion"), self.model.aliases.get("live")
        gate = self.watched.histories["gate"]
        gate.look()
        for partition in gate.open() if wanted not in (None, live) else ():
            tile = gate.tile(partition)
            if tile.state != "blocked":
                self.unknown[f"{self.name} refused"] = f"the gate's record: {tile.state}"
            elif tile.version == wanted:
                first = next(each for each in tile.findings if each.result == "failed")
                goes_on = "none is live" if live is None else f"version {live} stays live"
                title = f"Version {wanted} is refused by {first.check}, and {goes_on}"
                yield self.event("refused", f"version {wanted}", title, first)

    def drift(self) -> Iterator[OpenEvent]:
        """Lasting changes after the partition that was published last, by when they began."""
        for stream in (each.name for each in streams(self.watched.declared)):
            history = self.watched.histories[stream]
            for partition in history.records.before(_LATEST, 1):
                for step, done in history.records.demand(partition).record.steps.items():
                    lasting = Changes.lasting_after(done.facts)
                    for begun in {change.begun or "" for change in lasting.values()}:
                        columns = [name for name in lasting if lasting[name].begun == begun]
                        since = min(lasting[name].since for name in columns)
                        result = CheckResult(False, f"since {since}, unlike in training.")
                        what, title = f"{stream}/{step} {begun}", f"Drift of {listed(columns)}"
                        place, check = history.place(step, begun), _DRIFT_CHECKS[step]
                        yield self.event("drift", what, title, _found(place, result, check))

    def quality(self) -> Iterator[OpenEvent]:
        """Figures of the last measured day that miss what is demanded, or what training had."""
        demanded = {each.title: each for each in self.watched.declared.quality}
        history = self.watched.histories.get("outcomes")
        for day in reversed(history.records.partitions() if history and demanded else []):
            assert history is not None, "it has days"
            look = history.records.demand(day).record.steps["outcomes"]
            values = {figure: value for figure, (value, *_) in look.facts.get(QUALITY, {}).items()}
            if not values:
                continue  # too little was known
            known = [name for name in demanded if name in values]
            missed = [name for name in known if not demanded[name].is_met(values[name])]
            for figure in dict.fromkeys([*missed, *Changes.lasting_after(look.facts)]):
                check = (LIVE_QUALITY if figure in demanded else CALIBRATION).name
                found = _found(history.place("outcomes", day), look.results[check], check)
                yield self.event("quality", figure, f"{figure} is out of its band", found)
            return

    def server(self) -> Iterator[OpenEvent]:
        """The server that `lockstep up` runs, if a version is live and it is not ready."""
        asked, is_live = self.watched.server, self.home.live(self.name).exists()
        if holder(self.home.served) is None or asked is None or not is_live:
            return
        asked.begin()
        answer = asked.answer(time.monotonic() + _ANSWER_SECONDS)
        if is_starting(self.home, self.now):
            self.unknown[f"{self.name} server"] = "it may be starting"
        elif answer.value is None or not answer.value.is_ready:
            why = answer.trouble if answer.value is None else answer.value.message
            address = self.home.addresses.servers.get(self.name, "")
            todo = f"See {address}/ready, and logs/serve-{self.name}.log in the home."
            result = CheckResult(False, f"{why}", where=address, todo=todo)
            title = "The server is not ready"
            yield self.event("server", "of lockstep up", title, _found(Place(self.name), result))


def _found(place: Place, result: CheckResult, check: str = RECORD) -> CheckReport:
    return CheckReport.found(place.asset, check, place.partition, result)
