"""Documentation of a version for people and programs: `/docs` and `/openapi.json`.

The page is self-contained: it loads nothing, and has no script.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec

from lockstep.serving.page.page import policy_hash, web_file
from lockstep.serving.protocols.asgi import Response, Scope
from lockstep.serving.protocols.openapi import document
from lockstep.serving.protocols.service import Service

_HOST = re.compile(rb"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?")
"""Names and addresses, with or without a port, that are safe in a shell."""


async def openapi(service: Service, scope: Scope, body: bytes) -> Response:
    """`/openapi.json`: the OpenAPI document of the version that serves."""
    return Response(200, msgspec.json.encode(_document(service)))


async def docs(service: Service, scope: Scope, body: bytes) -> Response:
    """`/docs`: the documentation of the version that serves."""
    style = web_file("style.css")
    policy = f"default-src 'none'; style-src '{policy_hash(style)}'; img-src data:"
    headers = (
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.encode()),
    )
    text = page(_document(service), service.pipeline, _address(scope), style)
    return Response(200, text.encode(), headers)


def _document(service: Service) -> dict[str, Any]:
    return document(service.demand_scorer(), service.hidden)


def page(described: dict[str, Any], pipeline: str, address: str, style: str) -> str:
    """The page of an OpenAPI document, with the server's address as its clients see it."""
    info, schemas = described["info"], described["components"]["schemas"]
    name = next(iter(schemas))
    record, prediction = schemas[name], schemas["Prediction"]
    fields = [
        (field, _type(held), "" if field in record["required"] else "may be left out", _doc(held))
        for field, held in record["properties"].items()
    ]
    outputs = [(out, _type(held), _doc(held)) for out, held in prediction["properties"].items()]
    paths = [
        (verb.upper(), path, operation["summary"])
        for path, item in described["paths"].items()
        for verb, operation in item.items()
        if verb in ("get", "post")
    ]
    return "".join(
        [
            _head(pipeline, info["version"], style),
            f'<main class="docs"><p class="lead">{escape(info["description"])}</p>',
            _example(record, address),
            _section(f"What a record ({name}) holds", ("field", "type", "", "what it is"), fields),
            _section("What a prediction holds", ("column", "type", "what it is"), outputs),
            _section("Paths", ("method", "path", "what it does"), paths),
            '<p>The same for programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>',
            "</main></body></html>",
        ]
    )


def _head(pipeline: str, version: str, style: str) -> str:
    """The head of the page at `/`, with this page's title, links and style."""
    document = web_file("page.html")
    icon = next(line for line in document.splitlines() if line.startswith('<link rel="icon"'))
    brand = document[document.index('<span class="brand">') : document.index("<h1")]
    title, shown = f"{pipeline}, version {version}", escape(f"version {version}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{icon}<style>{style}</style></head><body><header>"
        f'<div class="bar">{brand}<h1>{escape(pipeline)}</h1><span class="dim">{shown}</span>'
        '<nav aria-label="Other pages"><a href="./">Try it</a> '
        '<a href="openapi.json">OpenAPI</a> <a href="metrics">Metrics</a></nav></div></header>'
    )


def _address(scope: Scope) -> str:
    """Where a client reached the server, by its header `Host`, or else where it listens."""
    given = next((value for name, value in scope["headers"] if name == b"host"), b"")
    host, port = scope["server"]
    named = given.decode() if _HOST.fullmatch(given) else f"{host}:{port}"
    return f"{scope['scheme']}://{named}"


def _example(record: dict[str, Any], address: str) -> str:
    if "example" not in record:
        return ""
    body = json.dumps({"dataframe_records": [record["example"]]}, ensure_ascii=False, indent=1)
    text = (
        f"curl {address}/invocations -H 'content-type: application/json' -d @- <<'END'\n{body}\nEND"
    )
    return f'<section class="card"><h2>A request</h2><pre>{escape(text)}</pre></section>'


def _section(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    return (
        f'<section class="card"><h2>{escape(title)}</h2><table><thead>{line(head, "th")}</thead>'
        f"<tbody>{''.join(line(row, 'td') for row in rows)}</tbody></table></section>"
    )


def _type(held: dict[str, Any]) -> str:
    if "anyOf" in held:
        return _type({**held["anyOf"][0], "enum": held["anyOf"][0].get("enum", ())}) + " or null"
    types = held["type"]
    text = " or ".join(types) if isinstance(types, list) else types
    if held.get("format") == "date-time":
        text = text.replace("string", "time (ISO 8601 with a zone)")
    choices = [choice for choice in held.get("enum", ()) if choice is not None]
    return f"{text}: {', '.join(choices)}" if choices else text


def _doc(held: dict[str, Any]) -> str:
    return str(held.get("description", ""))
