"""Connections: uvicorn's, that end where the head of a request is too slow or too large.

Uvicorn waits for a head for as long as it takes, and keeps as much of it as comes. This module is
imported by uvicorn alone, by name.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class BoundedConnection(HttpToolsProtocol):
    """A connection of which every head has to arrive in time.

    One timer a connection looks after its heads: one a request would cost more than it is worth.

    Attributes:
        head_seconds: For how long a head may take to arrive, from its first byte on, or from the
            connection's beginning.
        head_bytes: Bytes of a head, at most.
    """

    head_seconds = 10.0
    head_bytes = 64 * 1024

    _since: float | None = None
    _size = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look after it no longer."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, unless the head grows too large with it."""
        super().data_received(data)
        if self._since is None:
            return
        self._size += len(data)
        if self._size > self.head_bytes and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        super().on_message_begin()
        self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._since, self._size = None, 0
        super().on_headers_complete()

    def _look(self) -> None:
        """Close the connection if it waits for too long, or look again."""
        if self.transport.is_closing():
            return
        is_answering = bool(self.cycle) and not self.cycle.response_complete
        late = self._since is not None and self.loop.time() - self._since >= self.head_seconds
        if late and not is_answering:
            self.transport.close()
            return
        self._timer = self.loop.call_later(self.head_seconds / 2, self._look)
