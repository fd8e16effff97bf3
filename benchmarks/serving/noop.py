"""A server that does nothing with a request: what HTTP costs by itself.

    python -m benchmarks.serving.noop PORT

It has the connections, the access rules, the counts, and the reading of bodies and JSON of
`lockstep serve`; it has no version, and answers `{}`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import uvicorn

from lockstep.serving.http.access import Local
from lockstep.serving.http.connections import BoundedConnection
from lockstep.serving.http.server import KEEP_SECONDS, Observed
from lockstep.serving.protocols.asgi import Application, Response, Scope
from lockstep.serving.protocols.exchange import Endpoint
from lockstep.serving.protocols.invocations import failure
from lockstep.serving.protocols.json_bodies import demand_distinct_keys, parse_json
from lockstep.serving.protocols.service import Service


async def parse(service: Service, scope: Scope, body: bytes) -> Response:
    """An empty object, once the request is read and parsed, whatever its path."""
    demand_distinct_keys(body, parse_json(body))
    return Response(200, b"{}")


def application() -> Application:
    """The application, as `lockstep serve` wraps its own."""
    service = Service("noop", Path("nowhere"))
    parsing = Endpoint(service, parse, partial(failure, strict=True))
    return Observed(Local(parsing), service, lambda path: path)


if __name__ == "__main__":
    uvicorn.run(
        application(),
        port=int(sys.argv[1]),
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_SECONDS,
        log_level="warning",
    )
