"""What is recorded of a partition, to be compared with what an undisturbed run records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
from pyarrow import parquet

from lockstep.checks.check_results import CheckResult
from lockstep.scoring.work import FIGURES
from lockstep.store.partition_records import Records

Values: TypeAlias = Mapping[str, Sequence[str]]
"""By column, its values in order, each as a text that tells it to the bit."""
_TIMES = ("scored_at", "came_at")
_QUARANTINES = ("batch_quarantine", "scored_quarantine")
_ASIDE = ("quarantined", "duplicates", "held_back")
_OF_THE_TIME = ("live_age",)
"""Checks whose results depend on the time."""


def values_of(table: pa.Table) -> Values:
    """The values of a table, but for the times of the run that wrote it."""
    names = [name for name in table.column_names if name not in _TIMES]
    return {name: [repr(value) for value in table[name].to_pylist()] for name in names}


@dataclass(frozen=True)
class Recorded:
    """What is recorded of a published partition, but for times.

    Attributes:
        tables: The values of each table of the attempt that counts.
        counts: By step, numbers of rows.
        figures: Means and shares of the outputs, as texts.
        consumers: The values that consumers read.
    """

    tables: Mapping[str, Values]
    counts: Mapping[str, Mapping[str, int]]
    figures: Mapping[str, str]
    consumers: Values

    @classmethod
    def of(cls, records: Records, partition: str) -> Recorded:
        """Read what is recorded of a partition.

        Raises:
            DamagedError: A file is not as recorded, or consumers read something else.
        """
        attempt = records.demand(partition)
        attempt.verify()
        records.verify_export(attempt)
        steps = attempt.record.steps
        aside = {name: attempt.read(name).sort_by("row") for name in _QUARANTINES}
        others = {name: attempt.read(name) for name in ("batch", "scored", "published")}
        return cls(
            tables={name: values_of(table) for name, table in {**others, **aside}.items()},
            counts={name: dict(step.counts) for name, step in steps.items()},
            figures={name: repr(value) for name, value in steps["scored"].facts[FIGURES].items()},
            consumers=values_of(parquet.ParquetFile(records.export_path(partition)).read()),
        )

    @property
    def published(self) -> Values:
        """The values that are published."""
        return self.tables["published"]

    @property
    def lost(self) -> int:
        """Rows that came in and are neither published nor set aside; negative where some are twice.

        They are counted in the tables, and so are those that the record counts.
        """
        came = self.counts["batch"]["rows_in"]
        aside = sum(len(self.tables[name]["row"]) for name in _QUARANTINES)
        counted = sum(
            self.counts[step].get(fate, 0) for step in ("batch", "scored") for fate in _ASIDE
        )
        assert aside == counted, f"{aside} rows are set aside, and the record counts {counted}"
        return came - aside - len(self.consumers["version"])


def results_of(records: Records, partition: str) -> dict[str, CheckResult]:
    """The check results of the attempt that counts, but for what depends on the time."""
    steps = records.demand(partition).record.steps.values()
    found = {name: result for step in steps for name, result in step.results.items()}
    return {name: result for name, result in found.items() if name not in _OF_THE_TIME}
