"""Flights sent to a server one by one, and its answers beside what the batch path published."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lockstep.artifacts.pointers import open_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.pipeline import Trace
from lockstep.columns.tables import from_arrow
from lockstep.errors import LockstepError
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.wire import wire_record, wire_text
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.sources import decode_source
from lockstep.serving.requestlog.log_segments import segment_names
from lockstep.store.parquet import Store
from orchestration.skews import PIPELINE, PROJECT

_HOST = "127.0.0.1"
_SECONDS = 60
"""How long a server may take to start, and to stop."""


@dataclass(frozen=True)
class Answers:
    """What a server answered about the flights of a day.

    Attributes:
        day: The day.
        flights: How many flights were sent, one a request.
        milliseconds: What a request took in the middle, seen from the client.
        comparison: The outputs beside those that were published of the day.
        segments: The segments of the request log that hold the requests.
    """

    day: str
    flights: int
    milliseconds: float
    comparison: Comparison
    segments: Sequence[str]


def ask_server(home: Home, day: str) -> Answers:
    """Start a server of the live version, send it all flights of a day, and stop it.

    Args:
        home: Where the version is live and the day is published.
        day: The day.

    Raises:
        LockstepError: The server does not start, or does not answer a flight.
    """
    loaded = open_live(home.live(PIPELINE))
    schema, key = loaded.pipeline.record_schema, loaded.pipeline.key
    source = pipelines(PROJECT).get(PIPELINE).daily
    if source is None:
        raise LockstepError(f"{PIPELINE} has no daily source; the demonstration needs one.")
    columns = decode_source(source, schema, date.fromisoformat(day)).columns
    records = [wire_record(columns, row, schema) for row in range(len(columns[key]))]
    before = set(segment_names(home.requests(PIPELINE)))
    with _server(home.path / "demo" / "serve.log") as port:
        connection = HTTPConnection(_HOST, port, timeout=_SECONDS)
        asked = [_ask(connection, record) for record in records]
        connection.close()
    return Answers(
        day=day,
        flights=len(asked),
        milliseconds=median(seconds for _, seconds in asked) * 1000,
        comparison=_compared(home, day, loaded, [prediction for prediction, _ in asked]),
        segments=[one for one in segment_names(home.requests(PIPELINE)) if one not in before],
    )


@contextmanager
def _server(log: Path) -> Iterator[int]:
    """A server of the pipeline, in a process of its own, at a free port."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port = int(probe.getsockname()[1])
    log.parent.mkdir(parents=True, exist_ok=True)
    run = "from lockstep.cli.main import run; run()"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", run, "serve", PIPELINE, "--port", str(port)],
            cwd=PROJECT.root,
            env={name: value for name, value in os.environ.items() if name != "LOCKSTEP_TOKEN"},
            stdout=file,
            stderr=file,
        )
    try:
        _await_ready(process, port, log)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while not _is_ready(port):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").strip()[-600:]
            raise LockstepError(f"The server of {PIPELINE} does not answer: {said}")
        time.sleep(0.1)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(_HOST, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _ask(connection: HTTPConnection, record: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """The prediction of a record, and the seconds that it took."""
    body = f'{{"dataframe_records": [{wire_text(record)}]}}'.encode()
    begun = time.perf_counter()
    connection.request("POST", "/invocations", body, {"content-type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - begun
    if response.status != 200:
        raise LockstepError(f"The server answers {response.status}: {content.decode()[:600]}")
    (prediction,) = json.loads(content)["predictions"]
    return prediction, seconds


def _compared(
    home: Home, day: str, loaded: LoadedVersion, predictions: Sequence[dict[str, Any]]
) -> Comparison:
    """The outputs in answers beside those that were published, as exact as they are declared."""
    graph, key = loaded.pipeline.graph, loaded.pipeline.key
    kinds = {name: graph.kind(name) for name in (key, *graph.outputs)}
    answered = {
        name: np.array([one[name] for one in predictions], dtype=kind.dtype)
        for name, kind in kinds.items()
    }
    stored = Store(home.data / PIPELINE).read("daily/published", day)
    published = from_arrow(stored, kinds)
    return compare(
        Trace(published[key], published, {}),
        Trace(answered[key], answered, {}),
        graph,
        scales=loaded.golden.scales,
        columns=graph.outputs,
        version=loaded.version,
    )
