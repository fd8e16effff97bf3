"""What a scoring run costs, process start included, beside the imports that it can't do without.

Each round starts every command once, in a fresh process. The run is measured on `$LOCKSTEP_HOME`
where that is set: it must hold a promoted version, and the day is scored into it again. Otherwise
a model is trained in a home of its own, and deleted at the end.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyperf

from benchmarks._report import Outcome, machine, ratios, table, write
from benchmarks._rounds import HERE, BenchmarkError, Checkout, time_rounds

SCRIPT = HERE / "benchmarks" / "_time_run.py"
RESULTS = HERE / "benchmarks" / "results" / "run.json"
ROUNDS = 5
PIPELINE, DAY = "flight_delay", "2013-04-01"
SCORE = f"lockstep score {PIPELINE} --day {DAY}"
ALL_IMPORTS = "import dagster, sklearn, mlflow, great_expectations"
FEW_IMPORTS = "import dagster, pandas, sklearn"
DEFINITIONS = "import orchestration.definitions"
TARGETS = ((SCORE, ALL_IMPORTS, 1.3), (DEFINITIONS, FEW_IMPORTS, 1.3))
"""A command, what it is compared with, and how many times its time it may take."""


def main() -> None:
    """Measure, print a report and write `benchmarks/results/run.json`."""
    with trained(HERE, os.environ.get("LOCKSTEP_HOME")) as checkout:
        (suite,) = time_rounds(SCRIPT, [checkout], ROUNDS, commands)
    print(f"\n{machine(suite)}\n\nTime in a fresh process: median (least to largest)")
    print(table(suite))
    print("\nTargets, within a round")
    for outcome in outcomes(suite):
        print(f"  {outcome}")
    write(suite, RESULTS)


@contextmanager
def trained(root: Path, home: str | None = None) -> Iterator[Checkout]:
    """A checkout with a home that has a live version of `flight_delay`, to which DAY is scored.

    Args:
        root: The checkout's folder.
        home: A home that has one; without it, one is made, and deleted at the end.

    Raises:
        BenchmarkError: It could not be trained, or the day not be scored.
    """
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as made:
        checkout = Checkout(root, {"LOCKSTEP_HOME": home or made})
        if home is None:
            print(f"Training a model to score with in {root}, untimed ...", flush=True)
            checkout.run(lockstep(checkout, "train", PIPELINE))
            checkout.run(lockstep(checkout, "promote", PIPELINE, "1"))  # a fresh home's only one
        checkout.run(lockstep(checkout, "score", PIPELINE, "--day", DAY))  # fills the file cache
        yield checkout


def commands(checkout: Checkout) -> list[str]:
    """The option that says what is timed."""
    timed = {
        ALL_IMPORTS: [sys.executable, "-c", ALL_IMPORTS],
        SCORE: lockstep(checkout, "score", PIPELINE, "--day", DAY),
        FEW_IMPORTS: [sys.executable, "-c", FEW_IMPORTS],
        DEFINITIONS: [sys.executable, "-c", DEFINITIONS],
    }
    return [f"--commands={json.dumps(timed)}"]


def lockstep(checkout: Checkout, *arguments: str) -> list[str]:
    """A command of the checkout's own Lockstep, whichever is installed."""
    project = tomllib.loads((checkout.root / "pyproject.toml").read_text())["project"]
    module, _, function = project["scripts"]["lockstep"].partition(":")
    return [sys.executable, "-c", f"from {module} import {function}; {function}()", *arguments]


def outcomes(suite: pyperf.BenchmarkSuite) -> Sequence[Outcome]:
    """Compare each command with its baseline, round by round."""
    return [
        Outcome(
            f"{command}, over {baseline}",
            measured=statistics.median(
                ratios(suite.get_benchmark(command), suite.get_benchmark(baseline))
            ),
            limit=limit,
        )
        for command, baseline, limit in TARGETS
    ]


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"bench-run: {error}")
