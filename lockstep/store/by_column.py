"""Findings: what the checks found of each column of the last partitions of a stream."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.checks.pictures import Cell
from lockstep.columns.graph import Graph
from lockstep.errors import DamagedError
from lockstep.store.partition_records import Records

PARTITIONS = 30
"""Partitions that are looked at: a month of days."""


def last_partitions(records: Records, partition: str) -> list[str]:
    """A partition and those attempted before it, whatever came of them, the oldest first.

    Args:
        records: The stream's.
        partition: The last one.
    """
    return [one for one in records.attempted() if one <= partition][-PARTITIONS:]


def findings(records: Records, partition: str, graph: Graph) -> Iterator[Cell]:
    """What the last attempt at a partition found of each column.

    Fields and outputs of which no check found anything have passed, where any check looked at
    them. A finding of several columns stands at each. One that names no column stands under the
    name of its check in brackets.

    Args:
        records: The stream's.
        partition: The partition.
        graph: The columns of the pipeline.
    """
    try:
        attempt = next(records.newest_first(partition), None)
    except DamagedError:
        yield Cell("(record)", partition, "failed", "damaged record")
        return
    steps = attempt.record.steps if attempt is not None else {}
    for name, columns in (("batch", graph.record.names), ("scored", graph.outputs)):
        results = steps[name].results.values() if name in steps else ()
        looked = any(result.judged for result in results)
        yield from (
            Cell(column, partition, "passed" if looked else "not_judged") for column in columns
        )
    for step in steps.values():
        for check, found in step.results.items():
            if found.judged and not found.passed:
                yield Cell(found.column or f"({check})", partition, found.result, check)
                for one in found.also:
                    yield Cell(one, partition, found.result, check, is_beside=True)
