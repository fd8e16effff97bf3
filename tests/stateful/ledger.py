"""The ledger: what is known of a home by what was done there, and what must hold after that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.fixtures.terminal import Ended
from tests.stateful.deeds import Deed, Partition
from tests.stateful.deliveries import Delivery, forecast
from tests.stateful.observations import (
    Fates,
    Published,
    Version,
    aliases,
    live_version,
    newest_attempt,
    published,
    versions,
    with_evidence,
)

Done = Sequence[tuple[Deed, Ended]]
"""What was done at once, and how each of it ended."""


@dataclass
class Ledger:
    """What is known.

    Attributes:
        deliveries: What lies upstream or was sent, by partition.
        tried: What was scored of each partition, if only in part.
        accepted: Deliveries in a wrong unit that may be published all the same: a person accepted
            it, or the days before were in that unit.
        seen: What was published when the home was last looked at.
        known: The versions that the registry knew then.
        unsettled: Partitions whose last action was killed.
        live: The version that is live by the gate; none before the gate opens.
        let_through: All versions that were ever live by the gate.
        trained: Versions of which the whole training went through, and whose tags nobody touched.
        damaged: Versions of which a file is damaged.
        forged: Versions that have the evidence of another one.
        is_tampered: Whether aliases or tags were moved by hand since the gate last opened.
        last: The last deed that scored something, and how it ended; None if checks may say more.
    """

    live: frozenset[Version]
    known: frozenset[Version]
    deliveries: dict[Partition, Delivery] = field(default_factory=dict)
    tried: dict[Partition, list[Delivery]] = field(default_factory=dict)
    accepted: set[Delivery] = field(default_factory=set)
    seen: Mapping[Partition, Published] = field(default_factory=dict)
    unsettled: set[Partition] = field(default_factory=set)
    let_through: frozenset[Version] = frozenset()
    trained: set[Version] = field(default_factory=set)
    damaged: set[Version] = field(default_factory=set)
    forged: set[Version] = field(default_factory=set)
    is_tampered: bool = False
    last: tuple[Deed, Ended] | None = None

    def __post_init__(self) -> None:
        self.let_through = self.live

    def begin(self, deed: Deed) -> None:
        """Remember what is about to be read."""
        for partition in deed.reads:
            found = self.deliveries[partition]
            self.tried.setdefault(partition, []).append(found)
            is_told = partition[0] == "daily" and self._is_usual_before(partition)
            if found.kind == "wrong unit" and (deed.accepts or not is_told):
                self.accepted.add(found)

    def conclude(self, home: Path, done: Done, *, base: float | None = None) -> None:
        """Look at the home after something was done, and demand what must hold.

        Args:
            home: The home.
            done: What was done, at once if there are several.
            base: The temperature from which people heat, by the code of the checkout.
        """
        registered, before = frozenset(versions(home).values()), self.live
        new = registered - self.known
        assert all(one.is_what_was_fitted for one in new), f"{new} is not what was fitted"
        evident = with_evidence(home)
        checked = frozenset(one for one in registered if one.number in evident)
        self._learn_of_gate(checked, live_version(home), done)
        self._look(home, done, self.live | before if len(done) > 1 else self.live)
        self._demand_trained(new, done, base)
        self._demand_promoted(registered, done, base)
        self._demand_scored(home, registered, done)
        self._demand_told(done)
        self.known = registered
        for deed, ended in done:
            if deed.goes_all_the_way and not ended.was_killed:
                streams = {stream for stream, _ in deed.touches}
                self.unsettled -= {one for one in self.unsettled if one[0] in streams}

    def _learn_of_gate(self, checked: frozenset[Version], live: int | None, done: Done) -> None:
        """A version that the gate lets through is whole, and its training was gone through.

        Which one a gate left that was killed, or two at once, is told by the file that it wrote.
        """
        gates = [(deed, ended) for deed, ended in done if deed.wants is not None]
        wanted = {deed.wants for deed, _ in gates if deed.wants is not None}
        sound = frozenset(one for one in checked if one.number in wanted and one.is_what_was_fitted)
        sound -= self.damaged | self.forged
        for _, ended in gates:
            if ended.was_killed or len(gates) > 1:
                either = self.live | sound
                self.live = frozenset(one for one in either if one.number == live)
                assert self.live, f"version {live} is live, and not one of {either}"
            elif ended.has_passed("champion"):
                assert sound, f"{wanted} is live: not what was fitted, damaged, or never checked"
                self.live, self.is_tampered = sound, False
        self.let_through |= self.live

    def _look(self, home: Path, done: Done, live: frozenset[Version]) -> None:
        """Look at what is published, after deeds that may have changed some partitions.

        Nothing is lost; no other partition has changed; and what has changed are the forecasts
        of a version that was let through, for the sound rows of what was delivered, while all
        other rows are set aside.
        """
        now, before = published(home), self.seen
        touched = {partition for deed, _ in done for partition in deed.touches}
        assert before.keys() <= now.keys(), f"lost: {before.keys() - now.keys()}"
        changed = {key for key, one in now.items() if one != before.get(key)}
        assert changed <= touched | self.unsettled, f"changed: {changed}, not only {touched}"
        scored_now = {key for deed, _ in done if deed.goes_all_the_way for key in deed.touches}
        for partition in changed:
            is_new = partition in scored_now - self.unsettled
            allowed = live - self.damaged if is_new else self.let_through
            numbers = {version.number for version in allowed}
            found = now[partition]
            assert found.versions <= numbers, f"{partition}: {found.versions}, not {numbers}"
            assert self._source_of(partition, found, allowed), f"{partition}: {found} is wrong"
        self.unsettled |= {key for deed, ended in done if ended.was_killed for key in deed.touches}
        self.seen = now

    def _source_of(
        self, partition: Partition, found: Published, allowed: frozenset[Version]
    ) -> Delivery | None:
        """The delivery whose rows were published, and rightly so; None if there is none."""
        if len(found.versions) != 1:
            return None
        (number,) = found.versions
        bases = {one.base for one in allowed if one.number == number and one.base is not None}
        for one in self.tried[partition]:
            if one.is_faulty or (one.kind == "wrong unit" and one not in self.accepted):
                continue
            if found.keys != tuple(row["reading_id"] for row in one.sound):
                continue
            if found.fates == _fates(one) and any(
                np.allclose(forecast(base, one.sound), found.forecasts, rtol=1e-6, atol=1e-6)
                for base in bases
            ):
                return one
        return None

    def _demand_trained(self, new: frozenset[Version], done: Done, base: float | None) -> None:
        """A training that was left alone makes a version, unless its code is not row-local."""
        ended = [ended for deed, ended in done if deed.kind == "train"]
        if not ended or any(one.was_killed for one in ended):
            return
        assert len(new) == (len(ended) if base is not None else 0), (
            f"{len(new)} new versions: {_said(done)}"
        )
        assert all(one.base == base for one in new), new
        if all(one.has_passed("candidate") for one in ended):
            self.trained |= new

    def _demand_promoted(
        self, registered: frozenset[Version], done: Done, base: float | None
    ) -> None:
        """A version that was trained in this checkout goes live, unless it is damaged."""
        for deed, ended in done if len(done) == 1 else ():
            for one in (self.trained & registered) - self.damaged:
                if (one.number, one.base) == (deed.wants, base) and not ended.was_killed:
                    assert ended.has_passed("champion"), _said(done)

    def _demand_scored(self, home: Path, registered: frozenset[Version], done: Done) -> None:
        """A partition that was just scored is published if it may be, and else a check failed."""
        for partition in {key for deed, _ in done if deed.goes_all_the_way for key in deed.touches}:
            of_it = [(deed, ended) for deed, ended in done if partition in deed.touches]
            if not any(ended.was_killed for _, ended in of_it):
                is_alone = len(done) == len(of_it)
                if is_alone and any(ended.has_published(partition[1]) for _, ended in of_it):
                    self._demand_live(home, registered)
                self._demand_scored_of(home, partition, of_it, is_alone=is_alone)

    def _demand_live(self, home: Path, registered: frozenset[Version]) -> None:
        """Where something was published, `@live` points to what the gate let serve last."""
        shown = aliases(home).get("live")
        assert any(one.number == shown for one in self.live & registered), (
            f"@live is version {shown}, not one that the gate let serve: {self.live & registered}"
        )

    def _demand_scored_of(
        self, home: Path, partition: Partition, done: Done, *, is_alone: bool
    ) -> None:
        one = self.deliveries[partition]
        may_be = not one.is_faulty and (one.kind != "wrong unit" or one in self.accepted)
        is_published = any(ended.has_published(partition[1]) for _, ended in done)
        if is_alone and len(done) == 1:
            assert done[0][1].status in (0, 1), _said(done)
        if not may_be:
            assert not is_published, f"{partition} is faulty, and was published"
        if not is_published:
            assert all(ended.status != 0 for _, ended in done), f"nothing says so: {_said(done)}"
        if not is_alone or self.is_tampered:
            return  # which version scores it may have changed meanwhile
        if self.live & self.damaged:
            is_known = self.live <= self.damaged
            assert not (is_known and is_published), f"{partition} is scored by a damaged version"
            return
        if one.is_readable:
            attempt = newest_attempt(home, *partition)
            assert attempt is not None
            assert Fates.read(attempt) == _fates(one)
        if may_be and self._is_usual_before(partition):
            assert is_published, _said(done)
            source = self._source_of(partition, self.seen[partition], self.live)
            assert source is not None
            assert source.rows == one.rows, f"{partition}: what was delivered before is published"

    def _demand_told(self, done: Done) -> None:
        """After a partition was blocked, or scoring it broke off, the checks say so."""
        for deed, ended in done:
            if deed.kind == "look" and self.last is not None:
                _, last = self.last
                assert last.status == 0 or ended.status == 1, f"checks say nothing of {last}"
            elif deed.kind != "look":
                is_told = len(done) == 1 and deed.kind == "score" and not ended.was_killed
                self.last = (deed, ended) if is_told else None

    def _is_usual_before(self, partition: Partition) -> bool:
        """Whether a wrong unit would be unusual after what was scored before."""
        stream, name = partition
        return not any(
            one in self.accepted
            for (other, earlier), tried in self.tried.items()
            if other == stream and (earlier < name or stream == "inbox")
            for one in tried
            if (other, earlier) != partition
        )


def _said(done: Done) -> str:
    """How everything that was done at once ended."""
    return "\n".join(f"{deed.kind} {deed.arguments}: {ended}" for deed, ended in done)


def _fates(delivery: Delivery) -> Fates:
    """What must become of the rows of a delivery."""
    return Fates(len(delivery.sound), delivery.quarantined, delivery.duplicates)
