"""Make small mistakes in the library, one at a time, and run the tests that touch each.

A mutant is killed if a test fails that passes without it, or does not end. Two are tried at once,
each in a copy of the checkout.

    python -m benchmarks.mutants [--count 200] [--seed 39] [--tests REVISION] [--home FOLDER]

With `--tests`, the tests are those of another revision: what is killed by them stands beside what
the tests of this checkout kill. With `--home`, what was found is kept in that folder, so that a run
that was broken off goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any, Self

from benchmarks._report import this_machine
from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.mutants.mutations import KINDS, Mutant, sample
from benchmarks.mutants.tests import Tests, failing, look_at

RESULTS = HERE / "benchmarks" / "results" / "mutants.json"
COUNT, SEED, AT_ONCE = 200, 39, 2
MOST_SECONDS = 90.0
"""Seconds of tests for a mutant at most; the report says of how many there were more."""
_TRIES = 3
"""How often the tests are run where one of them fails by itself, as on a busy machine."""


@dataclass(frozen=True)
class Trial:
    """What came of a mutant.

    Attributes:
        mutant: The mutant.
        killed: Whether a test failed.
        tests: How many tests were run on it.
        is_whole: Whether these are all that touch it.
        by: The test that failed, or all of them where they did not end.
    """

    mutant: Mutant
    killed: bool
    tests: int
    is_whole: bool
    by: Sequence[str] = ()

    @classmethod
    def read(cls, line: str) -> Self:
        """What was written of one."""
        kept = json.loads(line)
        return cls(**{**kept, "mutant": Mutant(**kept["mutant"])})


def copied(folder: Path, tests: str | None) -> Path:
    """A copy of this checkout, as it is committed, with the tests of a revision.

    Benchmarks, too, are those of the revision: its tests may import them.
    """
    git = ["git", "-C", str(folder), "-c", "advice.detachedHead=false"]
    subprocess.run(["git", "clone", "--quiet", "--shared", str(HERE), str(folder)], check=True)
    if tests is not None:
        shutil.rmtree(folder / "tests")
        subprocess.run(
            [*git, "checkout", "--quiet", tests, "--", "tests", "benchmarks"], check=True
        )
    return folder


def tried(mutant: Mutant, checkout: Path, tests: Tests, first: Container[str] = ()) -> Trial:
    """Run the tests that touch a mutant, in a copy of the checkout.

    Args:
        mutant: The mutant.
        checkout: The copy; its library is changed for that, and put back.
        tests: The tests of the copy.
        first: The tests to begin with, such as those that killed it before.
    """
    chosen, is_whole = tests.chosen(mutant, MOST_SECONDS)
    chosen.sort(key=lambda test: test not in first)
    most = 60 + 3 * sum(tests.seconds.get(test, 0.0) for test in chosen)
    file = checkout / mutant.path
    before = file.read_bytes()
    killed, failed = False, list[str]()
    for _ in range(_TRIES if chosen else 0):
        file.write_bytes(mutant.applied(before))
        try:
            failed = failing(checkout, chosen, most)
        finally:
            file.write_bytes(before)
        killed = bool(failed) and not failing(checkout, failed, most)
        if killed or not failed:
            break
    return Trial(mutant, killed, len(chosen), is_whole, failed if killed else ())


def measure(
    mutants: Sequence[Mutant],
    tests: str | None,
    kept: Path,
    killers: Mapping[Mutant, Container[str]],
) -> tuple[list[Trial], float]:
    """Try all mutants by the tests of a revision; also the seconds that this took.

    Args:
        mutants: The mutants.
        tests: The revision; None for the tests of this checkout.
        kept: A folder for what is found; what is there already is not tried again.
        killers: The tests that each mutant is tried by first.
    """
    begun = time.perf_counter()
    of_mutants, trials = kept / "tests.json", kept / "trials.jsonl"
    trials.touch()
    known = {each.mutant: each for each in map(Trial.read, trials.read_text().splitlines())}
    left = [mutant for mutant in mutants if mutant not in known]
    with tempfile.TemporaryDirectory(prefix="lockstep-mutants-") as scratch:
        free: Queue[Path] = Queue()
        for number in range(AT_ONCE):
            free.put(copied(Path(scratch) / f"copy{number}", tests))
        if not of_mutants.exists():
            first = free.get()
            of_mutants.write_text(look_at(first, Path(scratch), mutants).to_json())
            free.put(first)
        touching = Tests.from_json(of_mutants.read_text())

        def one(mutant: Mutant) -> Trial:
            checkout = free.get()
            try:
                trial = tried(mutant, checkout, touching, killers.get(mutant, ()))
            finally:
                free.put(checkout)
            with trials.open("a") as file:
                file.write(json.dumps(asdict(trial)) + "\n")
            print("killed" if trial.killed else "SURVIVED", trial.tests, mutant, flush=True)
            return trial

        with ThreadPoolExecutor(AT_ONCE) as pool:
            known |= {trial.mutant: trial for trial in pool.map(one, left)}
    return [known[mutant] for mutant in mutants], time.perf_counter() - begun


def report(
    trials: Sequence[Trial], seconds: float, seed: int, before: dict[str, Any] | None
) -> dict[str, Any]:
    """What is written: the share killed by these tests, beside that by those before."""
    killed = sum(trial.killed for trial in trials)
    by_kind = {
        kind: [sum(each.killed for each in own), len(own)]
        for kind in KINDS
        if (own := [trial for trial in trials if trial.mutant.kind == kind])
    }
    survivors = [
        {**asdict(each.mutant), "tests": each.tests, "is_whole": each.is_whole}
        for each in trials
        if not each.killed
    ]
    return {
        "mutants": len(trials),
        "killed_before": before["killed_after"] if before else None,
        "killed_after": killed,
        "by_kind": by_kind,
        "survivors": survivors,
        "survivors_before": before["survivors"] if before else None,
        "most_seconds": MOST_SECONDS,
        "seed": seed,
        "seconds": round(seconds),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Try mutants, print what came of each, and write `benchmarks/results/mutants.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--tests", metavar="REVISION", help="try the tests of that one before")
    parser.add_argument("--home", metavar="FOLDER", type=Path, help="where what is found is kept")
    asked = parser.parse_args(arguments)
    mutants = sample(HERE, "lockstep", asked.count, asked.seed)
    tree = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD:lockstep"]
    library = subprocess.run(tree, check=True, capture_output=True, text=True).stdout.strip()
    temporary = tempfile.TemporaryDirectory(prefix="lockstep-mutants-")
    with nullcontext(asked.home) if asked.home else temporary as home:
        folders = {tests: Path(home) / library / (tests or "here") for tests in (None, asked.tests)}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        trials, seconds = measure(mutants, None, folders[None], {})
        before = None
        if asked.tests is not None:
            killers = {trial.mutant: trial.by for trial in trials}
            earlier, more = measure(mutants, asked.tests, folders[asked.tests], killers)
            before, seconds = report(earlier, more, asked.seed, None), seconds + more
        found = report(trials, seconds, asked.seed, before)
    print(json.dumps(found, indent=1))
    if asked.count >= COUNT:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        print(f"Written to {RESULTS}")
    if found["killed_before"] is not None and found["killed_after"] < found["killed_before"]:
        raise BenchmarkError("these tests kill fewer mutants than those before")


if __name__ == "__main__":
    main()
