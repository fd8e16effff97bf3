"""Versions: which of them answer, and how one replaces another without a request lost."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from pathlib import Path

from lockstep.artifacts.listing import ListedVersion, Listing, read_listing
from lockstep.artifacts.live_pointer import LivePointer, read_live
from lockstep.errors import (
    ArtifactError,
    DamagedError,
    LockstepError,
    UndeliveredError,
    UnknownError,
)
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.canary_version import CanaryVersion
from lockstep.serving.versions.pins import Pins
from lockstep.serving.versions.proving import RefusedVersion
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Scorer
from lockstep.serving.versions.scorers import Scorers, key_of

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0
"""Seconds after which a version whose files could not be used is tried again."""


class Versions:
    """The version that is live, and others that have passed the gate.

    Two files name them by number and digest: the gate's, which names the live version, and the
    listing, which is made from the registry. No other version serves, whatever an alias says.
    """

    def __init__(
        self,
        pointer: Path,
        scorers: Scorers,
        listing: Path | None = None,
        limits: RequestLimits | None = None,
        canary: Canary | None = None,
    ) -> None:
        self.scorers = scorers
        self.scorer: Scorer | None = None  # the version that is live; None until there is one
        # the version that was to be live last and is refused; None if it serves
        self.refusal: RefusedVersion | None = None
        self.listed: Listing | None = None  # the content of the listing; None where there is none
        self.trouble: str | None = None
        self.canary = CanaryVersion(canary, self.scorers) if canary is not None else None
        # the versions that requests ask for by number
        self.pins = Pins(self.scorers, limits or RequestLimits())
        self._pointer, self._listing = pointer, listing
        self._seen: LivePointer | None = None
        self._again = float("inf")
        self._awaited: Path | None = None

    async def look(self) -> None:
        """Load the live version, if it has changed, and let it serve."""
        try:
            wanted = read_live(self._pointer)
        except LockstepError as error:
            self._refuse(None, error)
            return
        now = asyncio.get_running_loop().time()
        is_awaited = self._awaited is not None and self._awaited.exists()
        if wanted is None or (wanted == self._seen and now < self._again and not is_awaited):
            return
        self._seen, self._again, self._awaited = wanted, float("inf"), None
        if self.scorer is not None and key_of(wanted) == self.scorer.key:
            self.refusal = None
            return
        try:
            scorer = await self.scorers.acquire(wanted)
        except LockstepError as error:
            if isinstance(error, UndeliveredError):
                self._awaited = error.record
            elif isinstance(error, ArtifactError | DamagedError):  # a file may be there again
                self._again = now + _AGAIN_SECONDS
            self._refuse(wanted.version, error)
            return
        self._swap(scorer)

    async def look_beside(self) -> None:
        """Read which other versions may be used, and release those that may not any more."""
        self._read_listing()
        self.pins.keep({key_of(stored) for stored in self._proven().values()})
        if self.canary is not None and self.listed is not None:
            await self.canary.look(self.listed, self.scorer)

    def _read_listing(self) -> None:
        try:
            if self._listing is not None:
                self.listed = read_listing(self._listing)
        except LockstepError as error:
            if self.trouble is None:
                log.error("the versions that may be used stay as they are: %s", error)
            self.trouble = str(error)
            return
        self.trouble = None

    def canary_of(self, request_id: str) -> Scorer | None:
        """The canary, if it is to answer a request; otherwise None."""
        canary = self.canary
        if canary is None or canary.scorer is None or not canary.declared.takes(request_id):
            return None
        return canary.scorer

    @property
    def since(self) -> datetime | None:
        """When the version that serves went live; None where another version is to serve."""
        live, scorer = self._seen, self.scorer
        is_same = live is not None and scorer is not None and key_of(live) == scorer.key
        return live.since if live is not None and is_same else None

    @property
    def registry_trouble(self) -> str | None:
        """Why the registry cannot be read; None if it can."""
        return self.trouble or (self.listed.trouble if self.listed is not None else None)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the versions that requests may ask for, oldest first."""
        live = {self.scorer.loaded.version} if self.scorer is not None else set()
        return tuple(sorted({*self._proven(), *live}))

    async def acquire(self, number: int) -> Scorer:
        """The version with a number, held for the caller; it is loaded if it is not yet.

        Raises UnknownError where it has not passed the gate, is not known, or cannot be used here;
        NotReadyError where it takes too long to load, or too many others are in use.
        """
        if self.scorer is not None and self.scorer.loaded.version == number:
            self.scorer.lease.hold()
            return self.scorer
        stored = self._proven().get(number)
        if stored is None:
            known = ", ".join(map(str, self.numbers)) or "none"
            raise UnknownError(
                f"Version {number} has not passed the gate, or is not known here: there is {known}."
            )
        return await self.pins.acquire(stored)

    def _proven(self) -> dict[int, ListedVersion]:
        listed = self.listed.versions if self.listed is not None else {}
        return {number: stored for number, stored in listed.items() if stored.proven_at is not None}

    def _swap(self, scorer: Scorer) -> None:
        """Let a version serve from now on; running requests keep the old one."""
        old, self.scorer, self.refusal = self.scorer, scorer, None
        log.info("version %s serves", scorer.loaded.version)
        if old is not None:
            old.lease.release()

    def _refuse(self, version: int | None, error: LockstepError) -> None:
        refusal = RefusedVersion(version, str(error))
        if refusal == self.refusal:
            return
        self.refusal = refusal
        serves = f"version {self.scorer.loaded.version} goes on" if self.scorer else "none serves"
        log.error("version %s is refused, %s: %s", version, serves, error)
