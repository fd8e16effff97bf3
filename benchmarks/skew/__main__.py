"""Inject faults into a healthy trained platform, score a normal year, and tell what was found.

    python -m benchmarks.skew --half tuning --only data     faults of data, the half to tune on
    python -m benchmarks.skew --only clean                  the clean days to tune on
    python -m benchmarks.skew --final                       everything; the other half too

With `--home FOLDER` the platform is kept there and used again as it is; it has to be made anew when
what a version carries has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks._rounds import HERE, BenchmarkError

RESULTS = HERE / "benchmarks" / "results"
PARTS = ("data", "clean")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 if it went through."""
    asked = _parser().parse_args(arguments)
    from lockstep.cli.process import prepare_process

    prepare_process()
    with _home(asked.home) as home:
        os.environ["LOCKSTEP_HOME"] = str(home)
        for name in ("MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
            os.environ.pop(name, None)
        found = run(home, asked)
    _write(found, asked)
    return 0


def run(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Carry out what is asked for, and give all that was found as plain data."""
    from assets.flight_delay import ASSETS
    from benchmarks.skew.clean import CALENDAR, heard
    from benchmarks.skew.data import days_of, faults_of, try_faults
    from benchmarks.skew.faults import HALVES, half_of_day
    from benchmarks.skew.platform import BEFORE, build, score_days
    from benchmarks.skew.report import document, tell

    begun = time.monotonic()
    halves = HALVES if asked.final else (asked.half,)
    parts = asked.only.split(",") if asked.only else list(PARTS)
    platform = build(home, ASSETS, _say)
    days = {half: days_of(half, asked.days) for half in halves}
    needed = {
        day - timedelta(number)
        for chosen in days.values()
        for day in chosen
        for number in range(BEFORE + 1)
        if "data" in parts
    }
    calendar = [day for day in CALENDAR if "clean" in parts or day in needed]
    scored = score_days(platform, calendar, _say)
    outcomes = []
    for half in halves:
        if "data" in parts:
            faults = [one for one in faults_of(half) if asked.like in one.fault.name]
            outcomes += try_faults(home, home / "work", half, faults, days[half])
    told = {day: one for day, one in scored.items() if half_of_day(day) in halves}
    clean = heard(told).to_json() if "clean" in parts else {}
    found = document(outcomes, clean, {"seconds": round(time.monotonic() - begun)}, {})
    print(tell(found))
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skew", description=__doc__)
    parser.add_argument("--half", choices=("tuning",), default="tuning")
    parser.add_argument("--final", action="store_true", help="the half not tuned on, too")
    parser.add_argument("--only", help=f"some of {', '.join(PARTS)}, with commas")
    parser.add_argument("--like", default="", help="faults whose names hold this")
    parser.add_argument("--days", type=int, default=12, help="days to try faults of data on")
    parser.add_argument("--home", type=Path, help="where the platform is kept")
    parser.add_argument("--out", type=Path, help="where to write what was found, as JSON")
    return parser


@contextmanager
def _home(named: Path | None) -> Iterator[Path]:
    if named is not None:
        named.mkdir(parents=True, exist_ok=True)
        yield named.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="lockstep-skew-") as folder:
        yield Path(folder)


def _write(found: dict[str, Any], asked: argparse.Namespace) -> None:
    from benchmarks.skew.report import markdown

    text = json.dumps(found, indent=1) + "\n"
    if asked.out is not None:
        asked.out.write_text(text)
    if asked.final and not asked.only:
        (RESULTS / "skew.json").write_text(text)
        (RESULTS / "skew.md").write_text(markdown(found))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":  # forked processes hang in OpenMP's threads
        command = [sys.executable, "-m", "benchmarks.skew", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"bench-skew: {error}")
