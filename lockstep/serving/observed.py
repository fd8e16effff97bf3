"""Observed: every request gets an identifier, is counted, and never ends without a response."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, MutableMapping
from time import perf_counter
from typing import Any

from lockstep.serving.asgi import Application, Receive, Response, Scope, Send, respond
from lockstep.serving.asked import ID_HEADER, RequestIds
from lockstep.serving.metrics import Metrics
from lockstep.serving.traffic import Traffic

log = logging.getLogger(__name__)

SCORING = ("/invocations", "/infer")
"""What the routes end with at which records are scored."""

_TRACE = re.compile(rb"[0-9a-f-]{55}")
"""A trace context as version 00 of W3C Trace Context writes it, and later ones begin."""
_BROKEN = (
    b'{"error_code":"INTERNAL_ERROR","message":"The server failed at this request; its log says '
    b'why, beside the identifier in X-Request-ID."}'
)


class Observed:
    """An application of which every request is counted and has an identifier.

    Args:
        application: What answers.
        metrics: What counts.
        ids: Gives identifiers; a client may bring one of its own.
        route_of: From a path to the route that it is counted by; those of none are `other`.
        traffic: Counts, of the last minutes, the requests to score records.
    """

    def __init__(
        self,
        application: Application,
        metrics: Metrics,
        ids: RequestIds,
        route_of: Callable[[str], str | None],
        traffic: Traffic,
    ) -> None:
        self._application = application
        self._metrics = metrics
        self._ids = ids
        self._route_of = route_of
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        begun = perf_counter()
        name = self._ids.of(scope["headers"])
        known = (ID_HEADER, name.encode())
        scope["headers"] = [*scope["headers"], known]  # so that whoever answers calls it the same
        told = [known, *_trace(scope)]
        status = 0

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                message["headers"] = [*headers, *(one for one in told if one not in headers)]
            await send(message)

        try:
            await self._application(scope, receive, sending)
        except Exception:
            facts = {key.decode(): value.decode() for key, value in told} | {"path": scope["path"]}
            log.exception("a request failed", extra={"facts": facts})
            if status:
                raise  # half of the response is out: the connection has to end
            await respond(sending, Response(500, _BROKEN))
        finally:
            route = self._route_of(scope["path"]) or "other"
            seconds = perf_counter() - begun
            self._metrics.answered(route, status or 500, seconds)
            if route.endswith(SCORING):
                self._traffic.answered(status or 500, seconds)


def _trace(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The trace context of a request, to be passed on, if it has one."""
    return [
        (name, value)
        for name, value in scope["headers"]
        if name == b"traceparent" and _TRACE.fullmatch(value)
    ]
