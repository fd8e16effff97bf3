"""Connections: uvicorn's, with limits on time and memory for clients that are slow.

Uvicorn itself waits without limit for the head of a request, keeps as much of it as comes, and
waits without limit for a client to read its response. Only uvicorn imports this module, by name.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_OFFER = re.compile(rb"(?i)(?<=\n)upgrade(?=:)")


class LingeringTransport(asyncio.Transport):
    """A transport that hears its client out before it closes.

    The kernel resets a socket that is closed with bytes unread, or to which more comes. A reset
    takes away what the client has not read yet: the response that says why its request is refused.
    So the response is ended, further bytes are thrown away for a while, and then the connection is
    closed (RFC 9112, section 9.6).
    """

    linger_seconds = 2.0  # how long a client that goes on to send is heard, at most

    def __init__(self, transport: asyncio.Transport, is_heard: Callable[[], bool]) -> None:
        """Wrap a transport; `is_heard` returns whether all of the request has come."""
        super().__init__()
        self.is_lingering = False
        self._transport = transport
        self._is_heard = is_heard

    def close(self) -> None:
        """End the response, and the connection once the client has ended, or after a while."""
        if self.is_lingering or self._transport.is_closing():
            return
        if self._is_heard() or not self._transport.can_write_eof():
            self._transport.close()
            return
        self.is_lingering = True
        self._transport.write_eof()
        asyncio.get_running_loop().call_later(self.linger_seconds, self._transport.close)

    def is_closing(self) -> bool:
        """Whether nothing more may be sent."""
        return self.is_lingering or self._transport.is_closing()

    def write(self, data: Any) -> None:
        """Send bytes, unless the response is ended."""
        if not self.is_lingering:
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Stop reading from the client for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again."""
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that are still to be sent."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """A fact about the connection, such as its addresses."""
        return self._transport.get_extra_info(name, default)


class BoundedConnection(HttpToolsProtocol):
    """A connection with time limits for the arrival of a head and the reading of a response.

    Each connection has one timer: a timer for each request would cost more than it is worth.

    It speaks HTTP/1.1 alone, and ignores an offer to change the protocol. Java's client offers
    HTTP/2 with every first request, whose body the parser would take for HTTP/2.
    """

    # from its first byte on, or the connection's beginning; also for reading a response
    head_seconds = 10.0
    head_bytes = 64 * 1024
    # a stopping server waits so long for the first request of a connection, which may be on its way
    fresh_seconds = 1.0

    transport: LingeringTransport

    _begins_behind = False
    """Whether a head begins in the bytes that came last, behind other requests."""
    _has_asked = False
    _is_refused = False
    _is_ending = False
    _is_in_head = True
    _since: float | None = None
    _size = 0
    _timer: asyncio.TimerHandle | None = None
    _unread = (0, 0.0)
    """Bytes that the client has not taken, and since when there are so many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(LingeringTransport(transport, self._is_heard))
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._since = self.loop.time()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, and tell every unanswered request that its client is gone.

        Uvicorn would tell the last request alone, and let those before it be answered.
        """
        if self._timer is not None:
            self._timer.cancel()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read bytes, unless the head grows too large with them, or its request is refused."""
        if self.transport.is_lingering:
            return
        self._begins_behind = False
        super().data_received(_without_offer(data) if self._is_in_head else data)
        if self._since is None or self._begins_behind:
            return
        self._size += len(data)
        if self._size > self.head_bytes and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the last request of a client that has ended its side, staying open until then."""
        if not self._is_answering or self.transport.is_closing():
            return False
        if self.cycle.more_body:
            if len(self._unanswered) == 1:
                self.send_400_response("The request ended before its body did.")
            return False
        self.cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        """Refuse an unreadable request, and hear the rest of it."""
        self._is_refused = True
        super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        super().on_message_begin()
        self._since = self.loop.time()
        self._begins_behind = self._is_answering

    def on_headers_complete(self) -> None:
        """Go on to the body; a head without one host is refused as no HTTP (RFC 9112, 3.2)."""
        hosts = [name for name, _ in self.headers if name == b"host"]
        if len(hosts) > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            raise ValueError("a request has one header Host")
        self._has_asked, self._is_in_head, self._since, self._size = True, False, None, 0
        super().on_headers_complete()
        self._unanswered.append(self.cycle)
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Take the first request as answered, and read no more while others wait.

        Uvicorn would read on, and keep what a client sends faster than it is answered.
        """
        self._unanswered.popleft()
        super().on_response_complete()
        if self.transport.is_lingering:
            self.flow.resume_reading()
        elif self.pipeline:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Expect another head, as the body is there."""
        self._is_in_head = True
        super().on_message_complete()

    def shutdown(self) -> None:
        """End the connection once its requests, or the one on its way, are answered."""
        if not self._has_asked and self._since is not None:
            left = self._since + self.fresh_seconds - self.loop.time()
            if left > 0:
                self._is_ending = True
                self.loop.call_later(left, super().shutdown)
                return
        super().shutdown()

    def _is_heard(self) -> bool:
        """Whether no part of an answered request is still on its way."""
        if self._is_refused:
            return False
        return not self._has_asked or not (self.cycle.response_complete and self.cycle.more_body)

    @property
    def _is_answering(self) -> bool:
        return bool(self._unanswered)

    def _look(self) -> None:
        """End the connection if a limit has passed, or look again later."""
        now = self.loop.time()
        if self._is_unread(now):
            self.transport.abort()
            return
        late = self._since is not None and now - self._since >= self.head_seconds
        if late and not self._is_answering and not self.transport.is_closing():
            self.transport.close()
        self._timer = self.loop.call_later(self.head_seconds / 2, self._look)

    def _is_unread(self, now: float) -> bool:
        """Whether the client has left its response unread for too long."""
        size, since = self._unread
        left = self.transport.get_write_buffer_size()
        if left != size:
            self._unread = (left, now)
            return False
        return left > 0 and now - since >= self.head_seconds


def _without_offer(data: bytes) -> bytes:
    """A part of a head whose header `Upgrade` has another name."""
    if b"pgrade:" not in data and b"PGRADE:" not in data:
        return data
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OFFER.sub(b"ignored", head) + end + rest
