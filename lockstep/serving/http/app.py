"""The application: what answers at which path."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from lockstep.serving.metrics import CONTENT_TYPE
from lockstep.serving.page.api_docs import docs, openapi
from lockstep.serving.page.page import PageVersion, now, page
from lockstep.serving.protocols import inference
from lockstep.serving.protocols.asgi import Application, Receive, Response, Scope, Send, respond
from lockstep.serving.protocols.exchange import Endpoint
from lockstep.serving.protocols.invocations import MLFLOW_VERSION, failure, invocations
from lockstep.serving.protocols.service import Service, readiness
from lockstep.serving.protocols.table_posts import post

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request


class Telling:
    """A path that shows a service's state, whatever else a request says, as an ASGI application."""

    def __init__(self, service: Service, tell: Callable[[Service], Response]) -> None:
        self._service, self._tell = service, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await respond(send, self._tell(self._service))


def probe(service: Service) -> Response:
    """`/ping`: an empty line; 200 if requests are answered, 503 if not."""
    return Response(200 if service.is_ready else 503, b"\n")


def ready(service: Service) -> Response:
    """`/ready`: which version serves, and why others do not; 200 or 503 as for `/ping`."""
    return Response(200 if service.is_ready else 503, msgspec.json.encode(readiness(service)))


def measured(service: Service) -> Response:
    """`/metrics`: the metrics, in Prometheus' format."""
    service.measure()
    return Response(200, service.metrics.text(), ((b"content-type", CONTENT_TYPE),))


def version(service: Service) -> Response:
    """`/version`: the version of MLflow whose protocol this is; MLflow's clients ask for it."""
    return Response(200, MLFLOW_VERSION.encode())


async def no_endpoint(request: Request, error: HTTPException) -> Any:
    """The response to an unknown path, or to a method that the path does not take."""
    from starlette.responses import Response as StarletteResponse

    message = f"{error.detail}: see /docs for the paths that there are and their methods."
    if request.url.path.startswith("/v2"):
        content = msgspec.json.encode({"error": message})
    else:
        content = msgspec.json.encode({"error_code": "ENDPOINT_NOT_FOUND", "message": message})
    return StarletteResponse(content, error.status_code, error.headers, "application/json")


class Direct:
    """An application that answers POST at `/invocations`, its busiest path, without routing."""

    def __init__(self, invocations: Application, others: Starlette) -> None:
        from starlette.routing import Route

        self._invocations, self._others = invocations, others
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
        return next(
            (route for route, pattern in self._patterns.items() if pattern.match(path)), None
        )


def application(service: Service, lifespan: Any = None) -> Direct:
    """The application of a service, with a lifespan as Starlette takes it."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.routing import Route

    handlers: Any = {HTTPException: no_endpoint}
    scoring, failed = invocations(service), partial(failure, strict=service.strict)
    asked = {
        "/": lambda _: page(),
        "/page/now": now,
        "/ping": probe,
        "/health": probe,
        "/ready": ready,
        "/version": version,
        "/metrics": measured,
    }
    read = {
        "/page/version": Endpoint(service, PageVersion().answer, failed),
        "/docs": Endpoint(service, docs, inference.failure),
        "/openapi.json": Endpoint(service, openapi, inference.failure),
    }
    others = Starlette(
        routes=[
            Route("/invocations", scoring, methods=["POST"]),
            *(Route(path, Telling(service, tell), methods=["GET"]) for path, tell in asked.items()),
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in read.items()),
            Route("/tables/{name}", Endpoint(service, post, failed), methods=["POST"]),
            *inference.routes(service),
        ],
        exception_handlers=handlers,
        lifespan=lifespan,
    )
    return Direct(scoring, others)
