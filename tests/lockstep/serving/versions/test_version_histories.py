"""Histories of versions: whatever goes live, loses its proof, breaks or is asked for, in any order.

What is loaded here is a real scorer under other numbers. That a version is proven in this process
before it serves takes a second, and is tested beside (`test_served_versions`, `test_pins`).
"""

import asyncio
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from lockstep.artifacts.pointers import (
    ListedVersion,
    Listing,
    LivePointer,
    write_listing,
    write_live,
)
from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import ArtifactError, NotReadyError, UnknownError
from lockstep.project.home import Home
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.asked import RequestFacts
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.proving import Stored
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Scorer

Records = list[dict[str, Any]]
NUMBERS = st.integers(1, 5)
PINNED = 2


class Loader:
    """Loads versions, which are numbers of one scorer, unless they are broken."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.broken: set[int] = set()
        self.loads = 0
        self._lock = threading.Lock()

    def load(self, stored: Stored, *, strict: bool = True, tables: object = None) -> Scorer:
        with self._lock:
            self.loads += 1
            if stored.version in self.broken:
                raise ArtifactError(f"{stored.version} is damaged")
            numbered = replace(self.scorer.loaded, version=stored.version, digest=stored.digest)
            return replace(self.scorer, loaded=numbered, strict=strict)


class Histories(RuleBasedStateMachine):
    """A server and its two files; requests are claimed at one step and answered at a later one."""

    loader: Loader
    folder: Path
    orders: Records

    @initialize()
    def begin(self) -> None:
        self.loader.broken.clear()
        self.runner = asyncio.Runner()
        home = Home(self.folder)
        self.pointer, self.listing = home.live("orders"), home.listing("orders")
        for path in (self.pointer, self.listing):
            path.unlink(missing_ok=True)
        self.service = Service(
            "orders",
            self.pointer,
            RequestLimits(pinned_versions=PINNED),
            listing=self.listing,
            canary=Canary(share=0.5),
        )
        self.versions = self.service.versions
        self.live: int | None = None
        self.proven: set[int] = set()
        self.challenger: int | None = None
        self.held: list[tuple[RequestFacts, Scorer]] = []

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        while self.held:
            self.answer_one()
        self.runner.close()

    def run(self, coroutine: Any) -> Any:
        async def settled() -> Any:
            found = await coroutine
            while any(not one.task.done() for one in self.versions.scorers._entries.values()):
                await asyncio.sleep(0.001)
            for _ in range(5):
                await asyncio.sleep(0)
            return found

        return self.runner.run(settled())

    # What people and the gate do

    @rule(number=NUMBERS)
    def go_live(self, number: int) -> None:
        write_live(self.pointer, LivePointer("orders", number, self.folder, f"{number:064}"))
        self.run(self.versions.look())
        if number not in self.loader.broken or self.is_at_hand(number):
            self.live = number
        found = self.versions.scorer
        assert (found.loaded.version if found is not None else None) == self.live
        assert (self.versions.refusal is None) == (self.live == number)

    @rule(number=NUMBERS)
    def prove(self, number: int) -> None:
        self.proven.add(number)
        self.write_listing()

    @rule(number=NUMBERS)
    def take_back_the_proof(self, number: int) -> None:
        self.proven.discard(number)
        self.write_listing()

    @rule(number=st.none() | NUMBERS)
    def challenge(self, number: int | None) -> None:
        self.challenger = number
        self.write_listing()

    @rule(number=NUMBERS)
    def damage(self, number: int) -> None:
        self.loader.broken.add(number)

    @rule(number=NUMBERS)
    def restore(self, number: int) -> None:
        self.loader.broken.discard(number)

    def write_listing(self) -> None:
        write_listing(self.listing, self.listed())
        self.run(self.versions.look_beside())

    def listed(self) -> Listing:
        proven_at = {number: datetime.now(UTC) for number in self.proven}
        listed = {
            number: ListedVersion(
                "orders", number, self.folder, f"{number:064}", proven_at.get(number)
            )
            for number in {*self.proven, self.challenger}
            if number is not None
        }
        return Listing("orders", listed, self.challenger)

    # What clients do

    async def claim(self, asked: RequestFacts, number: int | None) -> Scorer:
        if number is None:
            return self.service.claim(asked)
        return await self.service.claim_version(asked, number)

    @rule(number=st.none() | NUMBERS)
    def ask(self, number: int | None) -> None:
        asked = self.service.ids.ask()
        at_hand = number is not None and self.is_at_hand(number)
        try:
            scorer = self.run(self.claim(asked, number))
        except NotReadyError:
            assert self.live is None if number is None else len(self.pins) >= PINNED
            return
        except UnknownError:
            assert number is not None
            assert number != self.live
            assert number not in self.proven or not at_hand
            return
        self.demand_allowed(number, scorer)
        self.held.append((asked, scorer))

    @rule(numbers=st.lists(st.none() | NUMBERS, min_size=2, max_size=5))
    def ask_together(self, numbers: list[int | None]) -> None:
        asked = [self.service.ids.ask() for _ in numbers]

        async def claims() -> Any:
            claimed = map(self.claim, asked, numbers)
            return await asyncio.gather(*claimed, return_exceptions=True)

        for one, number, found in zip(asked, numbers, self.run(claims()), strict=True):
            if isinstance(found, Scorer):
                self.demand_allowed(number, found)
                self.held.append((one, found))
            else:
                assert isinstance(found, NotReadyError | UnknownError), found

    @rule(number=NUMBERS)
    def ask_and_leave(self, number: int) -> None:
        async def leave() -> None:
            asked = self.service.ids.ask()
            task = asyncio.create_task(self.service.claim_version(asked, number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if asked.scorer is not None:
                asked.scorer.lease.release()

        self.run(leave())

    @rule(number=NUMBERS)
    def lose_the_proof_while_it_is_asked_for(self, number: int) -> None:
        asked, was_at_hand = self.service.ids.ask(), self.is_at_hand(number)
        self.proven.discard(number)

        async def lose() -> Any:
            task = asyncio.create_task(self.service.claim_version(asked, number))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            write_listing(self.listing, self.listed())
            await self.versions.look_beside()
            return await asyncio.gather(task, return_exceptions=True)

        (found,) = self.run(lose())
        if isinstance(found, Scorer):
            assert number == self.live or was_at_hand
            self.held.append((asked, found))

    @rule()
    def answer_one(self) -> None:
        if not self.held:
            return
        asked, scorer = self.held.pop(0)

        async def answer() -> Any:
            return await self.service.batches.ask(scorer, self.orders[:1], asked)

        assert self.is_loaded(scorer)
        answer_given = self.run(answer())
        assert answer_given.version == scorer.loaded.version
        assert answer_given.rows == [0]

        async def release() -> None:
            scorer.lease.release()

        self.run(release())

    def demand_allowed(self, number: int | None, scorer: Scorer) -> None:
        version = scorer.loaded.version
        if number is not None:
            assert version == number
            assert version == self.live or version in self.proven
        else:
            is_canary = version == self.challenger and version in self.proven
            assert version == self.live or is_canary

    # What always holds

    @invariant()
    def what_is_held_is_loaded(self) -> None:
        if hasattr(self, "held"):
            assert all(self.is_loaded(scorer) for _, scorer in self.held)

    @invariant()
    def nothing_else_is_loaded_than_is_needed(self) -> None:
        if not hasattr(self, "held"):
            return
        canary = self.versions.canary
        roles = {self.live, canary.scorer.loaded.version if canary and canary.scorer else None}
        held = {scorer.loaded.version for _, scorer in self.held}
        loaded = {scorer.loaded.version for scorer in self.versions.scorers.loaded}
        assert roles - {None} <= loaded
        assert loaded <= roles | held | self.pins
        assert len(self.pins) <= PINNED
        assert self.pins <= self.proven

    @property
    def pins(self) -> set[int]:
        """Numbers of the versions that are kept since requests asked for them."""
        return {key[0] for key, pin in self.versions.pins._pins.items() if pin.refusal is None}

    def is_loaded(self, scorer: Scorer) -> bool:
        return scorer in self.versions.scorers.loaded

    def is_at_hand(self, number: int) -> bool:
        """Whether a version is loaded by now, whatever became of its files."""
        return any(one.loaded.version == number for one in self.versions.scorers.loaded)


@pytest.fixture
def quick(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> Loader:
    loader = Loader(scorer)
    monkeypatch.setattr("lockstep.serving.versions.scorers.load", loader.load)
    monkeypatch.setattr("lockstep.serving.versions.scorers.gc.collect", lambda: 0)
    monkeypatch.setattr("lockstep.serving.versions.served_versions.IDLE_SECONDS", 0.0)
    monkeypatch.setattr("lockstep.serving.versions.served_versions._AGAIN_SECONDS", 0.0)
    monkeypatch.setattr("lockstep.serving.versions.canary_version._AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(LoadedVersion, "unload", lambda self: None)
    return loader


@pytest.mark.long
def test_no_request_is_lost_and_none_is_answered_by_a_version_without_proof(
    quick: Loader, tmp_path: Path, orders: Records
) -> None:
    class Machine(Histories):
        loader = quick
        folder = tmp_path

    Machine.orders = orders
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert quick.loads > 0
