"""The end of a command that has carried out runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from lockstep.cli.arguments import FAILED, MISUSED

if TYPE_CHECKING:
    from lockstep.dagster.run_reports import RunReport


@contextmanager
def interruption_told(message: Callable[[], str]) -> Iterator[None]:
    """On an interruption, say what is kept and how to go on, as `message` returns it."""
    try:
        yield
    except KeyboardInterrupt:
        from lockstep.cli.console import show_interruption

        show_interruption(message())
        raise


def finish(reports: Sequence[RunReport], facts: Mapping[str, Any], as_json: bool) -> None:
    """Show the errors of runs, print them as JSON if asked to, and end the command.

    `facts` is further content of the JSON.
    """
    from lockstep.cli import context
    from lockstep.cli.console import show_errors, show_json

    if as_json:
        dagster = context.dagster()
        show_json({**facts, "runs": [report.to_json(dagster) for report in reports]})
    show_errors(reports)
    if any(report.error is not None and report.is_mistake for report in reports):
        raise typer.Exit(MISUSED)
    if not all(report.ok for report in reports):
        raise typer.Exit(FAILED)
