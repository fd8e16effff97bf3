"""The tools that get the same faults and the same clean days: how each is run, and on what."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks._environments import environment_of, pinned

REQUIREMENTS = Path(__file__).with_name("peers")
TFDV, EVIDENTLY = (REQUIREMENTS / f"{name}.txt" for name in ("tfdv", "evidently"))
"""What the tools need that have environments of their own."""


@dataclass(frozen=True)
class Tool:
    """Another tool that judges data.

    Attributes:
        name: Its name.
        version: Its release.
        script: The module that has it judge deliveries.
        requirements: What its environment needs; None for a library of the project itself.
        fault_days: On how many days of each half a fault is tried.
        clean_every: It judges every so manieth of the clean days.
        remark: What it is made for, and how it is set up.
        parts: Into how many parts its deliveries are split, which are judged at once.
    """

    name: str
    version: str
    script: str
    requirements: Path | None
    fault_days: int
    clean_every: int
    remark: str
    parts: int = 1

    def python(self) -> Path:
        """The Python of its environment, which is made if it is not there.

        Raises:
            BenchmarkError: It cannot be installed.
        """
        if self.requirements is None:
            return Path(sys.executable)
        return environment_of(self.requirements)


TOOLS = (
    Tool(
        "Evidently",
        pinned(EVIDENTLY),
        "evidently_tests",
        EVIDENTLY,
        1,
        11,
        "compares distributions of single columns with a reference, the training; an eighth of its "
        "rows, with all extremes and categories, since a day takes seconds",
        parts=2,
    ),
    Tool(
        "TFDV",
        pinned(TFDV, "tensorflow-data-validation"),
        "tfdv_anomalies",
        TFDV,
        3,
        3,
        "the schema tells types, presence and categories; comparators of each column with training "
        "and the day before have no default, so 0.01 of its guide's example is tried, and 0.3, the "
        "default of Google's services on it; key and time are left out",
    ),
    Tool(
        "Great Expectations",
        metadata.version("great_expectations"),
        "great_expectations_ranges",
        None,
        3,
        3,
        "expects what people write down; ranges, sets of texts and missing shares are taken from "
        "the training here, which has no summer",
    ),
    Tool(
        "MLflow",
        metadata.version("mlflow"),
        "mlflow_signature",
        None,
        3,
        3,
        "columns and types, no values: it is not made for faults that leave the types alone",
    ),
)
"""The slow ones first, on fewer days; clean days of both halves, so every so manieth is odd."""
