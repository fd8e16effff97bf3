"""Rounds: pyperf times each benchmark of a script once a round, in one checkout or two by turns.

A machine that warms up or gets busy is the same to all that is timed in one round, so figures are
compared within rounds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyperf

HERE = Path(__file__).resolve().parents[1]
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"), "1"
)


class BenchmarkError(Exception):
    """Something that was to be timed cannot be; the message holds what it printed last."""


@dataclass(frozen=True)
class Checkout:
    """A checkout of Lockstep.

    Attributes:
        root: Its folder.
        variables: What its processes find in their environment besides this one's.
    """

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, arguments: Sequence[str]) -> str:
        """Run a command in it, and return what it printed.

        Raises:
            BenchmarkError: The command failed.
        """
        process = subprocess.run(
            arguments,
            cwd=self.root,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(self.root), **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode != 0:
            printed = (process.stdout + process.stderr).strip()[-2000:]
            raise BenchmarkError(
                f"`{' '.join(arguments)}` exited with status {process.returncode} in {self.root}. "
                f"It printed:\n{printed}"
            )
        return process.stdout


def time_rounds(
    script: Path,
    checkouts: Sequence[Checkout],
    rounds: int,
    options: Callable[[Checkout], Sequence[str]],
) -> list[pyperf.BenchmarkSuite]:
    """Run a script of pyperf benchmarks once a round in each checkout.

    Args:
        script: The script, a file; what it imports is the checkout's.
        checkouts: Where to run it; every other round begins with the last.
        rounds: How often.
        options: Further options of the script in a checkout.

    Returns:
        What was measured, by checkout: one run of values a round.

    Raises:
        BenchmarkError: The script failed.
    """
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        turns = [
            (checkout, Path(folder) / f"{number}.json") for number, checkout in enumerate(checkouts)
        ]
        for number in range(rounds):
            print(f"Round {number + 1} of {rounds} ...", flush=True)
            for checkout, file in turns if number % 2 == 0 else reversed(turns):
                worker = ["--worker", "--loops=1", "--warmups=0", "--values=1", f"--append={file}"]
                checkout.run([sys.executable, "-P", str(script), *worker, *options(checkout)])
        return [pyperf.BenchmarkSuite.load(str(file)) for _, file in turns]
