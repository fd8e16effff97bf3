"""Ten minutes at 70 % of what the server can do: no error, no growth of memory.

One server process of `flight_delay` with validation and request log, in a home of its own. `wrk`
measures how many requests it answers with 32 clients; then requests come at a constant rate. The
server has one core, the load another one.

    python -m benchmarks.endurance [--minutes 10] [--share 0.7]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from benchmarks._report import Outcome
from benchmarks._rounds import BenchmarkError
from benchmarks._steady import Steady, Told
from benchmarks.serving.candidates import CANDIDATES, OURS
from benchmarks.serving.load import demand_tools, load
from benchmarks.serving.processes import Cores, Server, await_answer, free_port, start
from benchmarks.serving.setting import Setting, setting

RESULTS = Path(__file__).parent / "results" / "endurance.json"
MINUTES = 10
SHARE = 0.7
CLIENTS = 32
_CAPACITY_SECONDS = 10
_CONNECTIONS = 64
_GROWTH_PERCENT = 2.0


@dataclass(frozen=True)
class Minute:
    """What a minute showed.

    Attributes:
        told: What became of its requests.
        rss_mb: Resident memory of the server's processes at its end, in megabytes.
    """

    told: Told
    rss_mb: float


async def steadily(
    server: Server, path: str, bodies: Sequence[bytes], rate: float, minutes: int
) -> list[Minute]:
    """Send requests at a constant rate, and look at the server once a minute."""
    steady = Steady(server.port, path, bodies, _CONNECTIONS)
    sending = asyncio.create_task(steady.send(rate, minutes * 60))
    found: list[Minute] = []
    for number in range(1, minutes + 1):
        if number < minutes:
            await asyncio.wait({sending}, timeout=60)
        else:
            await sending
        told, steady.told = steady.told, Told()
        found.append(Minute(told, server.rss_mb))
        print(f"  {row(number, found[-1])}", flush=True)
        if sending.done() and number < minutes:
            sending.result()
    return found


def figures(number: int, minute: Minute) -> dict[str, Any]:
    """A minute's figures."""
    told = minute.told
    quantiles = (
        np.quantile(told.seconds, [0.5, 0.99, 0.999, 1]) * 1e3 if told.seconds else [0.0] * 4
    )
    names = ("p50_ms", "p99_ms", "p999_ms", "max_ms")
    return {
        "minute": number,
        "answered": len(told.seconds),
        "refused": told.refused,
        "broken": told.broken,
        **{name: round(float(value), 3) for name, value in zip(names, quantiles, strict=True)},
        "rss_mb": round(minute.rss_mb, 1),
    }


def row(number: int, minute: Minute) -> str:
    """A minute in a line."""
    said = figures(number, minute)
    return (
        f"minute {number:>2}: {said['answered']:>8,} answered, {said['refused']} refused, "
        f"{said['broken']} broken; p50 {said['p50_ms']:.2f} ms, p99 {said['p99_ms']:.2f} ms, "
        f"most {said['max_ms']:.1f} ms; {said['rss_mb']:.0f} MB"
    )


def growth_of(minutes: Sequence[Minute]) -> tuple[float, float] | None:
    """How memory grew: megabytes a minute, and percent from the second minute to the last.

    The first minute is left out, in which buffers fill that stay. None if there are too few.
    """
    sizes = [minute.rss_mb for minute in minutes[1:]]
    if len(sizes) < 2:
        return None
    slope = float(np.polyfit(range(len(sizes)), sizes, 1)[0])
    return slope, (sizes[-1] / sizes[0] - 1) * 100


def logged(server: Server) -> int:
    """How many requests the server has logged."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = re.search(
        r'^lockstep_request_log_total\{outcome="logged".*\} (\S+)$', text, re.MULTILINE
    )
    return int(float(found[1])) if found else 0


def endure(given: Setting, minutes: int, share: float) -> dict[str, Any]:
    """Measure what a server can do, and ask it for a share of that.

    Args:
        given: What it serves.
        minutes: For how long.
        share: How much of what it can do.
    """
    cores = Cores.of_machine()
    (ours,) = (candidate for candidate in CANDIDATES if candidate.name == OURS)
    requests, port = given.bodies.read_bytes().splitlines(), free_port()
    server = start(ours.command(given, port), port, cores.server, given.home.path / "server.log")
    try:
        await_answer(server, ours.path, requests[0])
        url = f"http://127.0.0.1:{port}{ours.path}"
        capacity = load(url, given.bodies, CLIENTS, _CAPACITY_SECONDS, cores.load).rps
        rate = capacity * share
        print(
            f"{capacity:,.0f} requests/s at {CLIENTS} clients; {rate:,.0f} from now on", flush=True
        )
        server.settle()
        os.sched_setaffinity(0, {cores.load})
        before = logged(server)
        found = uvloop.run(steadily(server, ours.path, requests, rate, minutes))
        kept = logged(server) - before
    finally:
        server.stop()
    growth = growth_of(found)
    answered = sum(len(minute.told.seconds) for minute in found)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "minutes": minutes,
        "capacity_rps": round(capacity),
        "rate_rps": round(rate),
        "answered": answered,
        "errors": sum(minute.told.refused + minute.told.broken for minute in found),
        "not_logged": answered - kept,
        "rss_mb_a_minute": round(growth[0], 3) if growth else None,
        "rss_growth_percent": round(growth[1], 2) if growth else None,
        "by_minute": [figures(number, minute) for number, minute in enumerate(found, start=1)],
    }


def targets(told: dict[str, Any]) -> Iterator[str]:
    """What was to be reached, and what was."""
    yield str(Outcome("requests without an answer of status 200", told["errors"], 0))
    yield str(Outcome("answers that are not in the log", abs(told["not_logged"]), 0))
    grown = told["rss_growth_percent"]
    if grown is None:
        yield "growth of memory: not judged in less than three minutes"
        return
    yield f"memory: {told['rss_mb_a_minute']:+.2f} MB a minute"
    yield str(Outcome("growth of memory, percent", grown, _GROWTH_PERCENT))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a report, and write `endurance.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--minutes", type=int, default=MINUTES)
    parser.add_argument("--share", type=float, default=SHARE, help="of what the server can do")
    asked = parser.parse_args(arguments)
    demand_tools()
    with setting() as given:
        told = endure(given, asked.minutes, asked.share)
    print("Targets")
    for line in targets(told):
        print(f"  {line}")
    if (asked.minutes, asked.share) == (MINUTES, SHARE):
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")
        print(f"Written to {RESULTS}")


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"bench-endurance: {error}")
