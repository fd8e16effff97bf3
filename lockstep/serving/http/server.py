"""The server: uvicorn around the application, in one process or in several that share a port."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from lockstep.serving.http.access import TOKEN, Guarded, Local, demand_free, demand_safe
from lockstep.serving.logs import log_to_stderr
from lockstep.serving.metrics import counted_together, forget_all, forget_the_dead
from lockstep.serving.protocols.asgi import Application, Receive, Response, Scope, Send, respond
from lockstep.serving.requestlog.redaction import log_key
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.asked import ID_HEADER
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.libraries import import_libraries
from lockstep.serving.versions.request_limits import RequestLimits

if TYPE_CHECKING:
    from lockstep.serving.protocols.service import Service
    from lockstep.serving.requestlog.log import Log

KEEP_SECONDS = 75
"""Seconds that an idle connection is kept: more than a load balancer keeps it, which would
otherwise send a request just as it is closed."""
STOP_SECONDS = 30
"""Seconds that running requests are waited for when the port is closed."""

_SETTINGS = "LOCKSTEP_SERVING"
"""The environment variable by which worker processes get the settings."""
_PARENT = "LOCKSTEP_SERVING_PARENT"
"""The environment variable by which worker processes know the process that starts them."""
_PARENT_SECONDS = 1.0
"""How often a worker looks whether the process that started it is still there."""
_MEASURE_SECONDS = 1.0
"""How often a worker beside others writes down its metrics."""
_GARBAGE = 50_000
"""New objects after which garbage is collected: many waiting requests are some ten thousand
objects, none of them garbage. A collection takes as long as a tenth of a request."""
_SCORING = ("/invocations", "/infer")
"""The ends of the routes that score records."""

_TRACE = re.compile(rb"[0-9a-f-]{55}")
"""A trace context as version 00 of W3C Trace Context writes it, and later ones begin."""
_LAST = (b"connection", b"close")
_BROKEN = (
    b'{"error_code":"INTERNAL_ERROR","message":"The server failed at this request; its log says '
    b'why, beside the identifier in X-Request-ID."}'
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a pipeline is served."""

    pipeline: str
    pointer: str  # the file that says which version is live
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    # names by which a server without a token is called, beside this machine's addresses
    hosts: tuple[str, ...] = ()
    # addresses or networks of the proxies that it is behind, whose headers are believed
    proxies: tuple[str, ...] = ()
    # whether what is not declared is refused, and refused rows get status 422; otherwise the server
    # is as lenient as MLflow's, with its status codes
    strict: bool = True
    listing: str = ""  # the file that lists which other versions may be used; empty for none
    canary: Canary | None = None
    look_seconds: float = 1.0  # how often to look whether another version is live
    # how long it goes on to answer once it is told to stop, while it says that it is not ready:
    # more than a load balancer takes to notice
    drain_seconds: float = 0.0
    limits: RequestLimits = field(default_factory=RequestLimits)
    cached_rows: int = 0  # rows whose outputs each process keeps
    log: RequestLog | None = None
    log_folder: str = ""  # such as `Home.requests("flights")`
    # the folder with a file for each replayed segment, such as `Home.replayed("flights")`; empty
    # for none
    replayed: str = ""
    # the folder of the pipeline's rows with the ledgers of its tables, such as `Home.data /
    # "flights"`; empty for none
    tables: str = ""
    on_disk: tuple[str, ...] = ()  # names of the tables whose rows are not kept in memory


def demand_servable(settings: Settings) -> None:
    """Check that a server can run with settings.

    Raises:
        LockstepError: The address is taken; it is public or behind a proxy, and there is no token;
            or the log is to hash columns, and there is no key.
    """
    demand_safe(settings.host, os.environ.get(TOKEN), settings.proxies)
    demand_free(settings.host, settings.port)
    if settings.log is not None and settings.log.hash:
        log_key()


def serve(settings: Settings) -> None:
    """Serve until the process is told to stop; then drain, answer waiting requests, and end.

    Raises LockstepError as `demand_servable` does.
    """
    import uvicorn

    demand_servable(settings)
    os.environ[_SETTINGS] = msgspec.json.encode(settings).decode()
    os.environ[_PARENT] = str(os.getpid())
    with counted_together() if settings.workers > 1 else nullcontext():
        uvicorn.run(
            "lockstep.serving.http.server:application_of_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop="uvloop",
            http="lockstep.serving.http.connections:BoundedConnection",
            ws="none",
            access_log=False,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
            server_header=False,
            timeout_keep_alive=KEEP_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
            timeout_worker_healthcheck=60,  # loading a version takes seconds, when busy many
            log_config=None,
        )


def application_of_environment() -> Application:
    """The application of this worker process, by the settings in its environment."""
    import_libraries()
    log_to_stderr()
    forget_the_dead()
    settings = msgspec.json.decode(os.environ[_SETTINGS], type=Settings)
    application = served(settings, os.environ.get(TOKEN))
    gc.freeze()  # libraries stay: going through them for garbage would take a tenth of a second
    gc.set_threshold(_GARBAGE, *gc.get_threshold()[1:])
    return application


def served(settings: Settings, token: str | None = None) -> Application:
    """The application of a pipeline, which follows its live version while it runs."""
    from lockstep.columns.threads import set_blas_threads
    from lockstep.serving.http.app import application
    from lockstep.serving.protocols.service import Service
    from lockstep.serving.versions.served_tables import ServedTables

    set_blas_threads()
    log = _log_of(settings)
    service = Service(
        settings.pipeline,
        Path(settings.pointer),
        settings.limits,
        listing=Path(settings.listing) if settings.listing else None,
        canary=settings.canary,
        strict=settings.strict,
        cached_rows=settings.cached_rows,
        log=log,
        tables=ServedTables(Path(settings.tables), settings.on_disk) if settings.tables else None,
    )

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        with log or nullcontext():
            await service.versions.look()
            tasks = [asyncio.create_task(service.follow(settings.look_seconds))]
            if settings.workers > 1:
                tasks.append(asyncio.create_task(_end_without(int(os.environ[_PARENT]))))
                tasks.append(asyncio.create_task(_measure(service)))
            try:
                with draining(service.drain, settings.drain_seconds):
                    yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await service.shadow.close()

    routes = application(service, lifespan)
    inner: Application = Guarded(routes, token) if token else Local(routes, settings.hosts)
    return Observed(inner, service, routes.route_of)


def _log_of(settings: Settings) -> Log | None:
    from lockstep.serving.requestlog.log import Log

    if settings.log is None:
        return None
    replayed = Path(settings.replayed) if settings.replayed else None
    return Log(Path(settings.log_folder), settings.log, replayed)


class Observed:
    """An application whose requests all have an identifier and are counted, by their route.

    A path without a route is counted as `other`. While the server drains, each response tells its
    client that the connection ends: no further request is sent into one that is being closed.
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
            _logger.exception("a request failed", extra={"facts": facts})
            if status:
                raise  # half of the response is out: the connection has to end
            await respond(sending, Response(500, _BROKEN))
        finally:
            route = self._route_of(scope["path"]) or "other"
            seconds = perf_counter() - begun
            self._service.metrics.answered(route, status or 500, seconds)
            if route.endswith(_SCORING):
                self._service.traffic.answered(status or 500, seconds)


def _trace(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The header with a request's trace context, if it has one."""
    return [
        (name, value)
        for name, value in scope["headers"]
        if name == b"traceparent" and _TRACE.fullmatch(value)
    ]


@contextmanager
def draining(begin: Callable[[], None], seconds: float) -> Iterator[None]:
    """Stop in two steps when the process is told to.

    On the first signal the server says that it is not ready, by `begin`, and goes on to answer for
    as long as a load balancer takes to notice. Then the signal goes to its earlier handler, which
    closes the port. Ctrl-C, or a second signal, closes it at once.

    Enter it in the event loop of the main thread, after the server has set its own handlers.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stops: dict[int, Callable[[int, FrameType | None], Any]] = {
        number: stop for number, stop in before.items() if callable(stop)
    }
    is_told = False

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal is_told
        waits = seconds > 0 and number == signal.SIGTERM and not is_told
        is_told = True
        begin()
        if waits:
            loop.call_soon_threadsafe(loop.call_later, seconds, stops[number], number, None)
        else:
            stops[number](number, frame)

    for number in stops:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, stop in stops.items():
            signal.signal(number, stop)


async def _measure(service: Service) -> None:
    """Keep the metrics of this worker up to date: any worker may be asked for all of them."""
    while True:
        service.measure()
        await asyncio.sleep(_MEASURE_SECONDS)


async def _end_without(parent: int) -> None:
    """End this worker when its parent is gone, also killed: the port would stay taken."""
    while os.getppid() == parent:
        await asyncio.sleep(_PARENT_SECONDS)
    forget_all()
    os.kill(os.getpid(), signal.SIGTERM)
