"""The live version: the one that a gate lets serve, in all homes of a registry.

A decision in the registry says which one it is (`lockstep.registry.decisions`). A version goes live
by four writes; a process may be killed after each of them:

    1. the registry holds the decision, and where `@live` still points
    2. the file of this home names the version, which was proven here
    3. `@live`, which shows it to people, points to the version
    4. the decision says that it does

The decision holds from the first write on; the next process that looks makes the second or the
third one in its place. The fourth says that the home that decided will not move `@live` any more,
so that home alone makes it. Every other home makes the second write once it has replayed the golden
records in its own environment, and else keeps the version that it had, and says so. An alias that
no write of a gate explains was moved by hand or with a copy of the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lockstep.artifacts.fingerprint import fingerprint
from lockstep.artifacts.golden_replay import unproven
from lockstep.artifacts.pointers import LivePointer, read_live, write_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import (
    ArtifactError,
    OvertakenError,
    UnavailableFilesError,
    VersionNotFoundError,
)
from lockstep.registry.decisions import Decision, Decisions, new_key
from lockstep.registry.registry import Registry
from lockstep.registry.sites import Site
from lockstep.registry.version_tags import proven_in, write_proven
from lockstep.store.lock import locked

_MOMENT = timedelta(microseconds=1)
"""Least time between two decisions, whatever the clock says."""


@dataclass(frozen=True)
class LiveState:
    """The live version by the decisions, by the alias and by this home."""

    decisions: Decisions = field(default_factory=Decisions)
    taken: LivePointer | None = None  # the version that serves in this home; None if none does yet
    shown: int | None = None  # number of the version that `@live` points to
    is_registered: bool = True  # the registry has the version that was decided on
    # Why this home does not take over the last decision; None if it does.
    refused: str | None = None
    # Sentences about files here that were damaged and are written anew.
    mended: tuple[str, ...] = ()

    @property
    def decided(self) -> Decision | None:
        """The decision that holds; None without one, or where it cannot be read."""
        return self.decisions.last

    @property
    def key(self) -> str:
        """Key of the decision that holds; empty without one."""
        return "" if self.decided is None else self.decided.key

    @property
    def is_shown(self) -> bool:
        """Whether `@live` agrees with the decision."""
        if self.decided is None:
            return self.shown is None and self.decisions.damage is None
        return self.decided.version == self.shown

    @property
    def is_taken(self) -> bool:
        """Whether what was decided serves in this home: the very bytes that it is bound to."""
        taken, decided = self.taken, self.decided
        if taken is None or decided is None:
            return taken is None and decided is None
        return taken.decision == decided.key and decided.is_about(taken.version, taken.digest)

    @property
    def agrees(self) -> bool:
        """Whether registry, alias and home agree."""
        return self.is_shown and self.is_taken

    @property
    def is_ahead(self) -> bool:
        """Whether this home took over a later decision than the registry holds."""
        if self.taken is None or self.is_taken or self.decisions.damage is not None:
            return False
        return self.decided is None or self.decided.since < self.taken.since

    @property
    def version(self) -> int | None:
        """Number of the version that serves in this home; None without one.

        Where none does yet, it is the one that `@live` points to, which may not score.
        """
        return self.taken.version if self.taken is not None else self.shown


@dataclass(frozen=True, eq=False)
class Live:
    """What is live of a pipeline, in the registry and in a home.

    Its methods raise LockedError where the gate keeps it locked, RegistryError where the registry
    does not answer, and UnavailableFilesError where a file cannot be read now.
    """

    registry: Registry
    name: str
    path: Path  # the file of the home, such as `Home.live("flights")`

    def state(self) -> LiveState:
        """The live version, after completing a move that a killed process began."""
        state = self._read()
        if state.is_shown and not self._begun_here(state):
            return state
        with self.alone():
            return self.finish()

    def take_over(self) -> LiveState:
        """The live version, once this home serves what was decided, if that is proven here."""
        state = self.state()
        if _to_take(state) is None:
            return state
        with self.alone():
            state = self.finish()
            decided = _to_take(state)
            return state if decided is None else self._prove(state, decided)

    def load(self, state: LiveState) -> LoadedVersion:
        """Load the version that serves in this home, or else the one that was decided on.

        Raises:
            AliasNotSetError: No version is live.
            ArtifactError: It cannot be used.
        """
        if state.taken is not None:
            try:
                return self.registry.load(self.name, state.taken.version)
            except VersionNotFoundError:
                return state.taken.open()
        number = state.decided.version if state.decided is not None else "live"
        return self.registry.load(self.name, number)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process of this home from moving the live version."""
        with locked(self.path.with_suffix(".lock"), f"what is live of {self.name}"):
            yield

    def finish(self) -> LiveState:
        """Complete a move that broke off; return the live version then. Call it in `alone`.

        Homes that decide at once may move the alias in another order than that of their decisions:
        so it is looked at again after each move.
        """
        state, moved = self._read(), set[int]()
        while _is_of_a_gate(state, moved):
            assert state.decided is not None, "a gate moves the alias by a decision"
            self.registry.set_alias(self.name, "live", state.decided.version)
            moved.add(state.decided.version)
            state = self._read()
        begun = self._begun_here(state) if state.is_shown else ()
        for decision in begun:
            decision.shown(self.registry)
        return self._read() if begun else state

    def _begun_here(self, state: LiveState) -> tuple[Decision, ...]:
        """The decisions of this home of which nobody said that they move the alias no more."""
        return tuple(
            each for each in state.decisions.log if not each.is_shown and self._is_here(each.site)
        )

    def last(self) -> str:
        """Key of the decision that holds; empty without one."""
        return self._read().key

    def demand_last(self, state: LiveState, seen: str, version: int) -> None:
        """Raise OvertakenError if another version was let serve since a promotion began.

        `seen` is the key of the decision that held then; see `last`.
        """
        decided = state.decided
        if decided is not None and decided.key != seen and decided.version != version:
            let = f"version {decided.version} was let serve on {decided_by(decided)}"
            raise OvertakenError(self.name, version, let)

    def promote(
        self, loaded: LoadedVersion, seen: str, *, back: bool = False, anyway: str = ""
    ) -> LiveState:
        """Let a version serve that a person wants, and point `@champion` to it. Call it in `alone`.

        Two homes may do so at once, and a registry cannot compare and set. So who has decided looks
        again: the newest decision holds, whose is another was overtaken, and `@champion` follows.
        `seen` is the key of the decision that held when the person said so (see `last`); `back` and
        `anyway` are as of `move`.

        Raises:
            OvertakenError: Another version was let serve since, or at the same time.
        """
        state = self.finish()
        self.demand_last(state, seen, loaded.version)
        self.registry.set_alias(self.name, "champion", loaded.version)
        if self.last() == state.key:
            self.move(loaded, back=back, anyway=anyway)
        state = self._champion_follows()
        self.demand_last(state, seen, loaded.version)
        return state

    def _champion_follows(self) -> LiveState:
        """Point `@champion` to what was decided last, and look again: others may move it too."""
        while True:
            state = self.finish()
            champion = self.registry.alias(self.name, "champion")
            if state.decided is None or (champion and champion.version == state.decided.version):
                return state
            self.registry.set_alias(self.name, "champion", state.decided.version)

    def move(self, loaded: LoadedVersion, *, back: bool = False, anyway: str = "") -> LiveState:
        """Let a version that was proven here serve from now on. Call it in `alone`.

        Args:
            back: Whether somebody goes back to it from the live version, which later rollbacks
                pass over.
            anyway: Why a person lets it serve though a check of its quality failed; by default
                what was said of it before.
        """
        state = self._read()
        taken = None if state.taken is None else state.taken.since
        times = (time for time in (state.decisions.newest, taken) if time is not None)
        since = max([datetime.now(UTC), *(time + _MOMENT for time in times)])
        live = None if state.decided is None else state.decided.version
        decision = Decision(
            name=self.name,
            key=new_key(since),
            version=loaded.version,
            manifest=loaded.digest,
            since=since,
            **asdict(self.site),
            environment=fingerprint(loaded),
            before=state.shown,
            is_shown=False,
            back_from=live if back and live != loaded.version else None,
            anyway=anyway or state.decisions.overruled(loaded.version, loaded.digest),
        )
        decision.write(self.registry)
        self._write(loaded, decision)
        self.registry.set_alias(self.name, "live", decision.version)
        state.decisions.forget_old(self.registry)
        return self.finish()

    def take(self, loaded: LoadedVersion) -> LiveState:
        """Have this home serve what was decided, which was proven here. Call it in `alone`."""
        state = self.finish()
        decided = state.decided
        if decided is None or decided.manifest != loaded.digest:
            return state
        self._write(loaded, decided)
        return self._read()

    @property
    def site(self) -> Site:
        """The site of this process."""
        return Site.here(self.path.parents[1])

    def _prove(self, state: LiveState, decided: Decision) -> LiveState:
        """Take over what was decided, if its golden records come out here as they were stored."""
        try:
            loaded = self.registry.load(self.name, decided.version)
        except UnavailableFilesError:
            raise
        except ArtifactError as error:
            return replace(state, refused=f"it cannot be loaded here: {error}")
        if loaded.digest != decided.manifest:
            return replace(
                state,
                refused="it has other files in the registry than those that were decided on",
            )
        if why := unproven(loaded):
            return replace(state, refused=why)
        version, environment = self.registry.find(self.name, decided.version), fingerprint(loaded)
        if proven_in(version, environment) is None:
            write_proven(self.registry, version, self.site, environment)
        return self.take(loaded)

    def _write(self, loaded: LoadedVersion, decision: Decision) -> None:
        pointer = LivePointer.to(loaded)
        write_live(self.path, replace(pointer, since=decision.since, decision=decision.key))

    def _read(self) -> LiveState:
        model = self.registry.model(self.name)
        try:
            taken = read_live(self.path)
        except UnavailableFilesError:
            raise
        except ArtifactError as error:  # the registry decides, and the file is written anew
            taken = None
            self._note_mended(str(error).partition(". ")[0])
        if model is None:
            return LiveState(taken=taken)
        decisions, shown = Decisions.of(self.name, model.tags), model.aliases.get("live")
        if taken is not None and (why := _edited(taken, decisions)) is not None:
            self._note_mended(f"{self.path} {why}")
        elif not self.path.exists() and self._let_serve(decisions):
            self._note_mended(f"{self.path} is missing, though this home let a version serve")
        decided = decisions.last
        is_registered = (
            decided is None
            or decided.version == shown
            or decided.version in (known.version for known in self.registry.versions(self.name))
        )
        return LiveState(decisions, taken, shown, is_registered)

    def _let_serve(self, decisions: Decisions) -> bool:
        """Whether this home made a decision, and wrote its file."""
        return any(each.is_shown and self._is_here(each.site) for each in decisions.log)

    def _is_here(self, site: Site) -> bool:
        here = self.site
        return (site.home, site.host) == (here.home, here.host)

    def _note_mended(self, damage: str) -> None:
        self.registry.note_mended(
            f"{damage}. What this home serves is taken from the registry anew: see who edits files "
            "there."
        )


@dataclass(frozen=True, eq=False)
class KeptLive(Live):
    """The record of a live version that is loaded once, for as long as the same one is live.

    Its files are verified when it is loaded. What is live is asked anew each time. A decision that
    this home does not take over is not tried again.
    """

    _kept: dict[object, LoadedVersion] = field(default_factory=dict)
    _refused: dict[str, str] = field(default_factory=dict)

    def load(self, state: LiveState) -> LoadedVersion:
        """The live version, loaded at the first call for each; see `Live.load`."""
        which = state.taken, state.key
        if which not in self._kept:
            self._kept[which] = super().load(state)
        return self._kept[which]

    def _prove(self, state: LiveState, decided: Decision) -> LiveState:
        if decided.key in self._refused:
            return replace(state, refused=self._refused[decided.key])
        proven = super()._prove(state, decided)
        if proven.refused is not None:
            self._refused[decided.key] = proven.refused
        return proven


def _is_of_a_gate(state: LiveState, moved: set[int]) -> bool:
    """Whether the alias is off the decision where a gate moved it, or left it when it broke off.

    A decision moves the alias once. So one that has not yet may still do so, however late; its home
    may have been overtaken by another one's. And so may this process, which has `moved` it itself.
    """
    decided = state.decided
    if decided is None or not state.is_registered or state.shown == decided.version:
        return False
    late = {each.version for each in state.decisions.log if not each.is_shown} | moved
    return state.shown in late or (not decided.is_shown and state.shown == decided.before)


def _edited(taken: LivePointer, decisions: Decisions) -> str | None:
    """How a home's file tells otherwise of a decision than the registry; None if it does not."""
    decision = decisions.of_key(taken.decision)
    if decision is None or decision.is_about(taken.version, taken.digest):
        return None
    return (
        f"names version {taken.version} with a manifest {taken.digest[:12]}…, but the decision by "
        f"which it serves is about version {decision.version} with {decision.manifest[:12]}…"
    )


def _to_take(state: LiveState) -> Decision | None:
    """The decision that this home has yet to take over, unless somebody moved the alias."""
    is_due = state.is_shown and state.is_registered and not state.is_taken and not state.is_ahead
    return state.decided if is_due else None


def moved_by_hand(state: LiveState) -> str:
    """A sentence if `@live` was moved by hand; otherwise empty."""
    if state.is_shown:
        return ""
    shown = "points nowhere" if state.shown is None else f"is version {state.shown}"
    return f"@live {shown} in the registry: it was moved by hand, and nothing is scored."


def overruled(decided: Decision) -> str:
    """A sentence if a person let a version serve whose quality failed a check; otherwise empty."""
    return (
        f"A check of its quality failed, and a person overruled it: {decided.anyway.rstrip('.')}."
        if decided.anyway
        else ""
    )


def served_here(state: LiveState) -> str:
    """A sentence if this home serves another version than the live one; otherwise empty."""
    if state.is_taken:
        return ""
    if state.is_ahead and state.taken is not None:
        return (
            f"This home serves version {state.taken.version}, by a later decision that the "
            "registry does not hold: it is another one, or an older copy."
        )
    serves = "no version" if state.taken is None else f"version {state.taken.version}"
    return (
        f"This home serves {serves} yet: the next batch or server takes over what was decided "
        "last, once its golden records come out here as they were stored."
    )


def decided_by(decision: Decision) -> str:
    """When a decision was made, by whom, and where."""
    return f"{decision.since:%Y-%m-%d %H:%M}, by the gate of {decision.site}"
