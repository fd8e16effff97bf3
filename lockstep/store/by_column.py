"""Findings by column, of the last partitions of a stream."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.checks.pictures import Cell
from lockstep.columns.graph import Graph
from lockstep.errors import DamagedError
from lockstep.store.partition_records import Records

PARTITIONS = 30
"""Partitions shown: a month of days."""


def last_partitions(records: Records, partition: str) -> list[str]:
    """A partition and those attempted before it, with whatever result, the oldest first."""
    return [*records.attempted_before(partition, PARTITIONS - 1), partition]


def findings(records: Records, partition: str, graph: Graph) -> Iterator[Cell]:
    """The results of the last attempt at a partition, by column.

    Fields and outputs without a finding have passed, where any check was judged. A finding of
    several columns counts for each. One without a column has the name of its check in brackets.
    """
    try:
        attempt = records.last(partition)
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
        for check, result in step.results.items():
            if result.judged and not result.passed:
                yield Cell(result.column or f"({check})", partition, result.result, check)
                for column in result.also:
                    yield Cell(column, partition, result.result, check, is_beside=True)
