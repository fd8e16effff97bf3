"""A million requests through the server and its log, and from there through the batch path.

The application answers flights of January to March 2013, one a request, 32 at once, in this
process: all that a server does but its sockets. Then every segment is replayed. Not one request
may be missing, and every answer has to be what the batch path says.

    python -m benchmarks.requests [COUNT]     in a home where a version of flight_delay is live
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from assets.flight_delay import ASSETS, history
from lockstep.columns.decode import decode
from lockstep.parity.wire import wire_record
from lockstep.project.project import Project
from lockstep.scoring.request_replay import replay_segment
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.served_tables import ServedTables
from lockstep.store.parquet import Store

CLIENTS = 32
DIFFERENT = 20_000
"""How many different flights are asked about, again and again."""


def bodies() -> list[bytes]:
    """Requests, each about one flight."""
    schema = ASSETS.pipeline.record_schema
    columns = decode(history().slice(0, DIFFERENT), schema).columns
    rows = range(len(columns[ASSETS.pipeline.key]))
    return [
        json.dumps({"dataframe_records": [wire_record(columns, row, schema)]}).encode()
        for row in rows
    ]


async def answer(service: Service, waiting: Iterator[tuple[int, bytes]]) -> None:
    """Send requests, as many at once as there are clients, and demand that each is answered."""
    asked = application(service)
    head = {"type": "http", "method": "POST", "path": "/invocations", "query_string": b""}

    async def client() -> None:
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive(body: bytes) -> Any:
            return {"type": "http.request", "body": body}

        for number, body in waiting:
            headers = [
                (b"content-type", b"application/json"),
                (b"x-request-id", str(number).encode()),
            ]
            await asked({**head, "headers": headers}, partial(receive, body), send)
        assert set(statuses) <= {200}, set(statuses)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


async def serve(pointer: Path, tables: ServedTables, log: Log | None, count: int) -> float:
    """Seconds of the processor that the requests took."""
    service = Service(ASSETS.name, pointer, log=log, tables=tables)
    await service.versions.look()
    assert service.versions.scorer is not None, service.versions.refusal
    waiting = enumerate(islice(cycle(bodies()), count))
    begun = process_time()
    await answer(service, waiting)
    return process_time() - begun


def main(count: int) -> None:
    """Answer, log, replay, and say what it took."""
    home = Project.find(Path(__file__)).home
    pointer, registry = home.live(ASSETS.name), home.registry()
    rows = home.data / ASSETS.name
    tables = ServedTables(rows)
    with tempfile.TemporaryDirectory() as folder:
        segments = Path(folder) / "segments"
        (Path(folder) / "ledgers").symlink_to(rows / "ledgers")
        some = min(count, 50_000)
        unlogged = asyncio.run(serve(pointer, tables, None, some)) / some
        with Log(segments, RequestLog()) as log:
            logged = asyncio.run(serve(pointer, tables, log, count)) / count
        size = sum(path.stat().st_size for path in segments.glob("*.segment"))
        names = segment_names(segments)
        print(f"{count:,} requests, {logged * 1e6:.1f} us each, {unlogged * 1e6:.1f} unlogged")
        print(f"{len(names)} segments, {size / count:.0f} bytes a request")
        begun, ids = perf_counter(), set[str]()
        for name in names:
            ids |= set(read_segment(segment_path(segments, name)).requests.ids)
        print(f"{len(ids):,} different requests read in {perf_counter() - begun:.1f} s")
        begun = perf_counter()
        for name in names:
            path = segment_path(segments, name)
            load = partial(registry.load, ASSETS.name)
            found = replay_segment(ASSETS, Store(Path(folder)), path, name, load)
            print(f"{found.counts['requests']:,}: {found.results['request_replay'].summary}")
            assert found.results["request_replay"].passed
        print(f"replayed in {perf_counter() - begun:.1f} s")
        assert ids == {str(number) for number in range(count)}, "a request is missing"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
