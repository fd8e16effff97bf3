"""A record computed twice, as a notebook shows it."""

from collections.abc import Mapping
from typing import Any

from lockstep.checks.pictures import divergence_picture
from lockstep.columns.graph import Graph
from lockstep.columns.html import table, titled
from lockstep.parity.comparison import Comparison


def record_form(
    key: str,
    sides: tuple[str, str],
    values: Mapping[str, tuple[Any, Any]],
    comparison: Comparison,
    graph: Graph,
) -> str:
    """A record by two sides, as `TwoSides` has it: values, the first that differs, the graph."""
    column = comparison.first.column if comparison.first is not None else None
    rows = [("column", "role", *sides)]
    rows += [(name, graph.roles.get(name, ""), *both) for name, both in values.items()]
    marked = [(at, 3) for at, row in enumerate(rows) if row[0] == column]
    drawn = divergence_picture(graph, column, values, sides, key)
    return titled(key, [comparison.summary], table(rows, marked), drawn)
