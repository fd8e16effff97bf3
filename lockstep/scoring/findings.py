"""Findings: what the checks found of each column of the last partitions of a stream."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.checks.pictures import Cell
from lockstep.checks.results import CheckResult
from lockstep.scoring.attempts import DamagedError
from lockstep.scoring.records import Records

PARTITIONS = 30
"""Partitions that are looked at: a month of days."""


def last_partitions(records: Records, partition: str) -> list[str]:
    """A partition and those attempted before it, whatever came of them, the oldest first.

    Args:
        records: The stream's.
        partition: The last one.
    """
    return [one for one in records.attempted() if one <= partition][-PARTITIONS:]


def findings(records: Records, partition: str) -> Iterator[Cell]:
    """What the last attempt at a partition found, a finding a column.

    A finding that names no column stands under the name of its check in brackets. Checks that
    passed, and those that were not judged, are left out.

    Args:
        records: The stream's.
        partition: The partition.
    """
    try:
        attempt = next(records.newest_first(partition), None)
    except DamagedError as error:
        yield Cell("(record)", partition, "failed", str(error))
        return
    steps = attempt.record.steps.values() if attempt is not None else ()
    for step in steps:
        for check, found in step.results.items():
            if found.judged and not found.passed:
                yield _cell(check, partition, found)


def _cell(check: str, partition: str, found: CheckResult) -> Cell:
    return Cell(found.column or f"({check})", partition, found.result, f"{check}: {found.summary}")
