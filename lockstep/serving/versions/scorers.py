"""Scorers of this process: a version is loaded once, and unloaded when nobody needs it any more."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from lockstep.serving.versions.leases import Lease
from lockstep.serving.versions.proving import Stored, load
from lockstep.serving.versions.request_scorer import Key, Scorer

log = logging.getLogger(__name__)

_MOST_UNLOADED = 10
"""Versions that are unloaded before the garbage collector looks for what is left of them."""


def key_of(stored: Stored) -> Key:
    """What a version is known by."""
    return stored.version, stored.digest


@dataclass
class _Entry:
    """A version that is loaded, or is being."""

    lease: Lease
    task: asyncio.Task[Scorer]


class Scorers:
    """The versions that are loaded. It belongs to one event loop.

    Args:
        strict: Whether a record with a field that is not declared is refused.
        cached_rows: How many rows each version keeps the outputs of; 0 for none.

    Attributes:
        on_load: Is called with each version that is loaded.
    """

    def __init__(self, *, strict: bool = True, cached_rows: int = 0) -> None:
        self.on_load: list[Callable[[Scorer], None]] = []
        self._strict, self._cached_rows = strict, cached_rows
        self._entries: dict[Key, _Entry] = {}
        self._unloaded = 0
        self._turn = asyncio.Lock()

    @property
    def loaded(self) -> tuple[Scorer, ...]:
        """The versions that are loaded now."""
        tasks = [entry.task for entry in self._entries.values()]
        return tuple(task.result() for task in tasks if _is_loaded(task))

    async def acquire(self, stored: Stored) -> Scorer:
        """Load a version beside the loop, or take it as it is loaded; with a lease of the caller's.

        Whoever asks for a version that is being loaded waits for the same load. Loads take turns.

        Raises:
            LockstepError: It cannot be used here.
        """
        key = key_of(stored)
        entry = self._entries.get(key)
        if entry is None:
            lease = Lease(partial(self._free, key))
            task = asyncio.create_task(self._load(stored, lease))
            task.add_done_callback(_take_note)
            entry = self._entries[key] = _Entry(lease, task)
        entry.lease.hold()
        try:
            return await asyncio.shield(entry.task)
        except BaseException:
            entry.lease.release()
            raise

    async def _load(self, stored: Stored, lease: Lease) -> Scorer:
        async with self._turn:
            log.info("version %s is being loaded", stored.version)
            scorer = await asyncio.to_thread(load, stored, strict=self._strict)
        scorer = replace(scorer.remembering(self._cached_rows), lease=lease)
        if not lease.holders:  # nobody waited for it
            scorer.loaded.unload()
            return scorer
        for told in self.on_load:
            told(scorer)
        self._settle_memory()
        return scorer

    def _settle_memory(self) -> None:
        """Have the garbage collector leave alone what is loaded, which is what costs pauses.

        So it does not find what is left of versions that are unloaded, some hundred KB each; once
        in a while it is to go through all, which takes a tenth of a second.
        """
        if self._unloaded >= _MOST_UNLOADED:
            self._unloaded = 0
            gc.unfreeze()
        gc.collect()
        gc.freeze()

    def _free(self, key: Key) -> None:
        task = self._entries.pop(key).task
        if _is_loaded(task):
            task.result().loaded.unload()
            self._unloaded += 1
            log.info("version %s is unloaded", key[0])


def _is_loaded(task: asyncio.Task[Scorer]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _take_note(task: asyncio.Task[Scorer]) -> None:
    """Retrieve why a load failed also where nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
