"""Tables made ready: each trained and promoted, and its clean days scored in sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.skew.judged import Judged
from benchmarks.skew.platform import build, score_days
from benchmarks.skew.tables import TABLES
from benchmarks.skew.workers import carry_out, say


@dataclass(frozen=True)
class Task:
    """A table to make ready.

    Attributes:
        table: Its name.
        home: The home of its platform.
    """

    table: str
    home: Path


def make_ready(homes: Mapping[str, Path]) -> dict[str, dict[date, Judged]]:
    """Train tables and score their clean days, two tables at a time: each is a single thread.

    Args:
        homes: The home of each table's platform, by the table's name.

    Returns:
        What the checks found of each day, by table; days that were scored before are left out.

    Raises:
        BenchmarkError: A table's package cannot be installed, or no version went live.
    """
    tasks = [Task(name, home) for name, home in homes.items()]
    return dict(zip(homes, carry_out(_made_ready, tasks, "other tables"), strict=True))


def _made_ready(task: Task) -> dict[date, Judged]:
    table = TABLES[task.table]
    platform = build(task.home, table.declared, say)
    return score_days(platform, table.calendar, say)
