"""The application: routes, and what each request goes through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from lockstep.columns.errors import LockstepError
from lockstep.serving import invocations
from lockstep.serving.bodies import parse_json
from lockstep.serving.errors import (
    ComputingError,
    RefusedRowsError,
    ServingError,
    TooLargeError,
    UnsupportedError,
)
from lockstep.serving.service import Service

if TYPE_CHECKING:
    from starlette.applications import Starlette

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON = [(b"content-type", b"application/json")]
MOST_BYTES = 10 * 2**20


class Invocations:
    """`/invocations`, as an ASGI application: nothing is made that a request does not need."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await read_body(receive)
            status, content = 200, await self._answer(scope, body)
        except ServingError as error:
            status, content = int(error.status), invocations.failure(error)
        await respond(send, status, content)

    async def _answer(self, scope: Scope, body: bytes) -> bytes:
        scorer = self._service.demand_scorer()
        demand_json(scope)
        records = invocations.records_of(body)
        try:
            answer = await self._service.batches.ask(scorer, records)
        except ServingError:
            raise
        except LockstepError as error:
            raise ComputingError(str(error)) from error
        if answer.rejected and b"on_invalid=quarantine" not in scope["query_string"]:
            raise RefusedRowsError(answer.rejected, answer.total)
        return invocations.predictions(answer)


async def read_body(receive: Receive) -> bytes:
    """The body of a request.

    Raises:
        TooLargeError: It is beyond the limit.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            raise TooLargeError(f"A body has at most {MOST_BYTES:,} bytes.")
    return b"".join(parts)


def demand_json(scope: Scope) -> None:
    """Check that a body is said to be JSON in UTF-8.

    Raises:
        UnsupportedError: It is not.
    """
    for name, value in scope["headers"]:
        if name == b"content-type":
            if value == b"application/json":
                return
            break
    else:
        raise UnsupportedError("Say the content type: application/json.")
    raise UnsupportedError("This content type is not read here; send application/json.")


class Parsing:
    """`/noop`: reads and parses a request, and does nothing with it; what HTTP costs by itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with an empty object."""
        try:
            parse_json(await read_body(receive))
            await respond(send, 200, b"{}")
        except ServingError as error:
            await respond(send, int(error.status), invocations.failure(error))


async def respond(send: Send, status: int, content: bytes) -> None:
    """Send a JSON response."""
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*_JSON, length]})
    await send({"type": "http.response.body", "body": content})


def application(service: Service, lifespan: Any = None) -> Starlette:
    """The application of a service.

    Args:
        service: What answers.
        lifespan: What runs while the application does, as Starlette takes it.
    """
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    async def ping(_: Any) -> Response:
        return Response(b"\n", 200 if service.is_ready else 503)

    async def ready(_: Any) -> Response:
        scorer, refusal = service.versions.scorer, service.versions.refusal
        told = {
            "ready": service.is_ready,
            "version": scorer.loaded.version if scorer is not None else None,
            "refused": {"version": refusal.version, "reason": refusal.reason} if refusal else None,
        }
        return JSONResponse(told, 200 if service.is_ready else 503)

    return Starlette(
        routes=[
            Route("/invocations", Invocations(service), methods=["POST"]),
            Route("/noop", Parsing(), methods=["POST"]),
            Route("/ping", ping),
            Route("/health", ping),
            Route("/ready", ready),
        ],
        lifespan=lifespan,
    )
