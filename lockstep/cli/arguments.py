"""Arguments and options that several commands share, and their completion in a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lockstep.errors import LockstepError

FAILED, MISUSED, INTERRUPTED = 1, 2, 130
"""Exit statuses: a check failed or something broke; wrong use or bad input; Ctrl-C."""


def pipeline_names(incomplete: str = "") -> list[str]:
    """Names of the project's pipelines that begin with a text, from its files alone."""
    from lockstep.project.project import Project

    try:
        names = Project.find().pipeline_names()
    except LockstepError:
        return []
    return [name for name in names if name.startswith(incomplete)]


PIPELINE = "PIPELINE"
PipelineName = Annotated[
    str,
    typer.Argument(
        metavar=PIPELINE,
        help="Such as flight_delay; see lockstep list.",
        autocompletion=pipeline_names,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON; messages go to stderr.")
]
Day = Annotated[str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="One day.")]
First = Annotated[
    str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First of several days.")
]
Last = Annotated[
    str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last of several days.")
]
ScoredFile = Annotated[
    Path | None,
    typer.Option(
        "--file", metavar="NAME", help="A file that was scored, by the name under which it came."
    ),
]
Attempt = Annotated[
    int | None,
    typer.Option("--attempt", metavar="N", help="An earlier attempt at that day or file."),
]
