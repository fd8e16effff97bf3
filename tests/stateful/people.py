"""People: what they do on a site, such as it comes about, and what they are likely to do next."""

from __future__ import annotations

from tests.stateful import deeds
from tests.stateful.deeds import Deed, Partition
from tests.stateful.deliveries import Kind
from tests.stateful.observations import aliases, with_evidence
from tests.stateful.site import EDITIONS, Site

DAYS = ("2020-03-01", "2020-03-02", "2020-03-03")
"""Near enough to the history to be compared with it."""


class People:
    """Those at work on a site; what cannot be done as things are is left.

    What they do is no mere chance: what is wrong upstream is wrong the next day too, and where a
    run stopped or something was changed by hand, somebody goes on from there. Numbers choose among
    what there is.

    Args:
        site: The site.

    Attributes:
        site: The site.
        delivered: What was delivered last: the day, what is wrong with it, and its turn.
        next: What somebody is likely to do next, the likeliest last.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.delivered: tuple[str, Kind, int] = (DAYS[0], "clean", 0)
        self.next: list[Deed] = []

    def do_what_is_next(self, last_write: int | None) -> None:
        self.site.do(self.next.pop(), last_write=last_write)

    # What is delivered and scored

    def deliver(self, day: str, kind: Kind, turn: int) -> None:
        self.delivered = day, kind, turn
        self.site.deliver(day, kind, turn)

    def score_what_is_delivered(
        self, day: str, kind: Kind, turn: int, accept: bool, last_write: int | None
    ) -> None:
        self.deliver(day, kind, turn)
        self._score(("daily", day), accept=accept, last_write=last_write)

    def score_the_days_after_that_are_like_it(self, last_write: int | None) -> None:
        last, kind, turn = self.delivered
        for day in DAYS[DAYS.index(last) + 1 :]:
            self.deliver(day, kind, turn)
            self._score(("daily", day), last_write=last_write)

    def score_again(self, number: int, last_write: int | None) -> None:
        tried = [one for one in self.site.ledger.tried if self.site.can_be_named(one)]
        if tried:
            self._score(tried[number % len(tried)], last_write=last_write)

    def score_a_file(self, kind: Kind, turn: int, last_write: int | None) -> None:
        self._score(self.site.send("file", kind, turn), last_write=last_write)

    def drop_a_file(self, kind: Kind, turn: int, again: int) -> None:
        self.site.drop("file", kind, turn, again=again)

    def take_in(self, last_write: int | None) -> None:
        if self.site.dropped:
            self.site.take_in(last_write=last_write)

    def materialize_of_a_partition(self, asset: str, number: int, last_write: int | None) -> None:
        tried = list(self.site.ledger.tried)
        if tried:
            self.site.materialize(asset, tried[number % len(tried)], last_write=last_write)

    def look_at_checks(self) -> None:
        self.site.look_at_checks()

    # What is trained and goes live

    def check_out(self, number: int, trains: bool) -> None:
        editions = [edition for edition in EDITIONS if edition != self.site.edition]
        self.site.edition = editions[number % len(editions)]
        self._go_on_with("candidate")
        if trains:
            self.next.append(deeds.train())

    def train(self, last_write: int | None) -> None:
        if self.site.train(last_write=last_write).status:
            self._go_on_with("candidate")
        else:
            self.next.append(deeds.promote(self.site.versions[-1]))

    def promote(self, number: int, last_write: int | None) -> None:
        self.site.promote(self._version(number), last_write=last_write)

    def materialize(self, asset: str, last_write: int | None) -> None:
        self.site.materialize(asset, last_write=last_write)

    # What is done by hand

    def point(self, alias: str, number: int) -> None:
        self.site.point(alias, self._other(aliases(self.site.home).get(alias), number))
        self._go_on_scoring()

    def copy_tags(self, source: int, target: int) -> None:
        copied = self._version(source)
        other = self._other(copied, target)
        self.site.copy_tags(copied, other)
        self.next.append(deeds.promote(other))

    def forget(self, number: int) -> None:
        known = sorted(with_evidence(self.site.home))
        if known:
            version = known[number % len(known)]
            self.site.forget(version)
            self.next.append(deeds.promote(version))

    def damage_or_mend(self, number: int, file: str) -> None:
        if self.site.whole:
            self.site.mend()
        else:
            self.site.damage(self._version(number), file)
            self._go_on_scoring()

    def back_up_or_restore(self) -> None:
        if self.site.has_backup:
            self.site.restore()
            self._go_on_scoring()
        else:
            self.site.back_up()

    def edit(self, number: int, stage: str) -> None:
        """Edit a stored file of a partition, of which more is made then."""
        seen = sorted(self.site.ledger.seen)
        if seen:
            partition = seen[number % len(seen)]
            self.site.edit(partition, stage)
            made_of_it = ("scored", "published") if stage == "batch" else ("published",)
            self._go_on_with(*made_of_it, of=partition)

    def move(self) -> None:
        self.site.move()

    def copy(self) -> None:
        self.site.copy()

    # What is done at once

    def do_two_things_at_once(
        self,
        first: str,
        second: str,
        day: str,
        kind: Kind,
        turn: int,
        number: int,
        last_write: int | None,
    ) -> None:
        self.deliver(day, kind, turn)
        done = (self._deed(first, day, number), self._deed(second, day, number + 1))
        self.site.do(*done, last_write=last_write)

    def _deed(self, what: str, day: str, number: int) -> Deed:
        match what:
            case "train":
                return deeds.train()
            case "promote":
                return deeds.promote(self._version(number))
            case "materialize champion":
                return self.site.materializing("champion")
        return self.site.scoring(("daily", day))

    def _score(self, partition: Partition, *, accept: bool = False, last_write: int | None) -> None:
        if self.site.score(partition, accept=accept, last_write=last_write).status:
            self._go_on_with("scored", "published", of=partition)

    def _go_on_with(self, *assets: str, of: Partition | None = None) -> None:
        self.next += [self.site.materializing(asset, of) for asset in reversed(assets)]

    def _go_on_scoring(self) -> None:
        day, *_ = self.delivered
        self.next.append(self.site.scoring(("daily", day)))

    def _version(self, number: int) -> int:
        known = self.site.versions
        return known[number % len(known)]

    def _other(self, version: int | None, number: int) -> int:
        known = [one for one in self.site.versions if one != version]
        return known[number % len(known)]
