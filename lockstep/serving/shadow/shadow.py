"""The shadow: the challenger that the listing names, and the rows that it is still to score."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

from lockstep.artifacts.pointers import ListedVersion, Listing
from lockstep.columns.plain import listed
from lockstep.errors import GoneError, RefusedChallengerError
from lockstep.serving.pauses import FIRST_PAUSE, Pauses
from lockstep.serving.shadow.challenger_comparison import ComparedRows, Rows
from lockstep.serving.shadow.challenger_process import ChallengerProcess
from lockstep.serving.versions.asked import RequestFacts
from lockstep.serving.versions.batching import MicroBatches
from lockstep.serving.versions.canary_version import unlike_fields
from lockstep.serving.versions.request_scorer import Answer, Key, Scorer
from lockstep.serving.versions.scorers import key_of
from lockstep.serving.versions.served_tables import ServedTables

_COMPANY_SECONDS = 0.05
"""How long rows wait for others before they are handed over, which costs as much as some requests
do."""
_MOST_ROWS = 1_000
"""Rows that are handed over together."""
_FIRST_WAIT = FIRST_PAUSE
"""Seconds before a challenger whose process ended is started again; longer each time."""
_REFUSED_WAIT = 300.0
"""Seconds before a refused challenger is tried again."""

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass
class Standing:
    """The state of the challenger."""

    version: int | None = None  # its number; None while there is none
    reason: str | None = None  # why it scores nothing; None if it scores
    # by outcome: `compared`, `refused` by its rules, `failed`, `dropped`
    rows: Counter[str] = field(default_factory=Counter)
    differing: int = 0


class Shadow:
    """The challenger of a server. It belongs to one event loop, which never waits for it.

    It scores the rows that `batches` answered. Where more than `most_waiting` rows would wait, they
    are dropped, and counted.
    """

    def __init__(
        self,
        batches: MicroBatches,
        most_waiting: int,
        # called with the live version, the challenger's number and compared rows
        on_compared: Callable[[Scorer, int, ComparedRows], None] | None = None,
        # called with the challenger's number and the number of dropped rows
        on_dropped: Callable[[int, int], None] | None = None,
        tables: ServedTables | None = None,
    ) -> None:
        self.standing = Standing()
        self._tables = tables
        self._batches, self._most_waiting = batches, most_waiting
        self._on_compared, self._on_dropped = on_compared, on_dropped
        self._pair: tuple[Key | None, Scorer | None] = (None, None)
        self._task: asyncio.Task[None] | None = None
        self._process: ChallengerProcess | None = None
        self._outputs: tuple[str, ...] = ()
        self._waiting: deque[Rows] = deque()
        self._waiting_rows = 0
        self._wake = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The id of the challenger's process; None while there is none."""
        return self._process.pid if self._process is not None else None

    async def look(self, listing: Listing | None, live: Scorer | None) -> None:
        """Change the challenger as the listing says now; it waits for a live version."""
        number = listing.challenger if listing is not None else None
        stored = listing.versions.get(number) if listing is not None and number else None
        if stored is not None and live is not None and key_of(stored) == live.key:
            number, stored = None, None  # it went live
        pair = key_of(stored) if stored is not None else None, live
        if pair == self._pair and number == self.standing.version:
            return
        await self.close()
        self._pair, self.standing = pair, Standing(number)
        if number is None or listing is None:
            return
        if stored is None:
            self._refuse(listing.lacking.get(number, "its files are not at hand"))
        elif live is None:
            self.standing.reason = "no version serves that it could be compared with"
        else:
            self.standing.reason = "it is being loaded"
            self._task = asyncio.create_task(self._run(stored, live))

    async def close(self) -> None:
        """Stop the challenger."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def offer(
        self, answering: Any, answered: Sequence[tuple[RequestFacts, Answer | Exception]]
    ) -> None:
        """Queue the rows of answered requests for the challenger, if the live version answered."""
        live = self._pair[1]
        if live is None or answering is not live:
            return
        answers = [(asked.id, answer) for asked, answer in answered if isinstance(answer, Answer)]
        for _, group in groupby(answers, key=lambda pair: id(pair[1].scored)):
            members = list(group)
            counts = [len(answer.rows) for _, answer in members]
            rows = sum(counts)
            if self._waiting_rows + rows > self._most_waiting:
                self._drop(rows)
            elif rows:
                scored = members[0][1].scored
                computed = scored.computed
                tables = {name: read.version for name, read in scored.tables.items()}
                fields = {name: computed[name] for name in live.pipeline.record_schema.names}
                outputs = {name: computed[name] for name in self._outputs}
                ids = [request_id for request_id, _ in members]
                self._waiting.append(Rows(ids, counts, fields, outputs, tables))
                self._waiting_rows += rows
                self._wake.set()

    async def _run(self, stored: ListedVersion, live: Scorer) -> None:
        """Run a challenger; where its process ends, begin anew after a pause."""
        loop, pauses = asyncio.get_running_loop(), Pauses(_FIRST_WAIT)
        with ThreadPoolExecutor(1, "challenger") as thread:
            while True:
                begun = loop.time()
                process = self._process = ChallengerProcess(self._tables)
                try:
                    contract = await _in(thread, process.load, stored)
                    lacking = unlike_fields(contract.record, live.pipeline.record_schema)
                    if lacking:
                        self._refuse(f"its record has other fields: {listed(lacking)}")
                        return
                    self._begin(live, contract.outputs)
                    await self._compare(thread, process, live)
                except RefusedChallengerError as error:
                    self._refuse(str(error))
                    wait = _REFUSED_WAIT  # a file may be there again
                    pauses.lengthen()
                except GoneError as error:
                    wait = pauses.after(loop.time() - begun)
                    self._refuse(f"{error} It is started again in {wait:g} s.")
                except Exception as error:
                    log.exception("the challenger cannot be asked")
                    self._refuse(f"it cannot be asked ({type(error).__name__}); the log says why")
                    wait = _REFUSED_WAIT
                    pauses.lengthen()
                finally:
                    self._end(process)
                await asyncio.sleep(wait)

    def _begin(self, live: Scorer, outputs: tuple[str, ...]) -> None:
        self.standing.reason = None
        self._forget()
        self._outputs = tuple(name for name in live.pipeline.graph.outputs if name in outputs)
        self._batches.on_answered = self.offer
        log.info("the challenger, version %s, scores in the shadow", self.standing.version)

    def _end(self, process: ChallengerProcess) -> None:
        self._batches.on_answered = None
        process.stop()
        self._process = None
        self._forget()

    def _forget(self) -> None:
        """Drop the rows that wait."""
        self._waiting.clear()
        self._waiting_rows = 0

    async def _compare(
        self, thread: ThreadPoolExecutor, process: ChallengerProcess, live: Scorer
    ) -> None:
        """Hand over the waiting rows, again and again."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_COMPANY_SECONDS)
            self._wake.clear()
            while self._waiting:
                parts = self._take()
                try:
                    compared = await _in(thread, process.compare, parts)
                except GoneError:
                    self._count(live, ComparedRows(0, 0, sum(map(len, parts)), 0.0))
                    raise
                self._count(live, compared)

    def _take(self) -> list[Rows]:
        """The rows that are handed over next, all answered with the same tables."""
        parts = [self._waiting.popleft()]
        count, tables = len(parts[0]), parts[0].tables
        while self._waiting and count + len(self._waiting[0]) <= _MOST_ROWS:
            if self._waiting[0].tables != tables:
                break
            parts.append(self._waiting.popleft())
            count += len(parts[-1])
        self._waiting_rows -= count
        return parts

    def _count(self, live: Scorer, compared: ComparedRows) -> None:
        standing = self.standing
        standing.rows.update(
            compared=compared.rows, refused=compared.refused, failed=compared.failed
        )
        standing.differing += compared.differing
        if self._on_compared is not None and standing.version is not None:
            self._on_compared(live, standing.version, compared)

    def _drop(self, rows: int) -> None:
        self.standing.rows["dropped"] += rows
        if self._on_dropped is not None and self.standing.version is not None:
            self._on_dropped(self.standing.version, rows)

    def _refuse(self, reason: str) -> None:
        self.standing.reason = reason
        log.error("the challenger, version %s, scores nothing: %s", self.standing.version, reason)


async def _in(thread: ThreadPoolExecutor, function: Callable[..., T], *args: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, function, *args)
