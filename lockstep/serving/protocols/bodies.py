"""Bodies of requests, read within limits of bytes and time."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from lockstep.errors import CrowdedError, SlowError, TooLargeError
from lockstep.serving.protocols.asgi import Receive, Scope
from lockstep.serving.versions.request_limits import RequestLimits


class DisconnectedError(Exception):
    """The client disconnected before its request was read."""


class Bodies:
    """The bodies that are being read. It belongs to one event loop.

    One timer looks after all of them, once a second at most: a timer for each would cost more than
    most bodies do.
    """

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._tick = min(1.0, limits.read_seconds / 2)
        self._since: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._held = 0
        self._is_watched = False

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a request.

        Raises TooLargeError, also by its header alone; CrowdedError where other bodies that are
        arriving leave no room for it; SlowError; DisconnectedError.
        """
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self._demand_room(int(value[:20]))
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None, "a request is answered in a task"
        self._since[task] = loop.time()
        if not self._is_watched:
            self._is_watched = True
            loop.call_later(self._tick, self._look, loop)
        try:
            return await self._read(receive)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            task.uncancel()
            raise SlowError(
                f"The body did not arrive within {self._limits.read_seconds:g} seconds."
            ) from None
        finally:
            del self._since[task]
            self._late.discard(task)

    async def _read(self, receive: Receive) -> bytes:
        message = await _part(receive)
        body: bytes = message.get("body", b"")
        self._demand_room(len(body))
        if not message.get("more_body"):
            return body
        parts, size = [body], len(body)
        self._held += size
        try:
            while message.get("more_body"):
                message = await _part(receive)
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                self._held += len(parts[-1])
                self._demand_room(size)
                if self._held > self._limits.all_bodies_bytes:
                    raise CrowdedError("Too many large bodies are arriving; try again later.")
            return b"".join(parts)
        finally:
            self._held -= size

    def _demand_room(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise TooLargeError(f"A body has at most {self._limits.body_bytes:,} bytes.")

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the reading of bodies that take too long."""
        latest = loop.time() - self._limits.read_seconds
        for task, since in self._since.items():
            if since < latest and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._is_watched = bool(self._since)
        if self._is_watched:
            loop.call_later(self._tick, self._look, loop)


async def _part(receive: Receive) -> MutableMapping[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise DisconnectedError
    return message
