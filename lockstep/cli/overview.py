"""Commands about the project as a whole: its pipelines, and its servers."""

from __future__ import annotations

from typing import Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, AsJson


def list_pipelines(as_json: AsJson = False) -> None:
    """List the project's pipelines, what is live of each, and what is wrong with broken ones."""
    from lockstep.cli.console import say, show_error, show_json

    found = context.all_pipelines()
    if as_json:
        show_json(
            [
                *({"pipeline": name, "error": None} for name in sorted(found.declared)),
                *({"pipeline": one.name, "error": one.error} for one in found.broken.values()),
            ]
        )
    else:
        for name, declared in sorted(found.declared.items()):
            scored = f"scored {'by day and by file' if declared.daily else 'by file'}"
            say(f"{name}  {scored}; {_live(name)}")
        if not found.declared and not found.broken:
            folder = context.project().root / context.project().assets
            say(f"No pipeline yet in {folder}. Make one: lockstep new --pipeline NAME")
    for broken in found.broken.values():
        show_error(broken.error)
    if found.broken:
        raise typer.Exit(FAILED)


def _live(name: str) -> str:
    """Which version of a pipeline is live, by the gate's word alone."""
    from lockstep.artifacts.errors import ArtifactError
    from lockstep.artifacts.live import read_live

    try:
        live = read_live(context.home().live(name))
    except ArtifactError as error:
        return str(error)
    if live is None:
        return "no version is live yet"
    return f"version {live.version} is live since {live.since:%Y-%m-%d %H:%M} UTC"


def up(
    port: Annotated[int, typer.Option(help="First port to try for Dagster's UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="First port to try for MLflow's UI.")] = 5000,
    server_port: Annotated[
        int, typer.Option(help="First port to try for the pipelines' HTTP servers.")
    ] = 8080,
) -> None:
    """Start Dagster, MLflow and the HTTP servers of pipelines on 127.0.0.1; Ctrl-C stops them all.

    A pipeline has a server if it declares `serving=Serving()`. What stops by itself is started
    again.
    """
    from lockstep.cli.servers import Ports, run_servers

    raise typer.Exit(run_servers(context.project(), Ports(port, mlflow_port, server_port)))
