"""What the command line shows to people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from lockstep.columns.plain import cut
from lockstep.dagster.runs import CheckReport, RunReport

if TYPE_CHECKING:
    from lockstep.dagster.record import TracedRow

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)

_MARKS = {"passed": "[green]passed[/]", "warned": "[yellow]warned[/]", "failed": "[red]FAILED[/]"}


def show_checks(checks: Iterable[CheckReport], *, with_partition: bool = False) -> None:
    """Checks, the worst first: which one, and below it what was found."""
    worst_first = {"failed": 0, "warned": 1, "passed": 2}
    for check in sorted(checks, key=lambda check: worst_first[check.result]):
        where = f" {check.partition}" if with_partition and check.partition else ""
        OUT.print(f"{_MARKS[check.result]}  {check.asset}{_escape(where)}  [bold]{check.check}[/]")
        OUT.print(Padding(_escape(cut(check.summary, 800)), (0, 0, 0, 8)))


def show_run(report: RunReport) -> None:
    """A run: its checks, and why it broke off if it did."""
    if report.checks:
        show_checks(report.checks)
    if report.error is not None:
        show_error(report.error)


def show_error(message: str) -> None:
    """One clear line on what is wrong."""
    ERR.print(f"[red]error:[/] {_escape(message)}", soft_wrap=True)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def show_trace(row: TracedRow) -> None:
    """One row, a line a column; where it was computed otherwise than now, both values.

    A difference within the digits that the column is allowed is not marked.
    """
    divergent = {one.column for one in row.comparison.compared if not one.ok}
    table = Table(box=None, pad_edge=False)
    for title in ("column", "role", "stored", "computed now"):
        table.add_column(title)
    for name, stored in row.stored.items():
        computed = row.computed[name]
        now = "same" if computed == stored else _escape(str(computed))
        table.add_row(
            name,
            row.roles[name],
            _escape(str(stored)),
            f"[red]{now}[/]" if name in divergent else now,
        )
    OUT.print(f"{row.key}, scored by version {row.version}")
    OUT.print(table)
    OUT.print(_escape(row.comparison.summary))
