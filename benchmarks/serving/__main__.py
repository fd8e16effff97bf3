"""`python -m benchmarks.serving`: measure, print a report, and keep it in `benchmarks/results/`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyperf

from benchmarks import _report
from benchmarks._rounds import HERE, BenchmarkError, Checkout, time_rounds
from benchmarks.core import one_core
from benchmarks.serving.candidates import CANDIDATES, Candidate
from benchmarks.serving.load import demand_tools
from benchmarks.serving.measuring import Measured, Plan, measure
from benchmarks.serving.processes import Cores
from benchmarks.serving.report import document, markdown, targets
from benchmarks.serving.setting import Setting, setting
from benchmarks.serving.stages import microseconds

RESULTS = HERE / "benchmarks" / "results"
SCRIPT = Path(__file__).with_name("time_stages.py")
LIBRARIES = ("numpy", "pandas", "scikit-learn", "treelite", "starlette", "uvicorn", "uvloop")


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        candidates: The servers to measure.
        plan: How much.
        results: The folder to write to; None to write nothing.
    """

    candidates: Sequence[Candidate]
    plan: Plan
    results: Path | None


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a report, and write `serving.json` and `serving.md`."""
    asked = options(arguments)
    demand_tools()
    with setting() as given:
        measured = measure(given, asked.candidates, asked.plan)
        suite = _stages(given, asked.plan)
    told = document(measured, microseconds(suite), _machine(measured, suite))
    text = markdown(told)
    print(f"\n{text}\nTargets")
    for line in targets(told):
        print(f"  {line}")
    if asked.results is not None:
        asked.results.mkdir(parents=True, exist_ok=True)
        (asked.results / "serving.json").write_text(json.dumps(told, indent=1) + "\n")
        (asked.results / "serving.md").write_text(text)
        print(f"\nWritten to {asked.results}/serving.json and serving.md")


def options(arguments: Sequence[str] | None) -> Options:
    """What the command line asks for; anything less than all is a trial, and is kept nowhere."""
    whole, names = Plan(), [candidate.name for candidate in CANDIDATES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--seconds", type=int, default=whole.seconds, help="length of a round")
    parser.add_argument("--rounds", type=int, default=whole.rounds, help="how many rounds")
    parser.add_argument("--starts", type=int, default=whole.starts, help="starts of each server")
    parser.add_argument("--rows", type=int, default=whole.rows, help="answers to compare")
    parser.add_argument(
        "--servers", default=",".join(names), help="some of them, separated by commas"
    )
    parser.add_argument("--results", type=Path, help="folder to write to, of a trial too")
    given = parser.parse_args(arguments)
    chosen = given.servers.split(",")
    if unknown := sorted(set(chosen) - set(names)):
        parser.error(f"there is no server {unknown[0]}; there are {', '.join(names)}")
    candidates = tuple(candidate for candidate in CANDIDATES if candidate.name in chosen)
    plan = Plan(given.rounds, given.seconds, given.starts, given.rows)
    is_whole = candidates == CANDIDATES and plan == whole
    return Options(candidates, plan, given.results or (RESULTS if is_whole else None))


def _stages(given: Setting, plan: Plan) -> pyperf.BenchmarkSuite:
    print("The compute path by itself:", flush=True)
    checkout = Checkout(HERE, {"LOCKSTEP_HOME": str(given.home.path)})
    (suite,) = time_rounds(SCRIPT, [checkout], plan.rounds, lambda _: one_core())
    return suite


def _machine(measured: Measured, suite: pyperf.BenchmarkSuite) -> dict[str, Any]:
    processor, versions = _report.machine(suite, LIBRARIES).splitlines()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor,
        "versions": versions,
        "cores": _told(measured.cores),
    }


def _told(cores: Cores) -> str:
    if cores.server == cores.load:
        return "Servers and load share the machine's one core."
    return (
        "Each server has one core for all of its processes and one thread in each, `wrk` another "
        "one; servers that are not asked are stopped meanwhile."
    )


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"bench-serving: {error}")
