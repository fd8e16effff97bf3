"""Comparisons as check results: the first divergent column, and what it does to the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lockstep.checks.pictures import divergence_picture, in_markdown
from lockstep.checks.results import CheckResult
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Kind

if TYPE_CHECKING:
    from lockstep.parity.comparison import ColumnComparison, Comparison, ParityReport
    from lockstep.parity.divergence import Divergence


def check_comparison(found: Comparison | ParityReport, graph: Graph, how: str) -> CheckResult:
    """Whether a comparison found every column equal; the first divergent one is named.

    Args:
        found: The comparison.
        graph: The graph whose columns were compared.
        how: How the rows were computed again, to end a sentence that begins "All columns agree".
    """
    first, outputs = found.first, _outputs(found, graph)
    return CheckResult(
        passed=found.ok,
        summary=f"All {len(found.compared)} columns of {found.rows:,} rows agree, {how}."
        if found.ok
        else f"{found.summary} ({how}). {_impact(outputs, graph)}",
        column=first.column if first is not None else None,
        where=str(first.origin) if first is not None and first.origin is not None else "",
        keys=tuple(str(example.key) for example in first.examples) if first is not None else (),
        numbers={
            "rows": found.rows,
            "columns": len(found.compared),
            "divergent": sum(not column.ok for column in found.compared),
            **{f"{one.column}: rows that differ": one.differing for one in outputs},
        },
        table=_examples(found) or [_compared(column) for column in found.compared],
        notes=_notes(first, graph) if first is not None else {},
    )


def _outputs(found: Comparison | ParityReport, graph: Graph) -> list[ColumnComparison]:
    """How the outputs compared, as far as they differ."""
    outputs = set(graph.outputs)
    return [
        one for one in found.compared if one.column in outputs and not one.is_matrix and not one.ok
    ]


def _impact(outputs: list[ColumnComparison], graph: Graph) -> str:
    """What a divergence does to the outputs: scores that move, and decisions that flip."""
    if not outputs:
        return "No output that was compared differs."
    return f"Outputs: {'; '.join(_change(one, graph) for one in outputs)}."


def _change(one: ColumnComparison, graph: Graph) -> str:
    rows = f"in {one.differing:,} of {one.rows:,} rows"
    if graph.kind(one.column) is not Kind.FLOAT:
        return f"{one.column} flips {rows}"
    moved = f" by up to {one.largest:.4g}" if one.largest is not None else ""
    return f"{one.column} moves{moved} {rows}"


def _notes(first: Divergence, graph: Graph) -> dict[str, str]:
    """A picture of the graph around the first divergence and, if there is one, its reproducer."""
    notes = {}
    if first.examples and not first.is_matrix:
        example = first.examples[0]
        values = {name: (value, value) for name, value in example.inputs.items()}
        values[first.column] = (example.expected, example.actual)
        drawn = divergence_picture(graph, first, values, ("expected", "actual"))
        notes["the columns around it"] = in_markdown(drawn, f"{first.column} in the graph")
    if first.reproducer is not None:
        notes["one record"] = f"```json\n{first.reproducer.record}\n```"
        notes["a test that fails while the column differs"] = (
            f"```python\n{first.reproducer.test}\n```"
        )
    return notes


def _examples(found: Comparison | ParityReport) -> list[dict[str, Any]]:
    if found.first is None:
        return []
    return [
        {
            "column": found.first.column,
            "key": str(example.key),
            "expected": str(example.expected),
            "actual": str(example.actual),
            "inputs": ", ".join(f"{name}={value}" for name, value in example.inputs.items()),
        }
        for example in found.first.examples
    ]


def _compared(column: ColumnComparison) -> dict[str, Any]:
    return {
        "column": f"matrix of {column.column}" if column.is_matrix else column.column,
        "rows": column.rows,
        "allowed ulps": column.budget,
        "largest ulps": column.ulps,
    }
