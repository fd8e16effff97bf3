"""Observed: every request gets an identifier, is counted, and never ends without a response.

While the server drains, each response tells its client that the connection ends, so that no further
request is sent into a connection that is being closed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, MutableMapping
from time import perf_counter
from typing import Any

from lockstep.serving.protocols.asgi import Application, Receive, Response, Scope, Send, respond
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.asked import ID_HEADER

log = logging.getLogger(__name__)

SCORING = ("/invocations", "/infer")
"""The ends of the routes that score records."""

_TRACE = re.compile(rb"[0-9a-f-]{55}")
"""A trace context as version 00 of W3C Trace Context writes it, and later ones begin."""
_LAST = (b"connection", b"close")
_BROKEN = (
    b'{"error_code":"INTERNAL_ERROR","message":"The server failed at this request; its log says '
    b'why, beside the identifier in X-Request-ID."}'
)


class Observed:
    """An application whose requests all have an identifier and are counted, by their route.

    A path without a route is counted as `other`.
    """

    def __init__(
        self, application: Application, service: Service, route_of: Callable[[str], str | None]
    ) -> None:
        self._application, self._service, self._route_of = application, service, route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        begun = perf_counter()
        name = self._service.ids.of(scope["headers"])
        known = (ID_HEADER, name.encode())
        scope["headers"] = [*scope["headers"], known]  # so that whoever answers calls it the same
        added = [known, *_trace(scope)]
        status = 0

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = [
                    *headers,
                    *(header for header in added if header not in headers),
                ]
                if self._service.is_draining:
                    message["headers"].append(_LAST)
            await send(message)

        try:
            await self._application(scope, receive, sending)
        except Exception:
            facts = {key.decode(): value.decode() for key, value in added} | {"path": scope["path"]}
            log.exception("a request failed", extra={"facts": facts})
            if status:
                raise  # half of the response is out: the connection has to end
            await respond(sending, Response(500, _BROKEN))
        finally:
            route = self._route_of(scope["path"]) or "other"
            seconds = perf_counter() - begun
            self._service.metrics.answered(route, status or 500, seconds)
            if route.endswith(SCORING):
                self._service.traffic.answered(status or 500, seconds)


def _trace(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The header with a request's trace context, if it has one."""
    return [
        (name, value)
        for name, value in scope["headers"]
        if name == b"traceparent" and _TRACE.fullmatch(value)
    ]
