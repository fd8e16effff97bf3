"""The page for people at `/`: the version that serves, a form for a record, and the traffic.

The page itself is one document without a model's data, so that it needs no token. It asks for its
data with the token: `/page/version` for the version, `/page/now` for the state of the server.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import inspect
import os
from collections.abc import Collection
from functools import cache, partial
from importlib.resources import files
from typing import Any

import msgspec

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.schema import Field
from lockstep.columns.syntax import parse
from lockstep.serving.protocols.asgi import Headers, Response, Scope
from lockstep.serving.protocols.examples import golden_examples, usual_value
from lockstep.serving.protocols.exchange import aside
from lockstep.serving.protocols.openapi import rules_of
from lockstep.serving.protocols.service import Service, readiness
from lockstep.serving.protocols.traces import described
from lockstep.serving.traffic import SECONDS, Interval
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Key, Scorer

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
"""The parts of the page's script, a single module, in the order in which they run."""
_EXAMPLES = 12


@cache
def page() -> Response:
    """`/`: the page, self-contained.

    Its policy lets a browser run only the page's own script and style, speak only to this server,
    and take no text for HTML.
    """
    document, style = web_file("page.html"), web_file("style.css")
    script = "\n".join(web_file(f"{name}.js") for name in _SCRIPTS)
    for mark, text in (("/* style */", style), ("/* script */", script)):
        document = document.replace(mark, text)
    policy = _POLICY.format(script=policy_hash(script), style=policy_hash(style))
    headers = (*_HEADERS, (b"content-security-policy", policy.encode()))
    return Response(200, document.encode(), headers)


def web_file(name: str) -> str:
    """The text of a file that pages are made of."""
    return (files("lockstep.serving.page") / "web" / name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """By which a page's policy admits a script or a style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


class PageVersion:
    """`/page/version`: the version that serves, as the page shows it."""

    def __init__(self) -> None:
        self._described: tuple[Key, dict[str, Any]] | None = None

    async def answer(self, service: Service, scope: Scope, body: bytes) -> Response:
        """The description of the version, which is made once."""
        scorer = service.demand_scorer()
        if self._described is None or self._described[0] != scorer.key:
            describe = partial(described_version, scorer, service.hidden)
            self._described = scorer.key, await aside(describe)
        return Response(200, msgspec.json.encode(self._described[1]))


def described_version(scorer: Scorer, hidden: Collection[str]) -> dict[str, Any]:
    """A version that serves, described as the page shows it, without values of hidden columns."""
    loaded, pipeline = scorer.loaded, scorer.pipeline
    schema = pipeline.record_schema
    given = [field for field in schema if not field.is_row_number]
    ulps = [loaded.ulps.get(name, 0) for name in loaded.golden.trace.columns]
    return {
        "pipeline": loaded.name,
        "title": _title(loaded),
        "version": loaded.version,
        "digest": loaded.digest,
        "rows": loaded.rows,
        "trained_until": loaded.trained_until,
        "metrics": loaded.metrics,
        "golden": {
            "records": len(loaded.golden),
            "columns": len(ulps),
            "exact": ulps.count(0),
            "ulps": max(ulps, default=0),
        },
        "code": loaded.snapshot.digest,
        "module": loaded.snapshot.module,
        "models": [
            {
                "name": name,
                "is_compiled": name in scorer.compiled.models,
                "reason": scorer.compiled.reasons.get(name),
                "ulps": pipeline.graph.ulps(name),
            }
            for name in pipeline.graph.models
        ],
        "record": schema.name,
        "record_doc": inspect.getdoc(pipeline.record) or "",
        "fields": [_field(field, rules_of(scorer, field.name)) for field in given],
        "examples": _examples(scorer, hidden),
        "columns": described(scorer),
    }


def _title(loaded: LoadedVersion) -> str:
    snapshot = loaded.snapshot
    doc = ast.get_docstring(parse(snapshot.modules[snapshot.module])) or ""
    return doc.partition("\n\n")[0].replace("\n", " ")


def _field(field: Field, rules: list[str]) -> dict[str, Any]:
    return {
        "name": field.alias or field.name,
        "column": field.name,
        "declared": field.declared,
        "shown": field.declared_name,
        "optional": field.optional,
        "choices": field.choices,
        "role": field.role,
        "doc": field.doc,
        "rules": rules,
    }


def _examples(scorer: Scorer, hidden: Collection[str]) -> list[Record]:
    records = golden_examples(scorer, hidden, _EXAMPLES)
    if records:
        return records
    schema = scorer.pipeline.record_schema
    return [{field.name: usual_value(scorer, field) for field in schema}]


def now(service: Service) -> Response:
    """`/page/now`: the state of the server, and the traffic of the last minutes."""
    scorer, intervals = service.versions.scorer, service.traffic.last()
    state = {
        **readiness(service),
        "pipeline": service.pipeline,
        "digest": scorer.loaded.digest if scorer is not None else None,
        "since": service.versions.since,
        "process": os.getpid(),
        "interval_seconds": SECONDS,
        "intervals": [_interval(interval) for interval in intervals],
        "total": _interval(Interval.joined(intervals)),
    }
    return Response(200, msgspec.json.encode(state))


def _interval(interval: Interval) -> dict[str, int | float | None]:
    answered, refused, failed = interval.counts
    return {
        "answered": answered,
        "refused": refused,
        "failed": failed,
        "p50": interval.quantile(0.5),
        "p99": interval.quantile(0.99),
    }
