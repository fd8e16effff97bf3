"""Micro-batches: requests that arrived while the last batch ran are answered together.

There is no timer: nothing waits for company. Batches of one version are computed with that version
alone. Large requests have a lane of their own, in a thread. A request whose turn comes too late, by
what a row took lately, is refused before it is computed; one whose answer is not there by the limit
is refused then, and logged as refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from lockstep.errors import BusyError, LateError, LockstepError
from lockstep.serving.versions.asked import Client, RequestFacts, RequestIds
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Answer

_TURNS = 4
"""How often the loop looks for arrived requests before a batch is computed. In these microseconds
clients that were answered together ask again; otherwise they fall apart into groups that take
turns. With 32 clients at once a batch has 11 rows without and 26 with it, and a request takes a
quarter less processor time; more turns add nothing. A client that asks again before anybody else
did is alone, and is answered at once."""


class Answering(Protocol):
    """Answers requests, such as a scorer."""

    def answer(self, requests: Sequence[Sequence[Record]], /) -> list[Answer | LockstepError]:
        """Answer requests together."""


Recording: TypeAlias = Callable[[Any, list[tuple[RequestFacts, "Answer | Exception"]]], None]
"""Logs requests with their answers, given the version that answers. If it raises, its error is the
answer to all of them."""


class _Waiting(msgspec.Struct, eq=False):
    """A request that waits."""

    answering: Answering
    records: Sequence[Record]
    asked: RequestFacts
    future: asyncio.Future[Answer]
    until: float  # when it has to be answered, on the loop's clock
    is_final: bool = False  # whether its answer is being logged, and is no longer refused as late


class MicroBatches:
    """The requests that wait, and their batches. It belongs to one event loop.

    Every batch is recorded before any of it is answered; None for no log. `computed` is called with
    its number of rows.
    """

    def __init__(
        self,
        limits: RequestLimits,
        record: Recording | None = None,
        computed: Callable[[int], None] | None = None,
    ) -> None:
        self.limits, self.computed = limits, computed
        self._record, self._ids = record, RequestIds()
        self._small, self._large = _Lane(self), _Lane(self)
        self.waiting_rows = 0
        # called with version, requests and answers of each batch, once the answers are on their way
        self.on_answered: Recording | None = None

    def ask(
        self, answering: Answering, records: Sequence[Record], asked: RequestFacts | None = None
    ) -> asyncio.Future[Answer]:
        """Answer a request together with those that arrive meanwhile.

        Raises BusyError where too many rows wait.
        """
        count = len(records)
        if self.waiting_rows + count > self.limits.waiting_rows and self.waiting_rows:
            raise BusyError("Too many requests are waiting; try again a little later.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        until = loop.time() + self.limits.seconds
        asked = asked or self._ids.ask()
        lane = self._large if count > self.limits.inline_rows else self._small
        self.waiting_rows += count
        lane.add(_Waiting(answering, records, asked, future, until), loop)
        return future

    def answers(
        self, batch: Sequence[_Waiting], clock: Callable[[], float]
    ) -> list[Answer | Exception]:
        """The answers to a batch, once they are logged; a late one is the error instead."""
        answering = batch[0].answering
        answers = _answers(answering, [waiting.records for waiting in batch])
        for waiting in batch:
            waiting.is_final = True
        now = clock()
        for place, waiting in enumerate(batch):
            if waiting.until < now:
                answers[place] = late()
        if self._record is None:
            return answers
        asked = [waiting.asked for waiting in batch]
        try:
            self._record(answering, list(zip(asked, answers, strict=True)))
        except Exception as error:  # noqa: BLE001 - each request is told, and the loop goes on
            return [error for _ in batch]
        return answers

    def settle(self, batch: Sequence[_Waiting], answers: Sequence[Answer | Exception]) -> None:
        """Hand the answers to the requests of a batch."""
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.future.done():
                continue
            if isinstance(answer, Exception):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)
        if self.on_answered is not None:  # called after the waiting requests have gone on
            answered = [
                (waiting.asked, answer) for waiting, answer in zip(batch, answers, strict=True)
            ]
            asyncio.get_running_loop().call_soon(self.on_answered, batch[0].answering, answered)


def late() -> LateError:
    """The error of a request that cannot be answered in time."""
    return LateError("The request cannot be answered within the time limit; try again later.")


def _refuse_late(waiting: _Waiting) -> None:
    """Refuse a request whose answer is not there by its limit."""
    if not waiting.is_final and not waiting.future.done():
        waiting.future.set_exception(late())


class _Lane:
    """A queue of requests; its batches are computed one after the other."""

    def __init__(self, batches: MicroBatches) -> None:
        self._batches, self._limits = batches, batches.limits
        self._queue: deque[_Waiting] = deque()
        self._is_called = False
        self._last: Client = None
        self._row_seconds = 0.0

    def add(self, waiting: _Waiting, loop: asyncio.AbstractEventLoop) -> None:
        """Queue a request, and schedule a batch if none is; a request alone is computed at once."""
        client = waiting.asked.client
        is_alone = client is not None and client == self._last
        self._last = client
        self._queue.append(waiting)
        if self._is_called:
            return
        self._is_called = True
        if is_alone:
            self._start(loop)
        else:
            loop.call_soon(self._gather, loop, _TURNS)

    def _gather(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """Let the loop look for arrived requests, so many times, before a batch is computed."""
        if turns:
            loop.call_soon(self._gather, loop, turns - 1)
        else:
            self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Compute a batch, here if it is small, and schedule the next one."""
        batch = self._take(loop.time())
        if not batch:
            self._is_called = False
            return
        count = sum(len(waiting.records) for waiting in batch)
        if self._batches.computed is not None:
            self._batches.computed(count)
        begun = loop.time()
        if count <= self._limits.inline_rows:
            self._batches.settle(batch, self._batches.answers(batch, loop.time))
            self._measure(loop.time() - begun, count)
            self._go_on(loop)
            return
        task = loop.run_in_executor(None, self._batches.answers, batch, loop.time)
        limits = [loop.call_at(waiting.until, _refuse_late, waiting) for waiting in batch]

        def finish(done: asyncio.Future[list[Answer | Exception]]) -> None:
            for limit in limits:
                limit.cancel()
            self._measure(loop.time() - begun, count)
            self._batches.settle(batch, done.result())
            self._go_on(loop)

        task.add_done_callback(finish)

    def _is_in_time(self, waiting: _Waiting, now: float, rows: int) -> bool:
        """Whether a request is answered in time, if so many rows are computed with it."""
        expected = self._row_seconds * rows
        if now <= waiting.until < now + expected:
            self._row_seconds /= 2  # nothing is measured of it, and what was may not last
        return now + expected <= waiting.until

    def _measure(self, seconds: float, rows: int) -> None:
        """Note what a row of the last batch took; one that took long counts for half at most."""
        self._row_seconds = (self._row_seconds + seconds / max(rows, 1)) / 2

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._queue:
            loop.call_soon(self._gather, loop, _TURNS)
        else:
            self._is_called = False

    def _take(self, now: float) -> list[_Waiting]:
        """The next requests of one version, without those whose clients have gone."""
        batch: list[_Waiting] = []
        count = 0
        while self._queue:
            waiting = self._queue[0]
            size = len(waiting.records)
            is_other = bool(batch) and waiting.answering is not batch[0].answering
            if is_other or (batch and count + size > self._limits.batch_rows):
                break
            self._queue.popleft()
            self._batches.waiting_rows -= size
            if not waiting.future.done() and not self._is_in_time(waiting, now, count + size):
                waiting.future.set_exception(late())
            if waiting.future.done():  # too late, or its client has gone
                continue
            batch.append(waiting)
            count += size
        return batch


def _answers(
    answering: Answering, requests: Sequence[Sequence[Record]]
) -> list[Answer | Exception]:
    try:
        return list(answering.answer(requests))
    except Exception as error:  # noqa: BLE001 - each request is told, and the loop goes on
        if len(requests) == 1:
            return [error]
        return [answer for request in requests for answer in _answers(answering, [request])]
