"""The way through the house: which files and functions of the library a small piece of work calls.

A reader who follows three rows from a delivery to what is published has to open this many files.
The version is trained on a table of the benchmarks in a home of its own; three days before are
scored and published first, so that there is a past to compare with. All checks are on.

A function is counted once, however often it is called. Comprehensions and lambdas are part of the
function that they stand in, and are told beside; methods that dataclasses generate are no one's to
read, and are left out.

    python -m benchmarks.walk [score|request|train] [--table bikes] [--list]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import lockstep
from benchmarks.skew.platform import Platform, build
from benchmarks.skew.tables import TABLES, Table
from lockstep.columns.decode import decode
from lockstep.parity.wire import wire_record
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.served_tables import ServedTables

ROWS, BEFORE = 3, 3
"""Rows that are scored, and days that are published before them."""
_LIBRARY = Path(lockstep.__file__).parent


def main() -> None:
    """Walk once, and print what was called."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", nargs="?", choices=WORKS, default="score", help="what to follow")
    parser.add_argument("--table", choices=TABLES, default="bikes", help="what to train on")
    parser.add_argument("--list", action="store_true", help="print every function, in order")
    given = parser.parse_args()
    table = TABLES[given.table]
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        platform = Platform.at(Path(folder), table.declared)
        called = walk(WORKS[given.work](platform, table))
    for line in report(called, each=given.list):
        print(line)


def walk(work: Callable[[], object]) -> list[CodeType]:
    """Do a piece of work, and list the code of the library that it calls, in order."""
    called: dict[CodeType, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and Path(frame.f_code.co_filename).is_relative_to(_LIBRARY):
            called.setdefault(frame.f_code)

    threading.setprofile(note)  # of threads that the work starts
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return [code for code in called if code.co_name != "<module>"]


def report(called: list[CodeType], *, each: bool = False) -> Iterator[str]:
    """How many files and functions there are, in all and by package, and which ones if asked."""
    named = [code for code in called if not code.co_name.startswith("<")]
    files = dict.fromkeys(code.co_filename for code in called)
    within = len(called) - len(named)
    yield (
        f"{len(files)} files, {len(named)} functions "
        f"(and {within} comprehensions and lambdas within them)"
    )
    functions_in = Counter(_package(code.co_filename) for code in named)
    for package, count in Counter(map(_package, files)).most_common():
        yield f"  {package:<12} {count:4} files {functions_in[package]:5} functions"
    if each:
        for code in named:
            where = Path(code.co_filename).relative_to(_LIBRARY)
            yield f"{where}:{code.co_firstlineno} {code.co_qualname}"


def _package(file: str) -> str:
    return Path(file).relative_to(_LIBRARY).parts[0]


def scoring(platform: Platform, table: Table) -> Callable[[], object]:
    """To score three rows of a day, from the delivery to what is published."""
    platform = _live(platform)
    *before, day = table.calendar[: BEFORE + 1]
    for one in before:
        platform.judge(one, platform.rows(one), to_publish=True)
    rows = platform.rows(day)[:ROWS]
    return partial(platform.judge, day, rows, to_publish=True)


def request(platform: Platform, table: Table) -> Callable[[], object]:
    """To answer a request of one record, from the server's application on."""
    platform = _live(platform)
    schema = platform.declared.pipeline.record_schema
    rows = decode(platform.rows(table.calendar[0])[:1], schema).columns
    body = json.dumps({"dataframe_records": [wire_record(rows, 0, schema)]}).encode()
    tables = ServedTables(platform.store.root)
    service = Service(platform.declared.name, platform.pointer, tables=tables)
    answer = application(service)
    scope = {"type": "http", "method": "POST", "path": "/invocations", "query_string": b""}
    headers = [(b"content-type", b"application/json")]

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        assert message.get("status", 200) == 200, message

    asyncio.run(service.look())
    return lambda: asyncio.run(answer({**scope, "headers": headers}, receive, send))


def training(platform: Platform, _: Table) -> Callable[[], object]:
    """To fit a candidate, compare it and register it."""
    return platform.train


def _live(platform: Platform) -> Platform:
    """The platform with a version that is live, and loaded once."""
    found = build(platform.home.path, platform.declared, partial(print, file=sys.stderr))
    found.open_live()
    return found


WORKS = {"score": scoring, "request": request, "train": training}


if __name__ == "__main__":
    main()
