"""Versions: the one that serves, and how another takes its place without a request lost."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lockstep.artifacts.live import LivePointer, read_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.errors import LockstepError
from lockstep.parity.compiled import compiled_parity
from lockstep.parity.replay import replay
from lockstep.serving.batching import MicroBatches
from lockstep.serving.scorer import Scorer

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 0.05
"""How often it is looked whether the last request to a version was answered."""


class UnprovenError(LockstepError):
    """A version does not compute here what it computed when it was fitted."""


@dataclass(frozen=True)
class Refusal:
    """A version that was to serve and does not.

    Attributes:
        version: Its number; None where not even that can be read.
        reason: Why.
    """

    version: int | None
    reason: str


def prove(loaded: LoadedVersion, *, strict: bool = True) -> Scorer:
    """Replay a version's golden records in this process, and make a scorer of it.

    The reference predictors have to give every value that they gave at the fit. The compiled ones
    have to agree with them, on edges too; where they do not, the reference ones serve.

    Args:
        loaded: The version.
        strict: Whether a record with a field that is not declared is refused.

    Raises:
        UnprovenError: A column differs; the message names it.
    """
    replayed = replay(loaded.pipeline, loaded.golden, version=loaded.version)
    if not replayed.ok:
        raise UnprovenError(
            f"Version {loaded.version} does not give the golden records in this process what it "
            f"gave them at the fit: {replayed.summary}"
        )
    compiled = loaded.compiled
    found = compiled_parity(loaded.pipeline, compiled, loaded.golden, version=loaded.version)
    if not found.ok:
        log.error("the reference predictors serve, as the compiled ones differ: %s", found.summary)
        compiled = Compiled.none(loaded.pipeline, found.summary)
    scorer = Scorer.of(loaded, compiled, strict=strict)
    scorer.warm()
    return scorer


class Versions:
    """The version that serves, kept up with the file that says which one is live.

    The file is written by the gate, for a version that it let serve, with the digest of its bytes:
    another one is not served, whatever an alias says.

    Args:
        pointer: The file, such as `Home.live("flights")`.
        batches: The requests that wait; a version is unloaded once none of them is its own.
        strict: Whether a record with a field that is not declared is refused.
        cached_rows: How many rows each version keeps the outputs of; 0 for none.

    Attributes:
        scorer: The version that serves; None until there is one.
        refusal: The version that was to serve last and does not; None if that one serves.
        on_swap: Is called with each version that begins to serve.
    """

    def __init__(
        self, pointer: Path, batches: MicroBatches, *, strict: bool = True, cached_rows: int = 0
    ) -> None:
        self.pointer = pointer
        self.strict = strict
        self.cached_rows = cached_rows
        self.batches = batches
        self.scorer: Scorer | None = None
        self.refusal: Refusal | None = None
        self.on_swap: list[Callable[[Scorer], None]] = []
        self._seen: LivePointer | None = None
        self._drains: set[asyncio.Task[None]] = set()

    async def follow(self, seconds: float) -> None:
        """Look for another version for as long as the server runs.

        Args:
            seconds: How often.
        """
        while True:
            await self.look()
            await asyncio.sleep(seconds)

    async def look(self) -> None:
        """Load the version that is live, if that is another one by now, and let it serve."""
        try:
            wanted = read_live(self.pointer)
        except LockstepError as error:
            self._refuse(None, str(error))
            return
        if wanted is None or wanted == self._seen:
            return
        self._seen = wanted
        if self.scorer is not None and wanted.digest == self.scorer.loaded.digest:
            self.refusal = None
            return
        log.info("version %s is live: loading it", wanted.version)
        try:
            scorer = await asyncio.to_thread(_load, wanted, self.strict)
            scorer = scorer.remembering(self.cached_rows)
        except LockstepError as error:
            self._refuse(wanted.version, str(error))
            return
        self._swap(scorer)

    async def drained(self) -> None:
        """Wait until every version that served before is unloaded."""
        await asyncio.gather(*self._drains)

    def _swap(self, scorer: Scorer) -> None:
        """From one request to the next; those that wait for the old version still get it."""
        old, self.scorer, self.refusal = self.scorer, scorer, None
        for told in self.on_swap:
            told(scorer)
        log.info("version %s serves", scorer.loaded.version)
        # What was just loaded stays: going through it again and again is what costs a pause.
        gc.collect()
        gc.freeze()
        if old is not None:
            task = asyncio.create_task(self._drain(old))
            self._drains.add(task)
            task.add_done_callback(self._drains.discard)

    async def _drain(self, old: Scorer) -> None:
        while self.batches.is_asked(old):
            await asyncio.sleep(_DRAIN_SECONDS)
        old.loaded.unload()
        log.info("version %s is unloaded", old.loaded.version)

    def _refuse(self, version: int | None, reason: str) -> None:
        refusal = Refusal(version, reason)
        if refusal == self.refusal:
            return
        self.refusal = refusal
        serves = f"version {self.scorer.loaded.version} goes on" if self.scorer else "none serves"
        log.error("version %s is refused, %s: %s", version, serves, reason)


def _load(wanted: LivePointer, strict: bool) -> Scorer:
    return prove(wanted.open(), strict=strict)
