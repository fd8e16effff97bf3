"""The command line."""

from __future__ import annotations

import errno
import os
import sys
from itertools import pairwise, takewhile
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from lockstep.cli.alert_commands import alerts
from lockstep.cli.arguments import FAILED, INTERRUPTED, MISUSED, PIPELINE, pipeline_names
from lockstep.cli.demo import demo
from lockstep.cli.finding_commands import audit, checks, constraints, trace
from lockstep.cli.process import end_command, prepare_process, start_command
from lockstep.cli.project_commands import list_pipelines, new, up
from lockstep.cli.quarantine_commands import quarantine
from lockstep.cli.row_commands import outcomes, score
from lockstep.cli.server_commands import log, replay, serve
from lockstep.cli.status_commands import scorecard, status
from lockstep.cli.table_commands import tables, withdraw
from lockstep.cli.version_commands import challenge, promote, rollback, train, versions
from lockstep.errors import LockstepError

_OF_PATHS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
"""Errors of the system about a path that is none, or is of something else."""
_MAY_BE_EMPTY = ("--key", "--label")
"""Options whose value may be an empty text: a key, and the name of a column."""


class _Commands(TyperGroup):
    """All commands; none takes an empty text, as of a variable of the shell that is not set.

    Typer reads it as if nothing had been given for a number, and as the folder `.` for a path. What
    follows `--` is taken as it is, such as an empty key.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Split the words of a command line."""
        for before, word in pairwise(["", *takewhile(lambda word: word != "--", args)]):
            is_joined = word.startswith("--") and word.find("=") == len(word) - 1
            option = word[:-1] if is_joined else before
            if (is_joined or not word) and option not in _MAY_BE_EMPTY:
                what = f"{option} has" if option.startswith("-") else "A word of the command is"
                raise LockstepError(
                    f"{what} an empty text. Give a value, or leave it out; a variable of the shell "
                    "may not be set."
                )
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog=(
        "Exit status: 0 success; 1 a check failed or something broke; 2 wrong use or bad input; "
        "130 Ctrl-C. Everything is kept in the project's .lockstep/, or in the folder "
        "LOCKSTEP_HOME."
    ),
)

app.command(rich_help_panel="Versions")(train)
app.command(rich_help_panel="Versions")(promote)
app.command(rich_help_panel="Versions")(challenge)
app.command(rich_help_panel="Versions")(rollback)
app.command(rich_help_panel="Versions")(versions)
app.command(rich_help_panel="Rows")(score)
app.command(rich_help_panel="Rows")(outcomes)
app.command(rich_help_panel="Rows")(tables)
app.command(rich_help_panel="Rows")(withdraw)
app.command(rich_help_panel="Rows")(serve)
app.command(rich_help_panel="Rows")(replay)
app.add_typer(quarantine, name="quarantine", rich_help_panel="Rows")
app.add_typer(log, name="log", rich_help_panel="Rows")
app.command(rich_help_panel="Findings")(status)
app.command(rich_help_panel="Findings")(scorecard)
app.command(rich_help_panel="Findings")(checks)
app.command(rich_help_panel="Findings")(audit)
app.command(rich_help_panel="Findings")(trace)
app.command(rich_help_panel="Findings")(constraints)
app.add_typer(alerts, name="alerts", rich_help_panel="Findings")
app.command(rich_help_panel="The project")(demo)
app.command(rich_help_panel="The project")(new)
app.command("list", rich_help_panel="The project")(list_pipelines)
app.command(rich_help_panel="The project")(up)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"lockstep {version('lockstep-scoring')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Train, promote and score pipelines, and see where serving leaves training.

    New here? `lockstep demo` shows it at work, and `lockstep new NAME` writes a project to start
    from.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run() -> NoReturn:
    """Carry out the command line as this process, and end the process."""
    start_command()
    try:
        main()
    except SystemExit as stop:
        end_command(stop.code if isinstance(stop.code, int) else FAILED if stop.code else 0)
    except KeyboardInterrupt:  # while libraries are loaded
        end_command(INTERRUPTED)
    end_command(0)


def main() -> None:
    """Carry out the command line; a user's mistake gives one clear line and exit status 2."""
    prepare_process()
    from lockstep.store.disks import disk_error  # after the process is prepared

    try:
        sys.exit(app(prog_name="lockstep", standalone_mode=False))
    except typer.TyperException as error:
        _show(_misuse(error))
    except LockstepError as error:
        _show(str(error))
    except OSError as error:
        if (refused := disk_error(error) or _path_error(error)) is None:
            raise
        _show(str(refused))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(INTERRUPTED)
    sys.exit(MISUSED)


def _path_error(error: OSError) -> str | None:
    """What is wrong with a path that a person gave; None if the error is another."""
    if error.errno not in _OF_PATHS or not error.filename:
        return None
    from lockstep.columns.plain import cut, shown_name

    shown = cut(shown_name(os.fsdecode(error.filename)), 100)
    return f"{shown} cannot be used ({os.strerror(error.errno)}). Give another path."


def _show(message: str) -> None:
    from lockstep.cli.console import show_error

    show_error(message)


def _misuse(error: typer.TyperException) -> str:
    """What was wrong with the use of a command, and where its help is."""
    message = error.format_message()
    sentences = [message if message.endswith((".", "?")) else f"{message}."]
    names = pipeline_names()
    if names and getattr(getattr(error, "param", None), "metavar", None) == PIPELINE:
        sentences.append(f"There are: {', '.join(names)}.")
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is not None:
        sentences.append(f"See {context.command_path} --help.")
    return " ".join(sentences)
