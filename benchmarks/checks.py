"""What the checks add to scoring: of days of about a thousand flights, and of a million rows.

The steps of a partition are carried out by the very functions that the assets call, in one process
that is set up as that of a command, and has scored before: nothing is imported any more. Each check
records how long it took; what is kept of a batch for the checks of those that follow it is counted
as theirs. The rest is the rest of the steps: the live version is loaded, rows are decoded, parted,
computed, written and published. Beside it stands the same of days that are scored as `lockstep
score` does it, in a run of Dagster's in this process: all but the start of a process and its
imports.

    python -m benchmarks.checks [--rounds 5] [--rows 1000000]

`$LOCKSTEP_HOME` is used where it is set, and has to hold a platform of the skew benchmark's;
otherwise a model is trained in a home of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from assets.flight_delay import ASSETS
from benchmarks._report import Outcome, this_machine
from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.skew.platform import Platform, build, score_days
from lockstep.cli.process import start_command
from lockstep.columns.decode import decode
from lockstep.dagster.instance import open_instance
from lockstep.dagster.jobs import job_name
from lockstep.dagster.runs import run_job
from lockstep.project.project import Project
from lockstep.scoring.partition import publish
from lockstep.scoring.steps import batch_step, scored_step
from lockstep.scoring.work import Stage, Work

RESULTS = HERE / "benchmarks" / "results" / "checks.json"
FIRST = date(2013, 4, 1)
DAYS = tuple(date(2013, 5, day) for day in (2, 8, 16))
ROUNDS = 5
MILLION = 1_000_000
MOST_SHARE, MOST_SECONDS = 0.4, 5.0
"""What all checks may add to a day, as a share of the rest, and to a million rows."""


@dataclass(frozen=True)
class Cost:
    """What a partition took.

    Attributes:
        rows: Its rows.
        seconds: All steps together.
        checks: The checks, by name.
    """

    rows: int
    seconds: float
    checks: Mapping[str, float]

    @property
    def rest(self) -> float:
        """What all but the checks took, in seconds."""
        return self.seconds - sum(self.checks.values())

    @property
    def share(self) -> float:
        """What the checks add, as a share of the rest."""
        return sum(self.checks.values()) / self.rest


def cost(whole: Platform, day: date, rows: pd.DataFrame) -> Cost:
    """Score and publish rows as those of a day, and say what that took.

    What is found of any field is accepted, so that it goes on to the end.

    Args:
        whole: A platform that has scored the days before.
        day: The day.
        rows: Its rows.

    Raises:
        BenchmarkError: A check blocks it.
    """
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        before = whole.before(day, Path(folder))
        work = Work(before.declared, before.store, "daily", day.isoformat())
        fields = before.declared.pipeline.record_schema.names
        begun = time.perf_counter()
        batch = batch_step(work, before.live, partial(decode, rows), accept=fields)
        _demand_free(batch)
        scored = scored_step(work, before.live)
        _demand_free(scored)
        publish(work)
        seconds = time.perf_counter() - begun
    results = {**batch.results, **scored.results}
    checks = {name: found.seconds for name, found in results.items()}
    return Cost(len(rows), seconds, checks)


def _demand_free(stage: Stage) -> None:
    if stage.blocked_by:
        raise BenchmarkError(f"The rows are blocked: {dict(stage.blocked_by)}")


def repeated(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """So many flights: the rows again and again, each with a flight number, and a key, of its own.

    Args:
        rows: Flights.
        count: How many there are to be.
    """
    found = pd.concat([rows] * -(-count // len(rows)), ignore_index=True).iloc[:count]
    parts = found["flight_id"].str.split(" ")  # a day, a carrier, a flight number, where and when
    keys = [" ".join([*one[:2], str(at), *one[3:]]) for at, one in enumerate(parts, start=10_000)]
    return found.assign(flight_id=keys)


def cost_of_run(whole: Platform, project: Project, day: date) -> Cost:
    """Score a day as `lockstep score` does, in a run of Dagster's, and say what that took.

    Args:
        whole: A platform that has scored the days before.
        project: The project.
        day: The day.

    Raises:
        BenchmarkError: A check blocks it.
    """
    name, partition = whole.declared.name, day.isoformat()
    instance = open_instance(whole.home)
    begun = time.perf_counter()
    done = run_job(project, job_name(name, "score_daily"), instance, partition=partition)
    seconds = time.perf_counter() - begun
    if not done.ok:
        raise BenchmarkError(f"{day} is not published: {[one.check for one in done.failed]}")
    records = Work(whole.declared, whole.store, "daily", partition).records
    steps = records.demand(partition).record.steps.values()
    checks = {name: found.seconds for step in steps for name, found in step.results.items()}
    return Cost(len(whole.rows(day)), seconds, checks)


def figures(costs: Sequence[Cost]) -> dict[str, Any]:
    """What some partitions took: medians, with the least and the largest share."""
    checks = {
        name: statistics.median(one.checks[name] for one in costs) for name in costs[0].checks
    }
    shares = [one.share for one in costs]
    return {
        "rows": round(statistics.median(one.rows for one in costs)),
        "partitions": len(costs),
        "checks_seconds": _rounded(sum(checks.values())),
        "rest_seconds": _rounded(statistics.median(one.rest for one in costs)),
        "share": _rounded(statistics.median(shares)),
        "share_from_to": [_rounded(min(shares)), _rounded(max(shares))],
        "by_check": {
            name: _rounded(seconds)
            for name, seconds in sorted(checks.items(), key=lambda check: -check[1])
        },
    }


def _rounded(seconds: float) -> float:
    return round(seconds, 4)


def report(told: Mapping[str, Any]) -> Iterator[str]:
    """What was measured, for people."""
    for title in ("day", "run", "million", "million_of_a_year"):
        if title not in told:
            continue
        found = told[title]
        yield f"\n{title.replace('_', ' ')}: {found['rows']:,} rows, {found['partitions']} times"
        for name, seconds in found["by_check"].items():
            yield f"  {name:<24} {1e3 * seconds:10.1f} ms"
        yield f"  {'all checks':<24} {1e3 * found['checks_seconds']:10.1f} ms"
        yield f"  {'the rest of the steps':<24} {1e3 * found['rest_seconds']:10.1f} ms"


def targets(told: Mapping[str, Any]) -> Iterator[str]:
    """What was to be reached, and what was."""
    day = told["day"]
    share = told["run"]["share"]
    yield str(Outcome("checks of a day, share of the rest of its run", share, MOST_SHARE))
    yield f"checks of a day, share of the rest of its steps alone: {day['share']:.3g}"
    for title in ("million", "million_of_a_year"):
        if title in told:
            name = f"checks of a {title.replace('_', ' ')}, seconds"
            yield str(Outcome(name, told[title]["checks_seconds"], MOST_SECONDS))


def measure(home: Path, rounds: int, count: int) -> dict[str, Any]:
    """Measure, in a home with a live version.

    Args:
        home: The home.
        rounds: How often each day is scored, in both ways.
        count: How many rows a large batch has; none is scored if there are to be none.
    """
    whole = build(home, ASSETS, _say)
    score_days(whole, [FIRST + timedelta(at) for at in range((DAYS[-1] - FIRST).days)], _say)
    days = {day: whole.rows(day) for day in DAYS}
    _scored(whole, days)  # what is asked for the first time is made then
    told: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine(),
        "day": figures([one for _ in range(rounds) for one in _scored(whole, days)]),
    }
    project = Project.find(Path(__file__))
    cost_of_run(whole, project, DAYS[0])  # untimed, like the first ones above
    runs = [cost_of_run(whole, project, day) for _ in range(rounds) for day in DAYS]
    told["run"] = figures(runs)
    if count:
        last = DAYS[-1]
        year = pd.concat([whole.rows(FIRST + timedelta(at)) for at in range(0, 270, 4)])
        told["million"] = figures([cost(whole, last, repeated(days[last], count))])
        told["million_of_a_year"] = figures([cost(whole, last, repeated(year, count))])
    return told


def _scored(whole: Platform, days: Mapping[date, pd.DataFrame]) -> list[Cost]:
    return [cost(whole, day, rows) for day, rows in days.items()]


def _say(said: str) -> None:
    print(said, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a report and write `benchmarks/results/checks.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=MILLION, help="of a large batch; 0 for none")
    asked = parser.parse_args(arguments)
    start_command()
    with home_of() as home:
        told = measure(home, asked.rounds, asked.rows)
    for line in report(told):
        print(line)
    print("\nTargets")
    for line in targets(told):
        print(f"  {line}")
    if asked.rounds >= ROUNDS and asked.rows == MILLION:
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")
        print(f"Written to {RESULTS}")


@contextmanager
def home_of() -> Iterator[Path]:
    """The home that `LOCKSTEP_HOME` names, or one of its own for as long as it is needed."""
    given = os.environ.get("LOCKSTEP_HOME")
    if given is not None:
        yield Path(given)
        return
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as made:
        os.environ["LOCKSTEP_HOME"] = made
        yield Path(made)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"bench-checks: {error}")
