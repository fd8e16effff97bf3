"""A steady load: requests at a constant rate, whether or not the server keeps up.

What a request takes is counted from when it was due, not from when a connection was free for it:
a server that pauses makes all wait that were due meanwhile.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

_TICK = 0.0005
"""Seconds between two looks at which requests are due."""
_PATIENCE = 30.0
"""Seconds for which the last answers are waited for."""


@dataclass
class Told:
    """What became of the requests that were due in a while.

    Attributes:
        seconds: What each answer with status 200 took, from when its request was due.
        refused: How many were answered with another status.
        broken: How many were not answered: their connection ended.
    """

    seconds: array[float] = field(default_factory=lambda: array("d"))
    refused: int = 0
    broken: int = 0


class Steady:
    """Requests at a constant rate to one server.

    Args:
        port: Where it listens.
        path: The path to post to.
        bodies: What to post, one after the other.
        connections: How many requests may be under way.

    Attributes:
        told: What became of the requests since somebody last put another one there.
    """

    def __init__(self, port: int, path: str, bodies: Sequence[bytes], connections: int) -> None:
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        self._requests = cycle(
            [f"{head}content-length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
        )
        self._port = port
        self._connections = connections
        self._free: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._under_way = 0
        self._connecting: set[asyncio.Task[None]] = set()
        self.told = Told()

    async def send(self, rate: float, seconds: float) -> None:
        """Send requests for a while, and wait for the last answers.

        Args:
            rate: How many a second.
            seconds: For how long.
        """
        loop = asyncio.get_running_loop()
        for _ in range(self._connections):
            await self._connect()
        begun, sent = loop.time(), 0
        while (passed := loop.time() - begun) < seconds:
            due = int(passed * rate)
            self._due.extend(begun + place / rate for place in range(sent, due))
            sent = due
            self._give()
            await asyncio.sleep(_TICK)
        until = loop.time() + _PATIENCE
        while (self._due or self._under_way) and loop.time() < until:
            self._give()
            await asyncio.sleep(0.01)
        self.told.broken += len(self._due) + self._under_way
        for connection in self._free:
            connection.close()

    def is_told(self, connection: _Connection, status: int, due: float) -> None:
        """Count an answer; its connection is free for another request."""
        self._under_way -= 1
        if status == 200:
            self.told.seconds.append(asyncio.get_running_loop().time() - due)
        else:
            self.told.refused += 1
        self._free.append(connection)
        self._give()

    def is_lost(self, connection: _Connection) -> None:
        """Count the request that is not answered, if there is one, and connect anew."""
        if connection.due is not None:
            self._under_way -= 1
            self.told.broken += 1
        else:
            self._free.remove(connection)
        task = asyncio.ensure_future(self._connect())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, found = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        self._free.append(found)

    def _give(self) -> None:
        while self._due and self._free:
            self._under_way += 1
            self._free.popleft().ask(next(self._requests), self._due.popleft())


class _Connection(asyncio.Protocol):
    """A connection that asks one thing after the other."""

    transport: asyncio.Transport

    def __init__(self, load: Steady) -> None:
        self._load = load
        self._got = b""
        self._is_closing = False
        self.due: float | None = None

    def ask(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def close(self) -> None:
        self._is_closing = True
        self.transport.close()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_closing:
            self._load.is_lost(self)

    def data_received(self, data: bytes) -> None:
        got = self._got + data if self._got else data
        head, end, body = got.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            self._got = got
            return
        self._got = b""
        due, self.due = self.due, None
        assert due is not None, "nothing is answered that was not asked"
        self._load.is_told(self, int(head[9:12]), due)


def _length(head: bytes) -> int:
    """How long the body of a response is."""
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
