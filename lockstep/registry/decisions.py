"""Decisions: which version of a pipeline is live, by the gate of the home that proved it.

A decision is a tag of the registered model, so all homes of a registry read the same ones:

    lockstep.live.20260131T081500000000.5a1c9f02

No other home's write replaces one. It is later than all that its home had read, whatever its clock
says; the newest holds, and of two at once the order of their keys decides, for everybody alike. Its
text is bound to the pipeline, the version's manifest and itself (`lockstep.registry.bound_tags`).
A rollback says from which version it goes back, so that all homes agree on `Decisions.earlier`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex

import msgspec

from lockstep.errors import EvidenceError
from lockstep.registry.bound_tags import bound, unbound
from lockstep.registry.registry import Registry
from lockstep.registry.sites import Site

DECISION = "lockstep.live."
"""How the names of the tags begin."""
_KEY = re.compile(re.escape(DECISION) + r"\d{8}T\d{12}\.[0-9a-f]{8}")
_TIME = "%Y%m%dT%H%M%S%f"
_KEPT = 50
"""The latest decisions, which are kept whatever follows from them."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision of the gate: from now on, this version is live. Its tag holds all but its key.

    Attributes:
        name: The pipeline.
        key: Name of its tag, by which decisions are in order.
        manifest: SHA-256 of the version's manifest.
        since: When it was made, in UTC.
        by: The user, `home` and `host` of the site at which it was made.
        environment: Fingerprint of the environment in which the version was proven.
        before: The version that `@live` pointed to then; None if it was not set.
        is_shown: Whether its home has moved `@live`, and will not do so for it any more.
        back_from: The version that was live, of a rollback; None of a promotion.
        anyway: Why a person let it serve though a check of its quality had failed; empty where none
            had, or nobody said.
    """

    name: str = msgspec.field(name="pipeline")
    key: str = ""
    manifest: str
    version: int
    since: datetime
    by: str
    home: str
    host: str
    environment: str
    before: int | None
    is_shown: bool = msgspec.field(name="shown")
    back_from: int | None = None
    anyway: str = ""

    @property
    def site(self) -> Site:
        """Who made it, in which home and on which machine."""
        return Site(self.by, self.home, self.host)

    def is_about(self, version: int, manifest: str) -> bool:
        """Whether it lets these very bytes serve."""
        return (self.version, self.manifest) == (version, manifest)

    def write(self, registry: Registry) -> None:
        """Write it, or write it anew."""
        facts = {**msgspec.to_builtins(self), "since": self.since.isoformat()}
        registry.tag_model(self.name, facts.pop("key"), bound(self.name, self.manifest, facts))

    def shown(self, registry: Registry) -> None:
        """Note that its home will not move `@live` for it any more."""
        msgspec.structs.replace(self, is_shown=True).write(registry)


@dataclass(frozen=True)
class Decisions:
    """The decisions about a pipeline that a registry holds."""

    log: tuple[Decision, ...] = ()  # those that can be read, the oldest first
    damage: str | None = None  # why the newest one cannot be read; None if it can, or there is none
    # When the newest one was made, in UTC, whether it can be read or not.
    newest: datetime | None = None

    @classmethod
    def of(cls, name: str, tags: Mapping[str, str]) -> Decisions:
        """The decisions among the tags of a registered model."""
        log, damage, newest = [], None, None
        for key in sorted(filter(_KEY.fullmatch, tags)):
            newest = datetime.strptime(key.split(".")[2], _TIME).replace(tzinfo=UTC)
            try:
                log.append(_decision(name, key, tags[key]))
                damage = None
            except EvidenceError as error:
                damage = f"which version is live is not known, since {error}"
        return cls(tuple(log), damage, newest)

    @property
    def last(self) -> Decision | None:
        """The one that holds; None without one, or where it cannot be read."""
        return self.log[-1] if self.log and self.damage is None else None

    def of_key(self, key: str) -> Decision | None:
        """The one of a key; None where it cannot be read, or the registry has none."""
        return next((decision for decision in self.log if decision.key == key), None)

    @property
    def versions(self) -> frozenset[int]:
        """The versions that were ever live."""
        return frozenset(decision.version for decision in self.log)

    def overruled(self, version: int, manifest: str) -> str:
        """Why a person let these bytes serve though their quality failed; empty if nobody said."""
        known = (each for each in self.log if each.is_about(version, manifest))
        return next((each.anyway for each in reversed([*known]) if each.anyway), "")

    @property
    def since(self) -> datetime | None:
        """Since when the last version is live, however often that was said again; None without."""
        since = None
        for decision in reversed(self.log):
            if decision.version != self.log[-1].version:
                break
            since = decision.since
        return since

    @property
    def earlier(self) -> tuple[int, ...]:
        """The versions that a rollback may go back to, the latest first.

        They were live before the last one. A version that somebody went back from, or past, is none
        of them until it is promoted anew.
        """
        standing: list[int] = []
        for decision in self.log:
            _go_back(standing, decision)
            if decision.version in standing:
                standing.remove(decision.version)
            standing.append(decision.version)
        return tuple(reversed(standing[:-1]))

    @property
    def left(self) -> tuple[int, ...]:
        """The versions that were live, and that rollbacks pass over."""
        standing = {*self.earlier, *(decision.version for decision in self.log[-1:])}
        return tuple(sorted(self.versions - standing))

    @property
    def before(self) -> int | None:
        """The version that was live before the last one; None without one."""
        versions = (decision.version for decision in reversed(self.log))
        return next((version for version in versions if version != self.log[-1].version), None)

    @property
    def spent(self) -> tuple[Decision, ...]:
        """Old decisions from which nothing follows: versions and rollbacks are alike without."""
        kept, spent = self, []
        for decision in self.log[:-_KEPT]:
            without = replace(kept, log=tuple(other for other in kept.log if other != decision))
            if (without.versions, without.earlier) == (self.versions, self.earlier):
                kept = without
                spent.append(decision)
        return tuple(spent)

    def forget_old(self, registry: Registry) -> None:
        """Remove old decisions from which nothing follows any more."""
        for decision in self.spent:
            registry.untag_model(decision.name, decision.key)


def _go_back(standing: list[int], decision: Decision) -> None:
    """Remove the versions that a decision goes back from, or past."""
    if decision.back_from is None or decision.back_from not in standing:
        return
    end = standing.index(decision.back_from)
    past = standing[:end]
    start = past.index(decision.version) + 1 if decision.version in past else end
    del standing[start : end + 1]


def new_key(since: datetime) -> str:
    """The key of a new decision, later than those of before."""
    return f"{DECISION}{since.strftime(_TIME)}.{token_hex(4)}"


def _decision(name: str, key: str, text: str) -> Decision:
    which = f"the tag {key} of the registered model {name}"
    return msgspec.structs.replace(unbound(text, name, which, Decision)[1], key=key)
