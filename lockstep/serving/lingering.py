"""Lingering: a connection that is closed while its client still sends.

A socket that is closed with bytes unread, or to which more comes, is reset by the kernel, and a
reset takes away what the client has not read yet: the very answer that says why its request is
refused. So the answer is ended, what else comes is thrown away for a while, and then the connection
is closed (RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class LingeringTransport(asyncio.Transport):
    """A transport that hears its client out before it closes.

    Attributes:
        is_lingering: Whether the answer is ended, and what comes is to be thrown away.
        linger_seconds: For how long a client is heard at most that goes on to send.
    """

    linger_seconds = 2.0

    def __init__(self, transport: asyncio.Transport, is_heard: Callable[[], bool]) -> None:
        """Stand before a transport.

        Args:
            transport: What sends and receives.
            is_heard: Tells whether all of a request is there, so that the client sends no more.
        """
        super().__init__()
        self.is_lingering = False
        self._transport = transport
        self._is_heard = is_heard

    def close(self) -> None:
        """End the answer, and the connection once the client has ended, or after a while."""
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
        """Send something, unless the answer is ended."""
        if not self.is_lingering:
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Take nothing from the client for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what the client sends again."""
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that are still to be sent."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection, such as its addresses."""
        return self._transport.get_extra_info(name, default)
