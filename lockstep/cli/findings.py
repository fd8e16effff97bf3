"""Commands about what was found: by the checks, and of one row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, AsJson, Attempt, Day, PipelineName, ScoredFile

if TYPE_CHECKING:
    from lockstep.project.declaration import PipelineAssets


def checks(
    pipeline: PipelineName,
    day: Day = None,
    file: ScoredFile = None,
    all_partitions: Annotated[
        bool, typer.Option("--all", help="Every day and file, not the last.")
    ] = False,
    passed: Annotated[
        bool, typer.Option("--passed", help="Show what passed checks found, too.")
    ] = False,
    attempt: Attempt = None,
    as_json: AsJson = False,
) -> None:
    """Show what every check of a pipeline found last; 1 if one is in error."""
    from lockstep.cli.console import say, show_checks, show_json
    from lockstep.columns.errors import LockstepError
    from lockstep.dagster.record import recorded_checks
    from lockstep.scoring.store import Store

    declared = context.pipeline(pipeline)
    partition = _partition(declared, day, file)
    if attempt is not None and partition is None:
        raise LockstepError("Say of which partition that is an attempt: --day DAY, or --file NAME.")
    found = recorded_checks(
        declared,
        context.recorded(),
        Store(context.home().data / declared.name),
        day=partition,
        all_partitions=all_partitions,
        attempt=attempt,
    )
    if as_json:
        show_json([check.to_json(context.dagster()) for check in found])
    elif found:
        show_checks(found, passed_too=passed, partitions=True, dagster=context.dagster())
    else:
        what = f" for {partition}" if partition is not None else ""
        say(f"No check of {declared.name} has run{what} in {context.home().path}.")
    if any(check.result == "failed" for check in found):
        raise typer.Exit(FAILED)


def trace(
    pipeline: PipelineName,
    key: Annotated[str, typer.Option(help="Key of the row.")],
    day: Day = None,
    file: ScoredFile = None,
    attempt: Attempt = None,
    as_json: AsJson = False,
) -> None:
    """Show every column of one row beside its value computed anew; 1 if they differ.

    Of a row that was set aside, show why; 1 then, too.
    """
    from lockstep.cli.console import show_aside, show_json, show_trace
    from lockstep.columns.errors import LockstepError
    from lockstep.scoring.trace import TracedAside, trace_row

    declared = context.pipeline(pipeline)
    partition = _partition(declared, day, file)
    if partition is None:
        raise LockstepError("Say where the row was scored: --day DAY, or --file NAME.")
    found = trace_row(declared, context.home(), context.registry(), partition, key, attempt)
    if as_json:
        show_json(found.to_json())
    elif isinstance(found, TracedAside):
        show_aside(found)
    else:
        show_trace(found)
    if not found.agrees:
        raise typer.Exit(FAILED)


def _partition(declared: PipelineAssets, day: str | None, file: Path | None) -> str | None:
    """The partition that a day or a file's name stands for; None if neither is given."""
    from lockstep.cli.days import to_day
    from lockstep.columns.errors import LockstepError
    from lockstep.scoring.inbox import find_claimed

    if day is not None and file is not None:
        raise LockstepError("Say either which day or which file, not both.")
    if file is not None:
        return find_claimed(context.home().inbox(declared.name), file)
    return to_day(day).isoformat() if day is not None else None
