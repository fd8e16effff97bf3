"""The page for people at `/`: the version that serves, a form for a record, and the traffic.

The page itself is one document that holds nothing of a model, so that it needs no token. What it
shows it asks for, with the token: at `/page/version` what serves, at `/page/now` what goes on.
"""

from __future__ import annotations

import base64
import hashlib
import os
from functools import cache, partial
from importlib.resources import files

import msgspec

from lockstep.serving.page.described import Described, described_version
from lockstep.serving.protocols.asgi import Headers, Receive, Response, Scope, Send, respond
from lockstep.serving.protocols.exchange import aside, exchange
from lockstep.serving.protocols.invocations import failure
from lockstep.serving.protocols.service import Service, ServiceEndpoint, readiness
from lockstep.serving.traffic import SECONDS, Interval
from lockstep.serving.versions.request_scorer import Key

_HEADERS: Headers = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_SCRIPTS = (
    "elements",
    "values",
    "asking",
    "traffic",
    "versions",
    "columns",
    "graph",
    "details",
    "table",
    "form",
    "page",
)
"""The parts of the page's script, which is one module, in the order in which they run."""


class Page:
    """`/`, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page."""
        await respond(send, page())


@cache
def page() -> Response:
    """The page, whole in itself.

    Its policy lets a browser run the page's own script and style alone, speak to this server
    alone, and take no text for HTML.
    """
    document, style = _read("page.html"), _read("page.css")
    script = "\n".join(_read(f"{name}.js") for name in _SCRIPTS)
    for mark, text in (("/* style */", style), ("/* script */", script)):
        document = document.replace(mark, text)
    policy = _POLICY.format(script=_hash(script), style=_hash(style))
    headers = (*_HEADERS, (b"content-security-policy", policy.encode()))
    return Response(200, document.encode(), headers)


def _read(name: str) -> str:
    return (files("lockstep.serving.page") / "web" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


class PageVersion(ServiceEndpoint):
    """`/page/version`: the version that serves, as the page shows it."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._described: tuple[Key, Described] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with it; 503 where none serves."""
        failed = partial(failure, strict=self._service.strict)
        await exchange(self._service, scope, receive, send, self._answer, failed)

    async def _answer(self, scope: Scope, body: bytes) -> Response:
        scorer = self._service.demand_scorer()
        if self._described is None or self._described[0] != scorer.key:
            describe = partial(described_version, scorer, self._service.hidden)
            self._described = scorer.key, await aside(describe)
        return Response(200, msgspec.json.encode(self._described[1]))


class PageNow(ServiceEndpoint):
    """`/page/now`: what serves, what does not, and the traffic of the last minutes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with it."""
        service = self._service
        scorer, intervals = service.versions.scorer, service.traffic.last()
        told = {
            **readiness(service),
            "pipeline": service.pipeline,
            "digest": scorer.loaded.digest if scorer is not None else None,
            "since": service.versions.since,
            "process": os.getpid(),
            "interval_seconds": SECONDS,
            "intervals": [_interval(one) for one in intervals],
            "total": _interval(Interval.joined(intervals)),
        }
        await respond(send, Response(200, msgspec.json.encode(told)))


def _interval(one: Interval) -> dict[str, int | float | None]:
    answered, refused, failed = one.counts
    return {
        "answered": answered,
        "refused": refused,
        "failed": failed,
        "p50": one.quantile(0.5),
        "p99": one.quantile(0.99),
    }
