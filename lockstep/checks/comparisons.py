"""Comparisons as check results: the first divergent column, and what it does to the outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lockstep.checks.check_results import CheckResult, coverage
from lockstep.checks.impacts import impact_figures
from lockstep.checks.pictures import divergence_picture
from lockstep.checks.svg import in_markdown
from lockstep.columns.graph import Graph
from lockstep.columns.plain import all_of, counted

if TYPE_CHECKING:
    from lockstep.parity.comparison import ColumnComparison, Comparison, ParityReport
    from lockstep.parity.divergence import Divergence


def check_comparison(
    found: Comparison | ParityReport, graph: Graph, how: str, failing: str | None = None
) -> CheckResult:
    """Whether a comparison found every column equal; the first divergent one is named.

    Args:
        found: The comparison.
        graph: The graph whose columns were compared.
        how: How the rows were computed again, to end a sentence that begins "All columns agree".
        failing: The same where they do not; as `how` if it is not said, and empty where the report
            tells it.
    """
    rows = counted(found.rows, "row")
    agree = all_of(len(found.compared), "column", f"of {rows} agrees", f"of {rows} agree")
    again = how if failing is None else failing
    first = found.first
    unjudged = {name: why for name, why in found.skipped.items() if name in graph.served}
    return CheckResult(
        passed=found.ok,
        summary=f"{agree}, {how}."
        if found.ok
        else f"{found.summary}{f' ({again})' if again else ''}. {_impact(found, graph)}",
        column=first.column if first is not None else None,
        where=str(first.origin) if first is not None and first.origin is not None else "",
        keys=tuple(str(example.key) for example in first.examples) if first is not None else (),
        numbers={
            **coverage(found.rows, len(found.compared), unjudged),
            "divergent": sum(not column.ok for column in found.compared),
            **impact_figures(found.effects),
        },
        table=_examples(found) or [_compared(column) for column in found.compared],
        notes=_notes(first, graph) if first is not None else {},
        unjudged=unjudged,
    )


def _impact(found: Comparison | ParityReport, graph: Graph) -> str:
    """What a divergence does to the outputs: scores that move, and decisions that flip."""
    if found.effects:
        return f"Outputs: {'; '.join(map(str, found.effects))}."
    compared = {one.column for one in found.compared if not one.is_matrix}
    if found.first is not None and _is_hidden(found.first.column, compared, graph):
        return "What it does to the outputs is not known: not all columns up to them were computed."
    return "No output that was compared differs."


def _is_hidden(column: str, compared: set[str], graph: Graph) -> bool:
    """Whether an output comes from a column by way of one that was not computed again."""
    return any(
        column in graph.ancestors(name)
        for output in graph.outputs
        for name in (*graph.ancestors(output), output)
        if name not in compared
    )


def _notes(first: Divergence, graph: Graph) -> dict[str, str]:
    """A picture of the graph around the first divergence and, if there is one, its reproducer."""
    notes = {}
    if first.examples:
        key = first.examples[0].key
        drawn = divergence_picture(graph, first, first.sides, ("expected", "actual"), str(key))
        notes["the columns around it"] = in_markdown(drawn, f"{first.column} in the graph")
    if first.reproducer is not None and first.reproducer.record is not None:
        record = json.dumps(json.loads(first.reproducer.record), ensure_ascii=False, indent=1)
        notes["one record"] = f"```json\n{record}\n```"
    if first.reproducer is not None:
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
