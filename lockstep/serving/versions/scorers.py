"""The scorers of a process: each version is loaded once, and unloaded after its last holder."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from lockstep.serving.versions.proving import Stored, load
from lockstep.serving.versions.request_scorer import Key, Lease, Scorer
from lockstep.serving.versions.served_tables import ServedTables

log = logging.getLogger(__name__)

_MOST_UNLOADED = 10
"""Versions that are unloaded before the garbage collector looks for their remains."""


def key_of(stored: Stored) -> Key:
    """The key of a version on disk."""
    return stored.version, stored.digest


@dataclass
class _Entry:
    """A version that is loaded, or being loaded."""

    lease: Lease
    task: asyncio.Task[Scorer]


class Scorers:
    """The versions that are loaded. It belongs to one event loop."""

    def __init__(
        self, *, strict: bool = True, cached_rows: int = 0, tables: ServedTables | None = None
    ) -> None:
        self.on_load: list[Callable[[Scorer], None]] = []  # called with each loaded version
        self._strict, self._cached_rows, self._tables = strict, cached_rows, tables
        self._entries: dict[Key, _Entry] = {}
        self._unloaded = 0
        self._turn = asyncio.Lock()

    @property
    def loaded(self) -> tuple[Scorer, ...]:
        """The versions that are loaded now."""
        tasks = [entry.task for entry in self._entries.values()]
        return tuple(task.result() for task in tasks if _is_loaded(task))

    async def acquire(self, stored: Stored) -> Scorer:
        """A version, held for the caller; it is loaded beside the loop if it is not yet.

        All callers wait for the same load of a version. Loads take turns. Raises LockstepError
        where it cannot be used here.
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
            scorer = await asyncio.to_thread(load, stored, strict=self._strict, tables=self._tables)
        scorer = replace(scorer.remembering(self._cached_rows), lease=lease)
        if not lease.holders:  # nobody waited for it
            scorer.loaded.unload()
            return scorer
        for listener in self.on_load:
            listener(scorer)
        self._settle_memory()
        return scorer

    def _settle_memory(self) -> None:
        """Exempt loaded versions from garbage collection, which would cost pauses.

        So the collector misses the remains of unloaded versions, some hundred KB each; once in a
        while it goes through everything, which takes a tenth of a second.
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
    """Retrieve the error of a load also where nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
