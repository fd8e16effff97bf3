"""How a command ends that has carried out runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from lockstep.cli.arguments import FAILED, MISUSED

if TYPE_CHECKING:
    from lockstep.dagster.runs import RunReport


@contextmanager
def interruption_told(said: Callable[[], str]) -> Iterator[None]:
    """Say, where something is interrupted, what is kept of it and how to go on.

    Args:
        said: Tells that, in sentences.

    Raises:
        KeyboardInterrupt: It was interrupted.
    """
    try:
        yield
    except KeyboardInterrupt:
        from lockstep.cli.console import show_interruption

        show_interruption(said())
        raise


def finish(reports: Sequence[RunReport], facts: Mapping[str, Any], as_json: bool) -> None:
    """Say why runs broke off, print everything as JSON if it is asked for, and end.

    Raises:
        typer.Exit: The runs did not all go well; its status says how.
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
