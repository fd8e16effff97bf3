"""Two homes on one registry: both promote and roll back, are killed, are overtaken, and take over.

A replay takes a second, and is told here how it ends; the real one is in `test_live`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lockstep.artifacts.pointers import LivePointer, read_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import AliasNotSetError, OvertakenError, RegistryUnreachableError
from lockstep.registry import live as live_module
from lockstep.registry.decisions import Decision
from lockstep.registry.live import Live, LiveState
from lockstep.registry.registry import Registry
from lockstep.registry.version_tags import PROVEN
from lockstep.scoring.live_check import check_live
from lockstep.store.results import CheckResult
from tests.fixtures.orders import copy_home
from tests.fixtures.registries import Killed, before_each_write

VERSIONS = st.integers(1, 3)
HOMES = st.sampled_from(["a", "b"])
WRITES = st.integers(0, 3)
"""Writes of a move that are made: the decision, the file, the alias, and that it was moved; before
them a promotion moves `@champion`."""


@dataclass(eq=False)
class SharingHome:
    """A home with a registry object of its own.

    Attributes:
        path: Its folder.
        registry: The registry that it shares.
        due: What happens before the coming writes of its process, the first of them first.
        fails: Versions whose golden records come out otherwise here.
    """

    path: Path
    registry: Registry
    due: list[Callable[[], None] | None] = field(default_factory=list)
    fails: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        before_each_write(self.registry, self.written)

    def written(self) -> None:
        """What happens before a write."""
        happens = self.due.pop(0) if self.due else None
        if happens is not None:
            happens()

    @property
    def live(self) -> Live:
        return Live(self.registry, "orders", self.path / "live" / "orders.json")

    @property
    def pointer(self) -> LivePointer | None:
        return read_live(self.live.path)

    def move(self, version: int, *, back: bool = False) -> None:
        """What the gate does with a version that passes."""
        with _at(self), self.live.alone():
            self.live.move(self.registry.load("orders", version), back=back)

    def promote(self, version: int, *, back: bool = False) -> bool:
        """What `lockstep promote` does with one that passes; whether it was not overtaken."""
        seen = self.live.last()
        with _at(self), self.live.alone(), suppress(OvertakenError):
            self.live.promote(self.registry.load("orders", version), seen, back=back)
            return True
        return False

    def serve(self) -> tuple[LiveState, CheckResult]:
        """What a batch does first."""
        with _at(self):
            state = self.live.take_over()
            return state, check_live(self.live.load(state), state, None)


_here: list[SharingHome] = []


@contextmanager
def _at(home: SharingHome) -> Iterator[None]:
    _here.append(home)
    try:
        yield
    finally:
        _here.pop()
        home.due.clear()


def _replay(loaded: LoadedVersion) -> str:
    return "is_heavy differs in 3 of 60 rows." if loaded.version in _here[-1].fails else ""


def _fingerprint(_: LoadedVersion) -> str:
    return f"{_here[-1].path.name}{'0' * 63}"


def _write_live(path: Path, pointer: LivePointer) -> None:
    _here[-1].written()
    WRITE_LIVE(path, pointer)


WRITE_LIVE = live_module.write_live


def _kill() -> None:
    raise Killed


class SharedRegistry(RuleBasedStateMachine):
    """What is live in two homes, whatever they do and wherever it breaks off."""

    homes: dict[str, SharingHome]
    first: int
    """The version that `@live` points to before anything is decided; 0 if to none."""

    @initialize()
    def begin(self) -> None:
        self.by_hand = self.is_pending = False
        self.promoted: list[int] = []
        self.left: set[int] = set()
        registry = self.homes["a"].registry
        model = registry.model("orders")
        assert model is not None
        for key in model.tags:
            registry.untag_model("orders", key)
        if "live" in model.aliases:
            self.remove_alias()
        for home in self.homes.values():
            home.live.path.unlink(missing_ok=True)
            home.fails.clear()

    def remove_alias(self) -> None:
        registry = self.homes["a"].registry
        registry._connection.client.delete_registered_model_alias("orders", "live")

    @property
    def decided(self) -> Decision | None:
        return self.homes["a"].live.state().decided

    @rule(home=HOMES, version=VERSIONS)
    def promote(self, home: str, version: int) -> None:
        self.homes[home].fails.discard(version)
        self.homes[home].move(version)
        self.by_hand = self.is_pending = False
        self.promoted.append(version)
        self.left.discard(version)
        decided = self.homes[home].live.state().decided
        assert decided is not None
        assert decided.version == version

    @rule(home=HOMES, version=VERSIONS, writes=WRITES)
    def promote_and_be_killed(self, home: str, version: int, writes: int) -> None:
        self.homes[home].due[:] = [*[None] * writes, _kill]
        with pytest.raises(Killed):
            self.homes[home].move(version)
        if writes:  # it is decided, whoever moved the alias before
            self.by_hand, self.is_pending = False, True
            self.promoted.append(version)
            self.left.discard(version)

    @precondition(lambda self: self.promoted)
    @rule(home=HOMES, writes=st.integers(0, 4))
    def roll_back(self, home: str, writes: int) -> None:
        """Back as far as it goes; the last process is killed after so many writes, if after any."""
        moves = True
        while moves:
            live, decisions = self.decided, self.homes[home].live.state().decisions
            assert live is not None
            if not decisions.earlier:
                assert decisions.versions == {live.version, *decisions.left}
                break
            to = decisions.earlier[0]
            assert to not in self.left
            moves = writes == 4
            self.homes[home].due[:] = [] if moves else [*[None] * writes, _kill]
            with suppress(Killed):
                self.homes[home].move(to, back=True)
            if writes:
                self.by_hand, self.is_pending = False, not moves
                self.left.add(live.version)

    @precondition(lambda self: not self.by_hand)
    @rule(home=HOMES, version=VERSIONS, other=VERSIONS, writes=WRITES, is_killed=st.booleans())
    def promote_while_the_other_home_does(
        self, home: str, version: int, other: int, writes: int, is_killed: bool
    ) -> None:
        beside = self.homes["b" if home == "a" else "a"]

        def overtake() -> None:
            ends.append(beside.promote(other))

        ends: list[bool] = []
        rest = [None, _kill] if is_killed else []
        self.homes[home].due[:] = [*[None] * writes, overtake, *rest]
        with suppress(Killed):
            ends.append(self.homes[home].promote(version))
            self.homes[home].due.clear()
            if writes != 1 and other != version:  # between a look and the write it is not seen
                assert sorted(ends) == [False, True]
            decided, champion = self.decided, self.homes[home].registry.alias("orders", "champion")
            assert decided is not None
            assert champion is not None
            assert champion.version == decided.version
        self.is_pending = True
        self.promoted += [version, other]
        self.left -= {version, other}

    @precondition(lambda self: self.promoted and not self.is_pending)
    @rule(version=st.integers(0, 3))
    def move_the_alias_by_hand(self, version: int) -> None:
        registry, log = self.homes["b"].registry, self.homes["b"].live.state().decisions.log
        # a promotion that was overtaken and killed may still be on its way: it is no hand's
        late = {decision.version for decision in log if not decision.is_shown}
        if not log[-1].is_shown:
            late.add(log[-1].before or 0)
        if version:
            registry.set_alias("orders", "live", version)
        elif registry.alias("orders", "live") is not None:
            self.remove_alias()
        assert self.decided is not None
        self.by_hand = version not in {self.decided.version, *late}

    @rule(home=HOMES, version=VERSIONS)
    def differ(self, home: str, version: int) -> None:
        self.homes[home].fails ^= {version}

    @rule(home=HOMES)
    def lose_the_registry(self, home: str) -> None:
        before = self.homes[home].pointer
        live = Live(
            Registry("http://127.0.0.1:9", attempts=1), "orders", self.homes[home].live.path
        )
        with pytest.raises(RegistryUnreachableError):
            live.take_over()
        assert self.homes[home].pointer == before

    @rule(home=HOMES)
    def lose_the_file(self, home: str) -> None:
        self.homes[home].live.path.unlink(missing_ok=True)

    @rule(name=HOMES)
    def serve(self, name: str) -> None:
        home, before = self.homes[name], self.homes[name].pointer
        if not self.promoted:
            with pytest.raises(AliasNotSetError):
                home.serve()
            return
        state, result = home.serve()
        decided = state.decided
        assert decided is not None
        assert decided.version in self.promoted
        if self.by_hand:
            assert result.is_error
            assert "the alias was moved by hand" in result.summary
            assert str(decided.site) in result.summary
            assert home.pointer == before
            return
        assert state.is_shown
        assert state.shown == decided.version
        self.is_pending = False
        is_taken = before is not None and before.decision == decided.key
        if decided.version in home.fails and not is_taken:
            assert (result.passed, result.is_error) == (False, before is None)
            assert "is_heavy differs" in result.summary
            assert str(decided.site) in result.summary
            assert home.pointer == before
        else:
            assert result.passed, result.summary
            assert state.agrees
            assert state.version == decided.version

    @invariant()
    def what_a_home_serves_was_decided(self) -> None:
        for home in self.homes.values():
            pointer = home.pointer
            if pointer is not None:
                assert pointer.version in self.promoted
                assert pointer.digest == home.registry.find("orders", pointer.version).digest

    def teardown(self) -> None:
        """Whatever happened, the homes agree once each has looked, or say that they do not."""
        if not hasattr(self, "promoted") or not self.promoted or self.by_hand:
            return
        for home in self.homes.values():
            home.fails.clear()
        states = [home.serve()[0] for home in self.homes.values()]
        assert all(state.agrees for state in states)
        assert len({state.version for state in states}) == 1


@pytest.fixture(scope="module")
def shared(three_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose registry two others share."""
    path = tmp_path_factory.mktemp("shared") / "home"
    copy_home(three_home, path)
    registry = registry_of(path)
    for version in registry.versions("orders"):
        for tag in filter(lambda tag: tag.startswith(PROVEN), version.tags):
            registry._connection.client.delete_model_version_tag(
                "orders", str(version.version), tag
            )
    return path


def registry_of(path: Path) -> Registry:
    uri = f"sqlite:///{path}/mlflow/mlflow.db"
    return Registry(uri, artifact_root=path / "mlflow" / "artifacts")


@pytest.fixture
def homes(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, SharingHome]]:
    """Two homes that share a registry, for `SharedRegistry`."""
    monkeypatch.setattr(live_module, "unproven", _replay)
    monkeypatch.setattr(live_module, "fingerprint", _fingerprint)
    monkeypatch.setattr(live_module, "write_live", _write_live)
    SharedRegistry.homes = {
        name: SharingHome(tmp_path / name, registry_of(shared)) for name in ("a", "b")
    }
    yield SharedRegistry.homes
    del SharedRegistry.homes


@pytest.mark.parametrize("writes", range(4))
def test_an_overtaken_promotion_that_moves_the_alias_late_is_no_hand(
    homes: dict[str, SharingHome], writes: int
) -> None:
    machine = SharedRegistry()
    machine.begin()
    machine.promote_while_the_other_home_does("a", 2, 1, writes, is_killed=False)
    for name in homes:
        machine.serve(name)
    machine.teardown()


@pytest.mark.parametrize("examples", [4, pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.usefixtures("homes")
def test_homes_that_share_a_registry_agree_on_what_is_live(examples: int) -> None:
    run_state_machine_as_test(
        SharedRegistry,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
