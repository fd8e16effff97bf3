"""The live version: the one that the gate lets serve, and the alias `@live` that shows it.

The gate's file decides (`lockstep.artifacts.live_pointer`), and the alias follows. A version goes
live by three writes; a process may be killed after each of them:

    1. the file names the version, and where `@live` still points
    2. `@live` points to the version
    3. the file says that it does

The version serves from the first write on; the next process that looks makes the others. An alias
that points elsewhere was moved by hand or with a copy of the registry, not by the gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
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
"""Fact of a batch's step: since when the version that scores it was live."""
_MOMENT = timedelta(microseconds=1)
"""Least time between two moves of the live version, whatever the clock says."""


@dataclass(frozen=True)
class LiveState:
    """The live version by the gate and by the registry.

    Attributes:
        allowed: The gate's record; None if it has let no version serve.
        shown: Number of the version that `@live` points to; None if it points nowhere.
        damage: Why the gate's record cannot be read; None if it can.
        is_registered: Whether the registry has the version that the gate lets serve.
    """

    allowed: LivePointer | None
    shown: int | None
    damage: str | None = None
    is_registered: bool = True

    @property
    def agrees(self) -> bool:
        """Whether gate and registry agree, and no move is under way."""
        if self.allowed is None:
            return self.shown is None and self.damage is None
        return self.allowed.is_shown and self.allowed.version == self.shown

    @property
    def version(self) -> int | None:
        """Number of the live version; None without one.

        Without the gate's record it is the one that `@live` points to, which may not score.
        """
        return self.allowed.version if self.allowed is not None else self.shown


@dataclass(frozen=True, eq=False)
class Live:
    """The record of a pipeline's live version, in the gate's file and the registry.

    Attributes:
        registry: The registry with `@live`.
        name: Name of the pipeline.
        path: The gate's file, such as `Home.live("flights")`.
    """

    registry: Registry
    name: str
    path: Path

    def state(self) -> LiveState:
        """The live version, after completing a move that a killed process began.

        Raises:
            LockedError: The gate keeps it locked.
            RegistryUnreachableError: The registry does not answer.
            UnavailableFilesError: The gate's file cannot be read now.
        """
        state = self._read()
        if state.agrees:
            return state
        with self.alone():
            return self.finish()

    def load(self, state: LiveState) -> LoadedVersion:
        """Load the live version.

        Raises:
            AliasNotSetError: No version is live.
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
        """Keep every other process from moving the live version.

        Raises:
            LockedError: Another process keeps it locked.
        """
        with locked(self.path.with_suffix(".lock"), f"what is live of {self.name}"):
            yield

    def finish(self) -> LiveState:
        """Complete a move that broke off; return the live version then. Call it in `alone`."""
        state = self._read()
        moving = state.allowed
        if moving is None or moving.is_shown or not self._is_ours(moving, state.shown):
            return state
        return self._show(moving)

    def move(self, loaded: LoadedVersion) -> LiveState:
        """Let a version serve from now on. Call it in `alone`.

        Raises:
            RegistryUnreachableError: The registry does not answer.
        """
        state = self._read()
        pointer = LivePointer.to(loaded)
        if state.allowed is not None:  # the clock may have been set back since
            pointer = replace(pointer, since=max(pointer.since, state.allowed.since + _MOMENT))
        pointer = replace(pointer, is_shown=False, before=state.shown)
        write_live(self.path, pointer)
        return self._show(pointer)

    def _show(self, pointer: LivePointer) -> LiveState:
        self.registry.set_alias(self.name, "live", pointer.version)
        pointer = replace(pointer, is_shown=True)
        write_live(self.path, pointer)
        return LiveState(pointer, pointer.version)

    def _is_ours(self, moving: LivePointer, shown: int | None) -> bool:
        """Whether the alias is where a broken-off move left it, and the move can go on."""
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
        return version in (known.version for known in self.registry.versions(self.name))


@dataclass(frozen=True, eq=False)
class KeptLive(Live):
    """The record of a live version that is loaded once, for as long as the same one is live.

    Its files are verified when it is loaded. What is live is asked anew each time.
    """

    _kept: dict[LiveState, LoadedVersion] = field(default_factory=dict)

    def load(self, state: LiveState) -> LoadedVersion:
        """The live version, loaded at the first call in each state; see `Live.load`."""
        if state not in self._kept:
            self._kept[state] = super().load(state)
        return self._kept[state]


def check_live(
    live: LoadedVersion, state: LiveState | None, last: AttemptRecord | None
) -> CheckResult:
    """Check that a version is the one that the gate let serve last, with the files that passed it.

    Args:
        live: The version that is about to score.
        state: The live version by gate and registry; None where nobody asked.
        last: Record of the partition that was published last; None without one.
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
    """How to make gate and registry agree: the version that the gate let serve comes first."""
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
    """Record of the partition that was published last, a day or a file; None without one.

    Damaged records are skipped: reading the partition reports them.
    """
    newest: tuple[datetime, AttemptRecord] | None = None
    streams = ("inbox",) if declared.daily is None else ("daily", "inbox")
    written = [
        (at, partition, records)
        for records in (stream_records(declared, store, stream) for stream in streams)
        for at, partition in records.written()
    ]
    # A commit is no later than its file: once files are older than the newest commit, stop.
    for at, partition, records in sorted(written, key=lambda file: file[0], reverse=True):
        if newest is not None and at + CLOCKS_APART < newest[0].timestamp():
            break
        with suppress(DamagedError):
            commit = records.commit_of(partition)
            committed = datetime.fromisoformat(commit.committed_at) if commit is not None else None
            if committed is not None and (newest is None or committed > newest[0]):
                newest = committed, records.demand(partition).record
    return newest[1] if newest is not None else None


def _departure(live: LoadedVersion, state: LiveState) -> str | None:
    """How the loaded version or `@live` departs from the gate's record; None if neither does."""
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
    """How the live version is older than the last published partition's; None if it is not."""
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
