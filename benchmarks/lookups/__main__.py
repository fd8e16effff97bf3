"""Look-ups and windows beside what others have for them, on the flights of 2013.

`join`: nine columns of the weather for each of 337,000 flights, out of 26,000 hours. `window`:
count, mean, maximum and last delay of the landings of each flight's aircraft in 30 days, out of 3.3
million. Both begin with a table in memory as it came, and end with columns in the order of the
flights, so all sorting and indexing is counted; what they take with a table that is prepared is
told beside. Each system is a process in an environment of its own, with as many threads as it
takes by itself, and must find the same: looked-up values, counts, maxima and last values to the
bit, means to nine digits. `record`: one record of a look-up of nine columns and of a window of
about a hundred landings, and what either adds to a request.

    python -m benchmarks.lookups [--systems lockstep,pandas,polars,duckdb,feast] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._environments import environment_of
from benchmarks._report import Outcome, this_machine
from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.lookups.questions import write_questions
from benchmarks.lookups.records import added, one_record
from benchmarks.lookups.systems import SYSTEMS, TASKS

OURS = "lockstep"
RESULTS = HERE / "benchmarks" / "results" / "lookups.json"
FRAMES, FEAST = (Path(__file__).with_name(f"{name}.txt") for name in ("frames", "feast"))
REQUIREMENTS = {"pandas": FRAMES, "polars": FRAMES, "duckdb": FRAMES, "feast": FEAST}
"""What a system needs that has another environment than this."""
SYSTEM, ROUNDS = Path(__file__).with_name("systems.py"), 5
TIMES = 3
"""How often a system answers a question in a round, after a first time that is not counted."""
MOST_ADDED = {"lookup": 20.0, "window": 40.0}
"""Microseconds that may be added to a request."""
_CLOSE = 1e-9


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a report and write `benchmarks/results/lookups.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lookups", description=__doc__)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args(arguments)
    systems = asked.systems.split(",")
    pythons = {name: python_of(name) for name in systems}
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        write_questions(Path(folder))
        told = measure(Path(folder), pythons, asked.rounds)
        told |= {"record_us": one_record(Path(folder)), "request_added_us": added(Path(folder))}
    for line in report(told):
        print(line)
    print("\nTargets")
    for outcome in targets(told):
        print(f"  {outcome}")
    if tuple(systems) == tuple(SYSTEMS) and asked.rounds >= ROUNDS:
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")
        print(f"Written to {RESULTS}")


def python_of(system: str) -> Path:
    """The Python of a system's environment, which is made if it is not there."""
    needs = REQUIREMENTS.get(system)
    return Path(sys.executable) if needs is None else environment_of(needs)


def measure(folder: Path, pythons: Mapping[str, Path], rounds: int) -> dict[str, Any]:
    """Have all systems answer, by turns, and demand that they find the same.

    Args:
        folder: Where the questions are.
        pythons: The Python of each system.
        rounds: How often; every other round begins with the last system.

    Raises:
        BenchmarkError: A system ends with an error, or finds something else than ours.
    """
    seconds: dict[str, dict[str, list[float]]] = {task: {} for task in TASKS}
    versions: dict[str, str] = {}
    for number in range(rounds):
        print(f"Round {number + 1} of {rounds} ...", flush=True)
        for name in pythons if number % 2 == 0 else reversed(list(pythons)):
            answered = run(name, pythons[name], folder)
            versions[name] = answered["version"]
            for task, took in answered["seconds"].items():
                seconds[task].setdefault(name, []).append(statistics.median(took))
        for task in ("join", "window"):
            for name in pythons:
                demand_same(folder, task, name)
    named = {task: {name: seconds[task].get(name, []) for name in pythons} for task in TASKS}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine(),
        "versions": versions,
        "rounds": rounds,
        **{
            task: {name: round(statistics.median(took), 4) for name, took in found.items() if took}
            for task, found in named.items()
        },
        "spread": {
            task: {
                name: [round(min(took), 4), round(max(took), 4)]
                for name, took in found.items()
                if took
            }
            for task, found in named.items()
        },
    }


def run(system: str, python: Path, folder: Path) -> dict[str, Any]:
    """Have a system answer.

    Raises:
        BenchmarkError: It ended with an error.
    """
    done = subprocess.run(
        [str(python), "-P", str(SYSTEM), system, str(folder), str(TIMES)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "FEAST_USAGE": "False"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchmarkError(f"{system}: status {done.returncode}: {done.stderr.strip()[-2000:]}")
    answered: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answered


def demand_same(folder: Path, task: str, system: str) -> None:
    """Demand that a system found what ours did.

    Raises:
        BenchmarkError: It did not.
    """
    theirs = folder / f"{task}-{system}.parquet"
    if not theirs.is_file():
        return
    ours, found = pd.read_parquet(folder / f"{task}-{OURS}.parquet"), pd.read_parquet(theirs)
    for name in ours.columns:
        mine, other = (
            frame[name].to_numpy(dtype="float64", na_value=np.nan) for frame in (ours, found)
        )
        if len(mine) != len(other):
            raise BenchmarkError(f"{system} answers {len(other):,} questions of {len(mine):,}.")
        close = _CLOSE if name == "mean" else 0.0
        same = np.isclose(mine, other, rtol=close, atol=close, equal_nan=True)
        if not same.all():
            row = int(np.argmin(same))
            raise BenchmarkError(
                f"{system} finds other values of {name} in {np.sum(~same):,} rows, such as "
                f"{other[row]!r} for {mine[row]!r} in row {row}."
            )


def report(told: Mapping[str, Any]) -> Iterator[str]:
    """What was measured, for people."""
    yield told["machine"]
    yield ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    for task in TASKS:
        best = min(told[task].values())
        yield f"\n{task.replace('_', ' ')}, seconds: median (least to largest), times the fastest"
        for name, took in told[task].items():
            least, most = told["spread"][task][name]
            yield f"  {name:10} {took:8.3f} ({least:.3f} to {most:.3f})  {took / best:6.1f}"
    for title in ("record_us", "request_added_us"):
        found = ", ".join(f"{name} {took:.1f}" for name, took in told[title].items())
        yield f"\n{title.removesuffix('_us').replace('_', ' ')}, microseconds: {found}"


def targets(told: Mapping[str, Any]) -> Iterator[Outcome]:
    """What was to be reached, and what was."""
    for task in ("join", "window"):
        others = [took for name, took in told[task].items() if name != OURS]
        if others:
            ratio = told[task][OURS] / min(others)
            yield Outcome(f"{task}: of the time of the fastest other", ratio, 1.0)
    for kind, most in MOST_ADDED.items():
        name = f"microseconds that a {kind} adds to a request"
        yield Outcome(name, told["request_added_us"][kind], most)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"bench-lookups: {error}")
