"""Arguments and options that several commands share, their completion in a shell, and days."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from lockstep.project.declaration import PipelineAssets

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
Because = Annotated[
    str, typer.Option("--because", metavar="REASON", help="Why; it is kept with what is accepted.")
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


def demand_reason(because: str, option: str) -> str:
    """The reason that an option has to have."""
    if not because.strip():
        raise LockstepError(f'{option} wants a reason, which is kept: --because "..."')
    return because.strip()


LAST_PORT = 65_535
WHICH_PARTITION = "Say of which partition: either --day DAY, or --file NAME."


def days(
    declared: PipelineAssets, day: str | None, first: str | None, last: str | None, *, missing: str
) -> list[str]:
    """The days that options name, in ISO form."""
    if declared.calendar is None:
        raise LockstepError(f"{declared.name} has no daily source; score a file with --file.")
    if day is not None and first is None and last is None:
        start = end = to_day(day)
    elif day is None and first is not None and last is not None:
        start, end = to_day(first), to_day(last)
    elif day is not None:
        raise LockstepError("Say either one day, --day DAY, or several, --from DAY --to DAY.")
    elif (named := first or last) is not None:
        given, lacking, end_of = ("from", "to", "last") if first else ("to", "from", "first")
        raise LockstepError(
            f"--{given} {named} lacks --{lacking} DAY, the {end_of} day. "
            f"That day alone is --day {named}."
        )
    else:
        raise LockstepError(missing)
    if end < start:
        raise LockstepError(f"--from {first} lies after --to {last}.")
    known, chosen = declared.calendar.days(), []
    has, is_known = declared.calendar.has, set(known).__contains__
    for number in range((end - start).days + 1):
        each = start + timedelta(number)
        if is_known(text := each.isoformat()):
            chosen.append(text)
        elif day is not None or has(each):  # a range skips the days that the calendar leaves out
            between = f"{known[0]} to {known[-1]}" if known else "none yet"
            why = "" if has(each) else ", which its calendar leaves out"
            raise LockstepError(f"{declared.name} has no day {text}{why}; it has {between}.")
    return chosen


def to_day(text: str) -> date:
    """A day from its ISO form."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LockstepError(f"{text!r} is not a day such as 2013-04-01.") from None
