"""A record computed twice, as a notebook shows it."""

from collections.abc import Mapping
from typing import Any

from lockstep.checks.pictures import divergence_picture
from lockstep.columns.graph import Graph
from lockstep.columns.html import table, titled
from lockstep.parity.comparison import Comparison


def record_form(
    told: tuple[str, str],
    sides: tuple[str, str],
    values: Mapping[str, tuple[Any, Any]],
    comparison: Comparison | None,
    graph: Graph,
) -> str:
    """A record by two sides, as `TwoSides` has it: values, the first that differs, the graph.

    `told` is its key and what is found. A record that has one side has no comparison.
    """
    first = comparison.first if comparison is not None else None
    column = first.column if first is not None else None
    rows = [("column", "role", *sides)]
    rows += [(name, graph.roles.get(name, ""), *both) for name, both in values.items()]
    marked = [(at, 3) for at, row in enumerate(rows) if row[0] == column]
    drawn = divergence_picture(graph, column, values, sides, told[0])
    return titled(told[0], told[1:], table(rows, marked), drawn)
