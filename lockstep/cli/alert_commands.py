"""Commands about alerts: what is open and was told, and a message to try each receiver."""

from __future__ import annotations

from dataclasses import asdict

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, AsJson

alerts = typer.Typer(help="What is open and was told; `alerts test` tries the receivers.")
_MOST_SHOWN = 10
"""Sent messages that are shown; JSON has all that are kept."""


@alerts.callback(invoke_without_command=True)
def show_alerts(called: typer.Context, as_json: AsJson = False) -> None:
    """Show the events that go on, what the receivers were told, and who refuses or lacks what."""
    if called.invoked_subcommand is not None:
        return
    from lockstep.cli.console import say, show_json
    from lockstep.columns.plain import counted
    from lockstep.pages.alerts import Told
    from lockstep.pages.events import open_events
    from lockstep.pages.pipeline_state import Overview

    project = context.project()
    context.registry().demand_place()
    events = open_events(Overview(project, context.run_progress))
    told = Told.read(project.home)
    if as_json:
        show_json({**asdict(events), "lacking": project.alerts.lacking(), **asdict(told)})
        return
    for event in events.open.values():
        say(f"{event.id}\n{event.message}\n")
    say(f"{counted(len(events.open), 'event')} open.")
    for at, receiver, title in told.sent[-_MOST_SHOWN:]:
        say(f"{at:%Y-%m-%d %H:%M} UTC  told {receiver}: {title}")
    unknown = [f"Not known now: {name} ({why})" for name, why in events.unknown.items()]
    for line in (*unknown, *project.alerts.lacking().values(), *told.refusals):
        say(line)
    if not project.alerts.receivers:
        say("Nobody is told: [tool.lockstep.alerts] in pyproject.toml has no receivers.")


@alerts.command()
def test() -> None:
    """Send a message to each receiver, and show what came of it; 1 if one was not reached."""
    from lockstep.cli.console import say
    from lockstep.errors import LockstepError
    from lockstep.pages.alerts import send

    project = context.project()
    settings, failed = project.alerts, project.alerts.lacking()
    if not settings.receivers:
        raise LockstepError("[tool.lockstep.alerts] in pyproject.toml has no receivers.")
    for name in settings.receivers.keys() - failed:
        why = send(settings, name, f"{project.name}: a test", "Alerts of this project reach you.")
        if why is not None:
            failed[name] = f"{name} was not reached: {why}."
    for name in settings.receivers:
        say(failed.get(name, f"{name}: sent."))
    if failed:
        raise typer.Exit(FAILED)
