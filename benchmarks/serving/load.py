"""Load: `wrk`, which sends different requests as fast as a server answers them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks._rounds import BenchmarkError

SCRIPT = Path(__file__).with_name("wrk.lua")
TOOLS = {
    "wrk": "it sends the requests (Debian: apt install wrk)",
    "taskset": "it keeps server and load to a core each (Debian: apt install util-linux)",
}
_PATIENCE = 120
"""Seconds that an answer may take; with 128 clients a slow server needs many."""


@dataclass(frozen=True)
class Load:
    """What a server did under load.

    Attributes:
        rps: Requests that were answered in a second.
        p50_ms: Median of the time from a request to its answer, in milliseconds.
        p99_ms: The time that one of a hundred took longer than, in milliseconds.
        requests: How many were answered.
        refused: How many of them with another status than 200.
        broken: Connections that broke, and answers that did not come.
    """

    rps: float
    p50_ms: float
    p99_ms: float
    requests: int
    refused: int
    broken: int


def demand_tools() -> None:
    """Check that the machine has what the benchmark runs.

    Raises:
        BenchmarkError: It lacks something.
    """
    lacking = [
        f"{tool} is not installed: {why}."
        for tool, why in TOOLS.items()
        if shutil.which(tool) is None
    ]
    if lacking:
        raise BenchmarkError(" ".join(lacking))


def load(url: str, bodies: Path, clients: int, seconds: int, core: int, first: int = 0) -> Load:
    """Send requests for a while, each client one after the other.

    Args:
        url: Where to.
        bodies: A file with a body a line.
        clients: How many connections send at once.
        seconds: For how long; wrk counts whole ones.
        core: The core that sends.
        first: The line to begin with.

    Raises:
        BenchmarkError: wrk failed, or nothing was answered.
    """
    command = [
        *("taskset", "-c", str(core)),
        *("wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s"),
        *("--timeout", f"{_PATIENCE}s", "--script", str(SCRIPT), url, "--"),
        *(str(bodies), str(first)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^measured (.*)$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        raise BenchmarkError(f"wrk failed at {url}:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    told = json.loads(found[1])
    if not told["requests"]:
        raise BenchmarkError(
            f"{url} answered nothing to {clients} clients in {seconds} s; give it longer rounds "
            "with --seconds."
        )
    return Load(told["requests"] / told.pop("seconds"), **told)
