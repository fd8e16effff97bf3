"""This checkout against an older one: `python -m benchmarks.compare OLD_CHECKOUT [core] [run]`.

Each round times one after the other, in processes that import all of their own checkout, and
every other round begins with the other. The two sides share this environment's libraries.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pyperf

from benchmarks import core, run
from benchmarks._report import machine, ratio, ratios
from benchmarks._rounds import HERE, BenchmarkError, Checkout, time_rounds

ROUNDS = {"core": core.ROUNDS, "run": run.ROUNDS}


def main() -> None:
    """Measure both checkouts in turns and print how many times the old one's time each takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("old", type=Path, help="the older checkout")
    parser.add_argument("parts", nargs="*", help="core, run, or both")
    parser.add_argument("--rounds", type=int, help="other than each benchmark's own")
    options = parser.parse_args()
    old, parts = options.old.resolve(), options.parts or list(PARTS)
    if not (old / "benchmarks" / "core.py").is_file():
        parser.error(f"{options.old} is no checkout of Lockstep: it has no benchmarks/core.py")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(PARTS)}")
    for part in parts:
        before, now = PARTS[part](old, options.rounds or ROUNDS[part])
        print(f"\n{machine(now)}\n\n{comparison(before, now)}\n")


def compare_core(old: Path, rounds: int) -> list[pyperf.BenchmarkSuite]:
    """What the stages of the core take in both checkouts."""
    return time_rounds(
        core.SCRIPT, [Checkout(old), Checkout(HERE)], rounds, lambda _: core.one_core()
    )


def compare_run(old: Path, rounds: int) -> list[pyperf.BenchmarkSuite]:
    """What a scoring run and the definitions take in both, each with a version of its own."""
    with run.trained(old) as before, run.trained(HERE) as now:
        return time_rounds(run.SCRIPT, [before, now], rounds, run.commands)


PARTS: dict[str, Callable[[Path, int], list[pyperf.BenchmarkSuite]]] = {
    "core": compare_core,
    "run": compare_run,
}


def comparison(before: pyperf.BenchmarkSuite, now: pyperf.BenchmarkSuite) -> str:
    """A line a benchmark that both have: the ratio within a round, and both medians."""
    names = [name for name in now.get_benchmark_names() if name in before.get_benchmark_names()]
    width = max(map(len, names))
    lines = [f"  {'':<{width}}  now / before within a round: median (least to largest)"]
    for name in names:
        ours, theirs = now.get_benchmark(name), before.get_benchmark(name)
        medians = ours.format_values((theirs.median(), ours.median()))
        lines.append(
            f"  {name:<{width}}  {ratio(ratios(ours, theirs))}, {' before, '.join(medians)} now"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        raise SystemExit(f"compare: {error}") from None
