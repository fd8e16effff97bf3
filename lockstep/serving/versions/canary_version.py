"""The canary: loads the version that answers a share of the requests, as the listing says."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from lockstep.artifacts.pointers import ListedVersion, Listing
from lockstep.columns.plain import listed
from lockstep.columns.schema import Field, Schema
from lockstep.errors import ArtifactError, LockstepError
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.proving import RefusedVersion
from lockstep.serving.versions.request_scorer import Key, Scorer
from lockstep.serving.versions.scorers import Scorers, key_of

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0
"""Seconds after which a version that could not be loaded is tried again."""


class CanaryVersion:
    """The version that is the canary now. It belongs to one event loop."""

    def __init__(self, declared: Canary, scorers: Scorers) -> None:
        self.declared, self._scorers = declared, scorers
        self.scorer: Scorer | None = None
        # the version that was to be the canary and is refused; None if none was
        self.refusal: RefusedVersion | None = None
        self._refused: tuple[Key, Key] | None = None
        self._again = float("inf")

    async def look(self, listing: Listing, live: Scorer | None) -> None:
        """Change the canary as the listing says now; there is none without a live version."""
        declared = self.declared.version
        number = listing.challenger if declared == "challenger" else declared
        if live is None or number in (None, live.loaded.version):
            self._stand_down(None)
            return
        assert number is not None, "the canary has stood down otherwise"
        stored = listing.versions.get(number)
        if stored is None or stored.proven_at is None:
            why = listing.lacking.get(number, "it has not passed the gate, or is not known here")
            self._stand_down(RefusedVersion(number, why))
            return
        await self._admit(stored, live)

    async def _admit(self, stored: ListedVersion, live: Scorer) -> None:
        key, now = key_of(stored), asyncio.get_running_loop().time()
        if self.scorer is None or self.scorer.key != key:
            if (key, live.key) == self._refused and now < self._again:
                return
            try:
                self._take_over(await self._scorers.acquire(stored))
            except LockstepError as error:
                # A file may be there again; what a version computes stays what it is.
                is_lasting = not isinstance(error, ArtifactError)
                self._again = float("inf") if is_lasting else now + _AGAIN_SECONDS
                self._refused = key, live.key
                self._stand_down(RefusedVersion(stored.version, str(error)))
                return
        assert self.scorer is not None, "it was taken over"
        unlike = departure(self.scorer, live)
        if unlike is not None:
            self._refused, self._again = (key, live.key), float("inf")
            self._stand_down(RefusedVersion(stored.version, unlike))

    def _take_over(self, scorer: Scorer) -> None:
        old, self.scorer, self.refusal = self.scorer, scorer, None
        log.info("version %s is the canary", scorer.loaded.version)
        if old is not None:
            old.lease.release()

    def _stand_down(self, refusal: RefusedVersion | None) -> None:
        if self.scorer is not None:
            self.scorer.lease.release()
            self.scorer = None
        if refusal is not None and refusal != self.refusal:
            log.error("version %s is no canary: %s", refusal.version, refusal.reason)
        self.refusal = refusal


def departure(scorer: Scorer, live: Scorer) -> str | None:
    """Why a version cannot answer the requests to the live one; None if it can."""
    ours, theirs = scorer.pipeline.record_schema, live.pipeline.record_schema
    unlike = unlike_fields(ours, theirs) + [name for name in theirs.names if name not in ours]
    if unlike:
        return f"its record is another than that of version {live.loaded.version}: {listed(unlike)}"
    lacking = [name for name in live.names if name not in scorer.names]
    if lacking:
        return f"it lacks what version {live.loaded.version} answers: {listed(lacking)}"
    return None


def unlike_fields(record: Schema, other: Schema) -> list[str]:
    """The fields of a record that another record does not have, or declares otherwise."""
    return [
        field.name
        for field in record
        if field.name not in other or _declared(field) != _declared(other[field.name])
    ]


def _declared(field: Field) -> Field:
    return replace(field, doc="")
