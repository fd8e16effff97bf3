"""Versions: which of them answer, and how one replaces another without a request lost."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lockstep.artifacts.pointers import ListedVersion, Listing, LivePointer, read_listing, read_live
from lockstep.errors import (
    ArtifactError,
    DamagedError,
    LockstepError,
    NotReadyError,
    UndeliveredError,
    UnknownError,
)
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.canary_version import CanaryVersion
from lockstep.serving.versions.proving import RefusedVersion, Stored
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Key, Scorer
from lockstep.serving.versions.scorers import Scorers, key_of

log = logging.getLogger(__name__)

_AGAIN_SECONDS = 30.0
"""Seconds after which a version that could not be loaded is tried again."""
IDLE_SECONDS = 10.0
"""How long a version that a request asked for is kept before it makes room for another: clients
that ask for many in turn do not have them loaded over and over."""


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


@dataclass
class _Pin:
    """A version that requests ask for."""

    task: asyncio.Task[Scorer | None]  # loads it; its result is None where it cannot be used
    used: float = 0.0  # when it was asked for last, on the loop's clock
    # why it cannot be used; None if it can, or is being loaded
    refusal: RefusedVersion | None = field(default=None)


class Pins:
    """The versions that requests ask for by number. It belongs to one event loop."""

    def __init__(self, scorers: Scorers, limits: RequestLimits) -> None:
        self._scorers, self._limits = scorers, limits
        self._pins: OrderedDict[Key, _Pin] = OrderedDict()

    @property
    def refusals(self) -> tuple[RefusedVersion, ...]:
        """The versions that were asked for and cannot be used here."""
        return tuple(pin.refusal for pin in self._pins.values() if pin.refusal is not None)

    async def acquire(self, stored: Stored) -> Scorer:
        """A version, held for the caller, as soon as it is loaded.

        Raises UnknownError where it cannot be used here, or not any more; NotReadyError where it
        takes too long to load, or too many others are in use.
        """
        key, now = key_of(stored), asyncio.get_running_loop().time()
        pin = self._pins.get(key)
        if pin is not None and pin.refusal is not None and pin.used + _AGAIN_SECONDS <= now:
            del self._pins[key]
            pin = None
        if pin is None:
            self._make_room(now)
            pin = self._pins[key] = _Pin(asyncio.create_task(self._load(stored)))
        if pin.refusal is None:
            pin.used = now
            self._pins.move_to_end(key)
        scorer = await self._loaded(pin, stored.version)
        if scorer is None:
            raise UnknownError(f"Version {stored.version} does not serve here; /ready says why.")
        if self._pins.get(key) is not pin:
            raise UnknownError(f"Version {stored.version} may not be used any more.")
        scorer.lease.hold()
        return scorer

    def keep(self, known: Collection[Key]) -> None:
        """Release all versions but the known ones, which may be used."""
        for key in [key for key in self._pins if key not in known]:
            self._drop(key)

    async def _load(self, stored: Stored) -> Scorer | None:
        try:
            return await self._scorers.acquire(stored)
        except LockstepError as error:
            log.error("version %s, which a request asks for, is refused: %s", stored.version, error)
            pin = self._pins.get(key_of(stored))
            if pin is not None and pin.task is asyncio.current_task():
                pin.refusal = RefusedVersion(stored.version, str(error))
            return None

    async def _loaded(self, pin: _Pin, version: int) -> Scorer | None:
        if not pin.task.done():
            await asyncio.wait([pin.task], timeout=self._limits.seconds)
        if not pin.task.done():
            raise NotReadyError(f"Version {version} is still being loaded; try again in a while.")
        return pin.task.result()

    def _make_room(self, now: float) -> None:
        """Release the version that was not asked for longest, if there is no room for another."""
        kept = [key for key, pin in self._pins.items() if pin.refusal is None]
        if len(kept) < self._limits.pinned_versions:
            return
        oldest = kept[0]
        if not self._pins[oldest].task.done() or self._pins[oldest].used + IDLE_SECONDS > now:
            raise NotReadyError(
                f"{len(kept)} other versions are in use now, as many as are loaded at once; try "
                "again in a while."
            )
        self._drop(oldest)

    def _drop(self, key: Key) -> None:
        self._pins.pop(key).task.add_done_callback(_release)


def _release(task: asyncio.Task[Scorer | None]) -> None:
    scorer = None if task.cancelled() else task.result()
    if scorer is not None:
        scorer.lease.release()
