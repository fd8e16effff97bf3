"""What a benchmark ran on, and how its samples spread."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

LIBRARIES = (
    "dagster",
    "great-expectations",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
)


@dataclass(frozen=True)
class Machine:
    """The facts that a reader needs to judge a figure."""

    processor: str
    cores: int  # that this process may use
    system: str
    python: str
    libraries: dict[str, str]  # distribution -> version

    def __str__(self) -> str:
        """Two lines for the head of a report."""
        libraries = ", ".join(f"{name} {release}" for name, release in self.libraries.items())
        return "\n".join(
            [
                f"{self.processor}, {self.cores} cores, {self.system}",
                f"Python {self.python}, {libraries}",
            ]
        )


def machine() -> Machine:
    """Describe this machine and the libraries installed in this environment."""
    return Machine(
        processor=_processor(),
        cores=_cores(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
    )


def _cores() -> int:
    """Count the cores that this process may use; all of them where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """Return the model that Linux reports in /proc/cpuinfo, else what Python knows of it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            field, _, value = line.partition(":")
            if field.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


@dataclass(frozen=True)
class Spread:
    """Median and outer deciles of some samples, in the samples' unit."""

    median: float
    p10: float
    p90: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.p10:.3g} to {self.p90:.3g})"


def spread(samples: Sequence[float]) -> Spread:
    """Summarise samples; deciles between two samples are interpolated linearly.

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("no samples to summarise")
    p10, median, p90 = np.percentile(samples, (10, 50, 90))
    return Spread(median=float(median), p10=float(p10), p90=float(p90))
