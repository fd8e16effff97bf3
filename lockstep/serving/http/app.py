"""The application: what answers at which path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lockstep.serving.metrics import CONTENT_TYPE
from lockstep.serving.page.page import Page, PageNow, PageVersion
from lockstep.serving.protocols import inference
from lockstep.serving.protocols.asgi import Application, Receive, Response, Scope, Send, respond
from lockstep.serving.protocols.docs import Docs, OpenApi
from lockstep.serving.protocols.invocations import MLFLOW_VERSION, Invocations
from lockstep.serving.protocols.service import Service, ServiceEndpoint, readiness

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request


class Probe(ServiceEndpoint):
    """A path that is asked whether requests are answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with an empty line: 200 if they are, and 503 if not."""
        await respond(send, Response(200 if self._service.is_ready else 503, b"\n"))


class Ready(ServiceEndpoint):
    """`/ready`: which version serves, and why another one does not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 if requests are answered, and 503 if not."""
        service = self._service
        told = readiness(service)
        status = 200 if service.is_ready else 503
        await respond(send, Response(status, msgspec.json.encode(told)))


class Measured(ServiceEndpoint):
    """`/metrics`: what is counted, as Prometheus reads it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with all metrics."""
        service = self._service
        service.measure()
        text = service.metrics.text()
        await respond(send, Response(200, text, ((b"content-type", CONTENT_TYPE),)))


class Version:
    """`/version`: the version of MLflow whose protocol this is, as its clients ask for it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with its number."""
        await respond(send, Response(200, MLFLOW_VERSION.encode()))


async def no_endpoint(request: Request, error: HTTPException) -> Any:
    """The response where there is no such path, or where it takes another method."""
    from starlette.responses import Response as StarletteResponse

    said = f"{error.detail}: see /docs for the paths that there are and their methods."
    if request.url.path.startswith("/v2"):
        content = msgspec.json.encode({"error": said})
    else:
        content = msgspec.json.encode({"error_code": "ENDPOINT_NOT_FOUND", "message": said})
    return StarletteResponse(content, error.status_code, error.headers, "application/json")


class Direct:
    """An application whose most asked path is not looked for among the others.

    Args:
        invocations: What answers a POST at `/invocations`.
        others: What answers everything else, and this path among it.
    """

    def __init__(self, invocations: Application, others: Starlette) -> None:
        from starlette.routing import Route

        self._invocations = invocations
        self._others = others
        routes = [route for route in others.routes if isinstance(route, Route)]
        self._plain = {route.path for route in routes if not route.param_convertors}
        self._patterns = {
            route.path: route.path_regex for route in routes if route.param_convertors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        is_direct = is_post and scope["path"] == "/invocations"
        await (self._invocations if is_direct else self._others)(scope, receive, send)

    def route_of(self, path: str) -> str | None:
        """The route of a path, such as `/v2/models/{name}`; None where there is none."""
        if path in self._plain:
            return path
        return next((one for one, pattern in self._patterns.items() if pattern.match(path)), None)


def application(service: Service, lifespan: Any = None) -> Direct:
    """The application of a service.

    Args:
        service: What answers.
        lifespan: What runs while the application does, as Starlette takes it.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    handlers: Any = {HTTPException: no_endpoint}
    invocations = Invocations(service)
    others = Starlette(
        routes=[
            Route("/", Page(), methods=["GET"]),
            Route("/page/version", PageVersion(service), methods=["GET"]),
            Route("/page/now", PageNow(service), methods=["GET"]),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/ping", Probe(service), methods=["GET"]),
            Route("/health", Probe(service), methods=["GET"]),
            Route("/ready", Ready(service), methods=["GET"]),
            Route("/version", Version(), methods=["GET"]),
            Route("/metrics", Measured(service), methods=["GET"]),
            Route("/docs", Docs(service), methods=["GET"]),
            Route("/openapi.json", OpenApi(service), methods=["GET"]),
            *inference.routes(service),
        ],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    return Direct(invocations, others)
