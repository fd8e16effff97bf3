"""Documentation of a version for people and programs: `/docs` and `/openapi.json`.

The page is self-contained: it loads no script and no style.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec

from lockstep.serving.protocols.asgi import Response, Scope
from lockstep.serving.protocols.openapi import document
from lockstep.serving.protocols.service import Service

_HTML = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
)
_HOST = re.compile(rb"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?")
"""Names and addresses, with or without a port, that are safe in a shell."""
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid #ddd; white-space: pre-line }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto }
"""


async def openapi(service: Service, scope: Scope, body: bytes) -> Response:
    """`/openapi.json`: the OpenAPI document of the version that serves."""
    return Response(200, msgspec.json.encode(_document(service)))


async def docs(service: Service, scope: Scope, body: bytes) -> Response:
    """`/docs`: the documentation of the version that serves."""
    return Response(200, page(_document(service), _address(scope)).encode(), _HTML)


def _document(service: Service) -> dict[str, Any]:
    return document(service.demand_scorer(), service.hidden)


def page(described: dict[str, Any], address: str) -> str:
    """The page of an OpenAPI document.

    Args:
        described: The document.
        address: The server's address as its clients see it.
    """
    info, schemas = described["info"], described["components"]["schemas"]
    name = next(iter(schemas))
    record, prediction = schemas[name], schemas["Prediction"]
    title = f"{info['title']}, version {info['version']}"
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
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style>",
            f"<h1>{escape(title)}</h1><p>{escape(info['description'])}</p>",
            _example(record, address),
            f"<h2>What a record ({escape(name)}) holds</h2>",
            _table(("field", "type", "", "what it is"), fields),
            "<h2>What a prediction holds</h2>",
            _table(("column", "type", "what it is"), outputs),
            "<h2>Paths</h2>",
            _table(("method", "path", "what it does"), paths),
            '<p>The same for programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>',
            "</html>",
        ]
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
    return f"<h2>A request</h2><pre>{escape(text)}</pre>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


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
