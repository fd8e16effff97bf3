"""What a benchmark's report says of the machine, of its figures and of its targets."""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyperf

LIBRARIES = (
    "dagster",
    "great-expectations",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "pyperf",
)
_PRIVATE = frozenset(
    (
        *("hostname", "platform", "boot_time", "uptime", "command"),
        *("python_executable", "python_config_args", "python_cflags"),
    )
)
"""What pyperf notes of a machine that says nothing about a figure."""


@dataclass(frozen=True)
class Outcome:
    """What was measured for a target.

    Attributes:
        target: What is limited, and in which unit.
        measured: What was measured.
        limit: What it may be at most, or has to be at least.
        is_least: Whether the limit is what it has to be at least.
    """

    target: str
    measured: float
    limit: float
    is_least: bool = False

    def __str__(self) -> str:
        is_met = self.measured >= self.limit if self.is_least else self.measured <= self.limit
        wanted = f"at {'least' if self.is_least else 'most'} {self.limit:.3g} wanted"
        came = "met" if is_met else "FALLS SHORT"
        return f"{self.target}: {wanted}, {self.measured:.3g} measured: {came}"


def machine(suite: pyperf.BenchmarkSuite, names: Sequence[str] = LIBRARIES) -> str:
    """The processor, the system and the versions that figures come from, in two lines.

    Args:
        suite: Benchmarks that were run there.
        names: The libraries whose versions are told.
    """
    facts = suite.get_metadata()
    processor, cores = facts.get("cpu_model_name", platform.processor()), facts["cpu_count"]
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{processor}, {cores} cores, {platform.system()} {platform.machine()}\n"
        f"Python {platform.python_version()}, {libraries}"
    )


def this_machine() -> str:
    """The same of the machine that this runs on, in one line, where nothing is timed by pyperf."""
    run = pyperf.Run([1.0], metadata={"name": "machine"})
    return ", ".join(machine(pyperf.BenchmarkSuite([pyperf.Benchmark([run])])).splitlines())


def table(suite: pyperf.BenchmarkSuite) -> str:
    """The median of each benchmark, with its least and its largest value."""
    width = max(map(len, suite.get_benchmark_names()))
    return "\n".join(
        f"  {bench.get_name():<{width}}  {_spread(bench)}" for bench in suite.get_benchmarks()
    )


def _spread(bench: pyperf.Benchmark) -> str:
    values = bench.get_values()
    middle, low, high = bench.format_values((bench.median(), min(values), max(values)))
    return f"{middle} ({low} to {high})"


def ratios(bench: pyperf.Benchmark, base: pyperf.Benchmark) -> list[float]:
    """How many times the base's time a benchmark took, round by round."""
    return [
        statistics.median(one.values) / statistics.median(other.values)
        for one, other in zip(bench.get_runs(), base.get_runs(), strict=True)
    ]


def ratio(found: Sequence[float]) -> str:
    """The median of some ratios, with the least and the largest."""
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def write(suite: pyperf.BenchmarkSuite, path: Path) -> None:
    """Write a suite for pyperf to read again, with versions and without this machine's name."""
    for bench in suite.get_benchmarks():
        bench.update_metadata({f"{name}_version": version(name) for name in LIBRARIES})
    suite.dump(str(path), replace=True)
    document = _without_private(json.loads(path.read_text()))
    path.write_text(json.dumps(document, indent=1) + "\n")


def _without_private(document: Any) -> Any:
    if isinstance(document, dict):
        return {
            key: _without_private(value) for key, value in document.items() if key not in _PRIVATE
        }
    if isinstance(document, list):
        return [_without_private(value) for value in document]
    return document
