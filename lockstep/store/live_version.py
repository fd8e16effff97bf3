"""What is live: the version that the gate lets serve, and the alias `@live` that shows it.

The gate's file decides (`lockstep.artifacts.live_pointer`), and the alias follows. A version goes
live by three writes, each of which may be the last one of a process that is killed:

    1. the file names the version, and tells where `@live` still points
    2. `@live` points to the version
    3. the file tells that it does

From the first one on the version serves, and whoever looks next makes the others. An alias that
points elsewhere all the same was not moved by the gate, but by hand or with a copy of the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.artifacts.live_pointer import LivePointer, read_live, write_live
from lockstep.checks.check_results import CheckResult
from lockstep.errors import ArtifactError, DamagedError, UnavailableFilesError, VersionNotFoundError
from lockstep.project.declaration import PipelineAssets
from lockstep.store.attempts import AttemptRecord
from lockstep.store.lock import locked
from lockstep.store.parquet import Store
from lockstep.store.partition_records import CLOCKS_APART
from lockstep.store.streams import stream_records

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.registry.registry import Registry

SINCE = "live_since"
"""Fact of a batch's step: since when the version was live that was to score it."""
_MOMENT = timedelta(microseconds=1)
"""Moves of what is live follow each other by this much at least, whatever the clock says."""


@dataclass(frozen=True)
class LiveState:
    """Which version is live, as the gate and as the registry tell it.

    Attributes:
        allowed: What the gate wrote down; None if it has let no version serve.
        shown: The version that `@live` points to; None if it points nowhere.
        damage: Why what the gate wrote down cannot be read; None if it can.
        is_registered: Whether the registry has the version that the gate lets serve.
    """

    allowed: LivePointer | None
    shown: int | None
    damage: str | None = None
    is_registered: bool = True

    @property
    def agrees(self) -> bool:
        """Whether both tell the same, and no move is under way."""
        if self.allowed is None:
            return self.shown is None and self.damage is None
        return self.allowed.is_shown and self.allowed.version == self.shown

    @property
    def version(self) -> int | None:
        """The version that is live; None if none is.

        Without a word of the gate's it is the one that `@live` points to, which may not score.
        """
        return self.allowed.version if self.allowed is not None else self.shown


@dataclass(frozen=True, eq=False)
class Live:
    """The place where it is kept which version of a pipeline is live.

    Attributes:
        registry: Where `@live` shows it.
        name: Name of the pipeline.
        path: The gate's file, such as `Home.live("flights")`.
    """

    registry: Registry
    name: str
    path: Path

    def state(self) -> LiveState:
        """Which version is live. A move that a killed process began is carried to its end first.

        Raises:
            LockedError: The gate is at work, and goes on being.
            RegistryUnreachableError: The registry does not answer.
            UnavailableFilesError: The gate's file cannot be read now.
        """
        found = self._read()
        if found.agrees:
            return found
        with self.alone():
            return self.finish()

    def load(self, state: LiveState) -> LoadedVersion:
        """Load the version that is live.

        Raises:
            AliasNotSetError: None is.
            ArtifactError: It cannot be used.
            RegistryUnreachableError: The registry does not answer.
        """
        if state.allowed is None:
            return self.registry.load(self.name, "live")
        try:
            return self.registry.load(self.name, state.allowed.version)
        except VersionNotFoundError:
            return state.allowed.open()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process from moving what is live.

        Raises:
            LockedError: One is doing so, and goes on.
        """
        with locked(self.path.with_suffix(".lock"), f"what is live of {self.name}"):
            yield

    def finish(self) -> LiveState:
        """Carry a move that was broken off to its end, alone; which version is live then."""
        found = self._read()
        moving = found.allowed
        if moving is None or moving.is_shown or not self._is_ours(moving, found.shown):
            return found
        return self._show(moving)

    def move(self, loaded: LoadedVersion) -> LiveState:
        """Let a version serve from now on; to be done alone.

        Raises:
            RegistryUnreachableError: The registry does not answer.
        """
        found = self._read()
        pointer = LivePointer.to(loaded)
        if found.allowed is not None:  # the clock may have been set back since
            pointer = replace(pointer, since=max(pointer.since, found.allowed.since + _MOMENT))
        pointer = replace(pointer, is_shown=False, before=found.shown)
        write_live(self.path, pointer)
        return self._show(pointer)

    def _show(self, pointer: LivePointer) -> LiveState:
        self.registry.set_alias(self.name, "live", pointer.version)
        pointer = replace(pointer, is_shown=True)
        write_live(self.path, pointer)
        return LiveState(pointer, pointer.version)

    def _is_ours(self, moving: LivePointer, shown: int | None) -> bool:
        """Whether an alias is where a move that was broken off has left it, and can go on."""
        return shown in (moving.before, moving.version) and self._has(moving.version)

    def _read(self) -> LiveState:
        alias = self.registry.alias(self.name, "live")
        shown = None if alias is None else alias.version
        try:
            allowed = read_live(self.path)
        except UnavailableFilesError:
            raise
        except ArtifactError as error:
            return LiveState(None, shown, str(error))
        is_registered = allowed is None or allowed.version == shown or self._has(allowed.version)
        return LiveState(allowed, shown, is_registered=is_registered)

    def _has(self, version: int) -> bool:
        return any(one.version == version for one in self.registry.versions(self.name))


def check_live(
    live: LoadedVersion, state: LiveState | None, last: AttemptRecord | None
) -> CheckResult:
    """Whether a version is the one that the gate let serve last, with the files that passed it.

    Args:
        live: The version that is about to score.
        state: What gate and registry tell; None where nobody was asked.
        last: What came of the partition that was published last; None if none was.
    """
    if state is None:
        return CheckResult.not_judged("It was not said what the gate lets serve.")
    wrong = _departure(live, state) or _return(live, state, last)
    if wrong is None:
        assert state.allowed is not None, "what nobody let serve departs"
        return CheckResult(
            True,
            f"Version {live.version} serves since {_time(state.allowed.since)}, by the gate.",
        )
    return CheckResult(
        False,
        f"{wrong[0].upper()}{wrong[1:]}; nothing is scored.",
        where=f"the alias @live of {live.name} in the registry, and the gate's file "
        f"live/{live.name}.json in the home",
        todo=f"{_decided_by_the_gate(live, state)} Then: AGAIN",
    )


def _decided_by_the_gate(live: LoadedVersion, state: LiveState) -> str:
    """What makes gate and registry agree: the version that the gate let serve comes first."""
    shown = live.version if state.shown is None else state.shown
    judged = f"have the gate judge it: `lockstep promote PIPELINE {shown}`."
    if state.allowed is not None and not state.is_registered:
        other = "" if state.shown is None else f" If version {shown} is to serve, {judged}"
        return (
            f"Restore the registry from a copy that has version {state.allowed.version}; or train "
            "a version anew and promote it: `lockstep train PIPELINE`, then `lockstep promote "
            f"PIPELINE`.{other}"
        )
    if state.allowed is None or state.allowed.version == shown:
        return f"If version {shown} is to serve, {judged}"
    return (
        f"Let version {state.allowed.version} serve again: `lockstep promote PIPELINE "
        f"{state.allowed.version}`. If version {shown} is to, {judged}"
    )


def last_published(declared: PipelineAssets, store: Store) -> AttemptRecord | None:
    """What came of the partition that was published last, by day or by file; None if none was.

    One whose record is damaged is passed over: whoever reads the partition tells.
    """
    found: tuple[datetime, AttemptRecord] | None = None
    streams = ("inbox",) if declared.daily is None else ("daily", "inbox")
    written = [
        (at, partition, records)
        for records in (stream_records(declared, store, stream) for stream in streams)
        for at, partition in records.written()
    ]
    # What is in a file was so when it was written: none before the best one can tell of a later.
    for at, partition, records in sorted(written, key=lambda one: one[0], reverse=True):
        if found is not None and at + CLOCKS_APART < found[0].timestamp():
            break
        with suppress(DamagedError):
            commit = records.commit_of(partition)
            committed = datetime.fromisoformat(commit.committed_at) if commit is not None else None
            if committed is not None and (found is None or committed > found[0]):
                found = committed, records.demand(partition).record
    return found[1] if found is not None else None


def _departure(live: LoadedVersion, state: LiveState) -> str | None:
    """How what is loaded, or `@live`, departs from what the gate wrote down."""
    if state.damage is not None:
        return state.damage.removesuffix(".")
    allowed = state.allowed
    if allowed is None:
        return (
            f"@live is version {state.shown} in the registry, but the gate has let no version "
            "serve: the alias was moved by hand"
        )
    let = f"the gate let version {allowed.version} serve last, on {_time(allowed.since)}"
    if not state.is_registered:
        return (
            f"the registry has no version {allowed.version}, but {let}: it was deleted there, or "
            "the registry is another one, or an older copy. Its files are still in "
            f"{allowed.directory}, from where servers go on with it"
        )
    if not state.agrees:
        shown = f"is version {state.shown}" if state.shown is not None else "points nowhere"
        return (
            f"@live {shown} in the registry, but {let}: the alias was moved by hand, or the "
            "registry is an older copy"
        )
    if live.digest != allowed.digest:
        return (
            f"version {live.version} has other files in the registry than those with which {let}: "
            "the registry is another copy"
        )
    return None


def _return(live: LoadedVersion, state: LiveState, last: AttemptRecord | None) -> str | None:
    """How what is live is of an earlier time than what was published last."""
    if last is None or state.allowed is None:
        return None
    batch = last.steps["batch"]
    since = batch.facts.get(SINCE)
    if batch.manifest == live.digest or since is None:
        return None
    then = datetime.fromisoformat(since)
    if then <= state.allowed.since:
        return None
    return (
        f"{last.partition}, which was published last, was scored by version {batch.version}, live "
        f"since {_time(then)}, but the gate let version {live.version} serve last, on "
        f"{_time(state.allowed.since)}: that is an older copy of the registry and of the gate's "
        "file"
    )


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
