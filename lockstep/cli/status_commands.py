"""The command that shows the state of all pipelines."""

from __future__ import annotations

from typing import Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, PIPELINE, AsJson, pipeline_names

_SECONDS = 20.0
"""How long to wait for the registry and the servers."""


def status(
    pipeline: Annotated[
        str | None,
        typer.Argument(
            metavar=f"[{PIPELINE}]",
            help="Name of the pipeline; all by default.",
            autocompletion=pipeline_names,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is live, the last days and files, and what is open; 1 if somebody has to act.

    The page that `lockstep up` starts shows the same.
    """
    from dataclasses import asdict

    from rich.markup import escape

    from lockstep.cli.console import OUT, show_json
    from lockstep.overview.pipeline_state import Overview
    from lockstep.overview.rendering import templates

    if pipeline is not None:
        context.all_pipelines().get(pipeline)
    states = Overview(context.project()).states(_SECONDS, pipeline)
    if as_json:
        show_json([asdict(state) for state in states])
    else:
        shown = templates(finalize=lambda value: escape(str(value)), autoescape=False)
        text = shown.get_template("status.txt").render(states=states)
        OUT.print(text, soft_wrap=True)
    if any(state.is_failed for state in states):
        raise typer.Exit(FAILED)
