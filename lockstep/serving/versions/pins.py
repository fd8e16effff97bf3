"""Pins: versions that requests ask for by number, loaded when one does, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from lockstep.errors import LockstepError, NotReadyError, UnknownError
from lockstep.serving.versions.proving import RefusedVersion, Stored
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Key, Scorer
from lockstep.serving.versions.scorers import Scorers, key_of

log = logging.getLogger(__name__)

IDLE_SECONDS = 10.0
"""How long a version is kept after its last request before it makes room for another: clients that
ask for many in turn do not have them loaded over and over."""
_AGAIN_SECONDS = 30.0
"""Seconds after which a version that could not be loaded is tried again."""


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
