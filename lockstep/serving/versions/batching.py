"""Micro-batches: requests that arrived while the last batch ran are answered together.

There is no timer: nothing waits for company. The first request that finds nobody waiting has the
loop call for a batch once it has looked a few times at what has arrived by then. That takes some
microseconds, and clients that were answered together ask again in them: otherwise they fall apart
into groups that take turns, and each group pays for a batch of its own. A client that asks again
before anybody else did is alone, and is answered at once. Batches of one version are computed with
that version alone. Large requests have a lane of their own, in a thread, so that a single record
does not wait for ten thousand.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from lockstep.errors import BusyError, LateError, LockstepError
from lockstep.serving.versions.asked import Asked, Client, RequestIds
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Answer

_TURNS = 4
"""How often the loop looks at what has arrived before a batch is computed. With 32 clients at once
a batch has 11 rows without and 26 with it, and a request takes a quarter less time of the
processor; more turns add nothing."""


class Answering(Protocol):
    """What answers requests, such as a scorer."""

    def answer(self, requests: Sequence[Sequence[Record]], /) -> list[Answer | LockstepError]:
        """Answer requests together."""


Recording: TypeAlias = Callable[[Any, list[tuple[Asked, "Answer | Exception"]]], None]
"""Writes down requests with what they are about to be answered, given what answers them. Where it
raises, that is what all of them are answered."""


class _Waiting(msgspec.Struct, eq=False):
    """A request that waits."""

    answering: Answering
    records: Sequence[Record]
    asked: Asked
    future: asyncio.Future[Answer]
    until: float


class MicroBatches:
    """The requests that wait, and their batches. It belongs to one event loop.

    Args:
        limits: How much may be waited for.
        record: Writes down every batch before any of it is answered; None where nobody does.
        computed: Is told how many rows each batch had.

    Attributes:
        limits: How much may be waited for.
        computed: Is told how many rows each batch had.
        waiting_rows: Rows that wait now.
        on_answered: Is called with what answered a batch, and with its requests and answers, once
            these are on their way; None where nobody is to be told.
    """

    def __init__(
        self,
        limits: RequestLimits,
        record: Recording | None = None,
        computed: Callable[[int], None] | None = None,
    ) -> None:
        self.limits = limits
        self.computed = computed
        self._record = record
        self._ids = RequestIds()
        self._small, self._large = _Lane(self), _Lane(self)
        self.waiting_rows = 0
        self.on_answered: Recording | None = None

    def ask(
        self, answering: Answering, records: Sequence[Record], asked: Asked | None = None
    ) -> asyncio.Future[Answer]:
        """Have a request answered with those that arrive meanwhile.

        Args:
            answering: What is to answer it.
            records: Its rows.
            asked: What else is known of it; if nothing is, it comes now and gets an id.

        Returns:
            Its answer, once there is one; or the error that there is instead.

        Raises:
            BusyError: Too many rows wait.
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

    def answers(self, batch: Sequence[_Waiting]) -> list[Answer | Exception]:
        """What a batch is answered, once that is written down."""
        answering = batch[0].answering
        answers = _answers(answering, [one.records for one in batch])
        if self._record is None:
            return answers
        asked = [one.asked for one in batch]
        try:
            self._record(answering, list(zip(asked, answers, strict=True)))
        except Exception as error:  # noqa: BLE001 - each request is told, and the loop goes on
            return [error for _ in batch]
        return answers

    def settle(self, batch: Sequence[_Waiting], answers: Sequence[Answer | Exception]) -> None:
        """Hand on what a batch is answered."""
        for one, answer in zip(batch, answers, strict=True):
            if one.future.done():
                continue
            if isinstance(answer, Exception):
                one.future.set_exception(answer)
            else:
                one.future.set_result(answer)
        if self.on_answered is not None:  # after those who wait for the answers have gone on
            told = [(one.asked, answer) for one, answer in zip(batch, answers, strict=True)]
            asyncio.get_running_loop().call_soon(self.on_answered, batch[0].answering, told)


class _Lane:
    """Requests that wait in a row; their batches are computed one after the other.

    Args:
        batches: What computes them, and counts.
    """

    def __init__(self, batches: MicroBatches) -> None:
        self._batches = batches
        self._limits = batches.limits
        self._queue: deque[_Waiting] = deque()
        self._is_called = False
        self._last: Client = None

    def add(self, one: _Waiting, loop: asyncio.AbstractEventLoop) -> None:
        """Have a request wait, and a batch called for if none is; or answered, if it is alone."""
        client = one.asked.client
        is_alone = client is not None and client == self._last
        self._last = client
        self._queue.append(one)
        if self._is_called:
            return
        self._is_called = True
        if is_alone:
            self._start(loop)
        else:
            loop.call_soon(self._gather, loop, _TURNS)

    def _gather(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """Let the loop look at what has arrived, so many times, before a batch is computed."""
        if turns:
            loop.call_soon(self._gather, loop, turns - 1)
        else:
            self._start(loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Compute a batch, here if it is small, and call for the next one."""
        batch = self._take(loop.time())
        if not batch:
            self._is_called = False
            return
        count = sum(len(one.records) for one in batch)
        if self._batches.computed is not None:
            self._batches.computed(count)
        if count <= self._limits.inline_rows:
            self._batches.settle(batch, self._batches.answers(batch))
            self._go_on(loop)
            return
        task = loop.run_in_executor(None, self._batches.answers, batch)
        task.add_done_callback(lambda done: self._finish(batch, done, loop))

    def _finish(
        self,
        batch: list[_Waiting],
        done: asyncio.Future[list[Answer | Exception]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._batches.settle(batch, done.result())
        self._go_on(loop)

    def _go_on(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._queue:
            loop.call_soon(self._gather, loop, _TURNS)
        else:
            self._is_called = False

    def _take(self, now: float) -> list[_Waiting]:
        """The next requests of one version, without those that nobody waits for any more."""
        batch: list[_Waiting] = []
        count = 0
        while self._queue:
            one = self._queue[0]
            size = len(one.records)
            is_other = bool(batch) and one.answering is not batch[0].answering
            if is_other or (batch and count + size > self._limits.batch_rows):
                break
            self._queue.popleft()
            self._batches.waiting_rows -= size
            if one.until < now and not one.future.done():
                one.future.set_exception(LateError("The request waited for too long."))
            if one.future.done():  # too late, or its client has gone
                continue
            batch.append(one)
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
