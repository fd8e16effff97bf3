"""How long the page of ten pipelines with a year of days takes: the first time, and then again.

A day's record of the flights is copied for each day of a year and of ten pipelines, which differ in
their names alone, with a look at outcomes for each of the last ninety days. The page is asked of a
server in this process, over HTTP. The first time nothing is known of the records; then nothing
changed; then a day of each pipeline did.

    python -m benchmarks.overview HOME [--pipelines 10] [--days 365] [--rounds 20]

HOME is one in which the demonstration was carried out; nothing is written to it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import socket
import statistics
import tempfile
import threading
import time
from datetime import date, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks._rounds import HERE
from lockstep.pages.pipeline_state import Overview
from lockstep.pages.web.pages import application
from lockstep.project.project import Project
from lockstep.store.state_files import write_state

NAME, FIRST = "flight_delay", date(2013, 1, 1)
MOST_MILLISECONDS = 100
"""What a page may take that finds nothing changed."""


def main() -> int:
    """Build the home, ask for the page, and print the figures; 1 if it takes longer than it may."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    for name, value in (("pipelines", 10), ("days", 365), ("rounds", 20)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = build(Path(folder), given.home, given.pipelines, given.days)
        figures = measure(project, given.rounds)
    print(json.dumps(figures, indent=1))
    return 0 if figures["unchanged_ms"] <= MOST_MILLISECONDS else 1


def build(folder: Path, origin: Path, pipelines: int, days: int) -> Project:
    """A project of copies of the flights' pipeline, and its home with a year of records.

    Args:
        folder: Where to write it.
        origin: The home whose records are copied.
        pipelines: How many pipelines.
        days: How many days of each.
    """
    names = [f"{NAME}_{number}" for number in range(pipelines)]
    for package in ("transforms", "expectations", "assets"):
        (folder / package).mkdir()
        text = (HERE / package / f"{NAME}.py").read_text(encoding="utf-8")
        for name in names:
            own = text.replace(NAME, name).replace(
                "date(2013, 4, 1)", f"date({FIRST:%Y, %-m, %-d})"
            )
            (folder / package / f"{name}.py").write_text(own, encoding="utf-8")
    (folder / "pyproject.toml").write_text('[tool.lockstep]\nname = "year"\nhome = "home"\n')
    data, source = folder / "home" / "data", origin / "data" / NAME
    year = [(FIRST + timedelta(number)).isoformat() for number in range(days)]
    for name in names:
        for stream, of_stream in (("daily", year), ("outcomes", year[-90:])):
            record = next((source / stream / "attempts").glob("*/1/record.json"))
            text = record.read_text(encoding="utf-8").replace(NAME, name)
            for day in of_stream:
                write(data / name / stream, day, text.replace(record.parts[-3], day))
    os.environ["LOCKSTEP_HOME"] = str(folder / "home")
    return Project.find(folder)


def write(stream: Path, day: str, record: str, number: int = 1) -> None:
    """Write the record of an attempt at a day, and its commit."""
    attempt = stream / "attempts" / day / str(number)
    attempt.mkdir(parents=True)
    (attempt / "record.json").write_text(record, encoding="utf-8")
    commit = {
        "partition": day,
        "attempt": number,
        "committed_at": f"{day}T06:00:00+00:00",
        "record": hashlib.sha256(record.encode()).hexdigest(),
        "first_at": f"{day}T06:00:00+00:00",
    }
    write_state(stream / "records" / f"{day}.json", commit)


def measure(project: Project, rounds: int) -> dict[str, Any]:
    """Milliseconds of the page by what it finds, each the median of some rounds."""
    overview = Overview(project)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = uvicorn.Config(application(overview), host="127.0.0.1", port=port, log_level="error")
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    first, size = ask(port)
    time.sleep(10)  # so that the registry has been asked for the first time, which imports MLflow
    unchanged = [ask(port)[0] for _ in range(rounds)]
    changed = []
    for at in range(rounds):
        for name in overview.watched:
            stream = overview.home.data / name / "daily"
            day = (FIRST + timedelta(at)).isoformat()
            shutil.rmtree(stream / "attempts" / day / "2", ignore_errors=True)
            text = (stream / "attempts" / day / "1" / "record.json").read_text(encoding="utf-8")
            write(stream, day, text.replace('"number":1', '"number":2'), 2)
        changed.append(ask(port)[0])
    server.should_exit = True
    return {
        "pipelines": len(overview.watched),
        "kilobytes": size // 1000,
        "first_ms": round(first, 1),
        "unchanged_ms": round(statistics.median(unchanged), 1),
        "unchanged_slowest_ms": round(max(unchanged), 1),
        "changed_ms": round(statistics.median(changed), 1),
    }


def ask(port: int) -> tuple[float, int]:
    """How many milliseconds the page takes, and how many bytes it has."""
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    begun = time.perf_counter()
    connection.request("GET", "/")
    response = connection.getresponse()
    content = response.read()
    took = (time.perf_counter() - begun) * 1000
    connection.close()
    assert response.status == 200, content[:400]
    return took, len(content)


if __name__ == "__main__":
    raise SystemExit(main())
