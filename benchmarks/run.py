"""What a scoring run costs, process start included, beside the imports that it can't do without.

Each round starts every command once, in a fresh process, and every other round starts them in the
opposite order, so that a machine that warms up or gets busy favours none of them. Ratios are taken
within a round.

The run is measured on `$LOCKSTEP_HOME` where that is set: it must hold a promoted version, and the
day is scored into it again. Otherwise a model is trained in a home of its own, and deleted at the
end.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks._machine import Spread, machine, spread

ROUNDS = 5
DAY = "2013-04-01"
RESULTS = Path(__file__).parent / "results" / "run.json"
LOCKSTEP = str(Path(sys.executable).with_name("lockstep"))


def imports(modules: str) -> tuple[str, list[str]]:
    """Return a label and a command that imports `modules` in a Python process."""
    statement = f"import {modules}"
    return statement, [sys.executable, "-c", statement]


def score(day: str) -> tuple[str, list[str]]:
    """Return a label and a command that scores one day as a Dagster run of its own."""
    arguments = ["score", "flight_delay", "--day", day]
    return f"lockstep {' '.join(arguments)}", [LOCKSTEP, *arguments]


COMMANDS = dict(
    [
        imports("dagster, sklearn, mlflow, great_expectations"),
        score(DAY),
        imports("dagster, pandas, sklearn"),
        imports("orchestration.definitions"),
    ]
)
ALL_IMPORTS, SCORE, FEW_IMPORTS, DEFINITIONS = COMMANDS


@dataclass(frozen=True)
class Target:
    """How many times the cost of `baseline` the `command` may cost."""

    command: str
    baseline: str
    limit: float


TARGETS = (
    Target(SCORE, ALL_IMPORTS, 1.5),
    Target(DEFINITIONS, FEW_IMPORTS, 1.3),
)


@dataclass(frozen=True)
class Outcome:
    """What was measured for a target."""

    target: Target
    ratio: Spread

    @property
    def met(self) -> bool:
        """Whether the median ratio stays within the limit."""
        return self.ratio.median <= self.target.limit


class CommandFailedError(Exception):
    """A command that was to be timed exited with another status than 0."""


def main() -> None:
    """Measure, print a report and write `benchmarks/results/run.json`."""
    here = machine()
    print(here, flush=True)
    with trained_home() as home:
        samples = measure({**os.environ, "LOCKSTEP_HOME": str(home)})
    spreads = {command: spread(seconds) for command, seconds in samples.items()}
    outcomes = [judge(target, samples) for target in TARGETS]
    print(report(spreads, outcomes))
    RESULTS.parent.mkdir(exist_ok=True)
    result = {
        "machine": asdict(here),
        "rounds": ROUNDS,
        "seconds": {
            command: {**asdict(spreads[command]), "samples": samples[command]}
            for command in COMMANDS
        },
        "ratios": [
            {**asdict(outcome.target), **asdict(outcome.ratio), "met": outcome.met}
            for outcome in outcomes
        ],
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


@contextmanager
def trained_home() -> Iterator[Path]:
    """Yield a Lockstep home that has a live version of `flight_delay`."""
    given = os.environ.get("LOCKSTEP_HOME")
    if given:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as made:
        print("Training a model to score with, untimed ...", flush=True)
        environment = {**os.environ, "LOCKSTEP_HOME": made}
        timed([LOCKSTEP, "train", "flight_delay"], environment)
        timed([LOCKSTEP, "promote", "flight_delay", "1"], environment)  # a fresh home's only one
        yield Path(made)


def measure(environment: Mapping[str, str]) -> dict[str, list[float]]:
    """Time every command once a round: seconds by command, in the order of the rounds.

    A first round, which fills the file cache, is not counted.
    """
    samples: dict[str, list[float]] = {command: [] for command in COMMANDS}
    for number in range(ROUNDS + 1):
        print(f"Round {number} of {ROUNDS} ...", flush=True)
        order = list(COMMANDS) if number % 2 else list(reversed(COMMANDS))
        for command in order:
            seconds = timed(COMMANDS[command], environment)
            if number > 0:
                samples[command].append(seconds)
    return samples


def timed(arguments: list[str], environment: Mapping[str, str]) -> float:
    """Run a command in a process of its own and return the seconds from its start to its end.

    Raises:
        CommandFailedError: it failed; the message holds what it printed last.
    """
    start = time.perf_counter()
    process = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        printed = (process.stdout + process.stderr).strip()[-2000:]
        raise CommandFailedError(
            f"`{' '.join(arguments)}` exited with status {process.returncode}, so nothing was "
            f"measured. It printed:\n{printed}"
        )
    return seconds


def judge(target: Target, samples: Mapping[str, list[float]]) -> Outcome:
    """Compare a command with its baseline, round by round."""
    pairs = zip(samples[target.command], samples[target.baseline], strict=True)
    return Outcome(target, spread([seconds / baseline for seconds, baseline in pairs]))


def report(spreads: Mapping[str, Spread], outcomes: list[Outcome]) -> str:
    """Tell the seconds of each command, then how each target came out."""
    width = max(map(len, spreads))
    lines = [
        "",
        f"Seconds in a fresh process: median (p10 to p90) of {ROUNDS}",
        *(f"  {command:<{width}}  {seconds}" for command, seconds in spreads.items()),
        "",
        "Ratios within a round",
    ]
    for outcome in outcomes:
        target = outcome.target
        verdict = "met" if outcome.met else "FALLS SHORT"
        lines += [
            f"  {target.command}",
            f"    over {target.baseline}:",
            f"    {outcome.ratio}, at most {target.limit} wanted: {verdict}",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except CommandFailedError as error:
        sys.exit(f"bench-run: {error}")
