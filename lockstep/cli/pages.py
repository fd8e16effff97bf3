"""Where to look: the pages of a home that people open first."""

from __future__ import annotations

from urllib.parse import quote

from lockstep.cli.console import say
from lockstep.project.addresses import Addresses
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project

_MOST_SHOWN = 5
"""Pipelines whose pages are shown."""


def show_pages(project: Project, addresses: Addresses) -> None:
    """Say where everything is."""
    say(f"Dagster:  {addresses.dagster}  (assets, checks, schedules, sensors)")
    say(f"MLflow:   {addresses.mlflow}  (versions; move @champion there)")
    names = sorted(pipelines(project).declared)
    for name in names[:_MOST_SHOWN]:
        say(f"{name}")
        say(f"  lineage {lineage_page(addresses, name)}")
        say(f"  model   {addresses.mlflow}/#/models/{name}")
        say(f"  inbox   {project.home.inbox(name)}")
    if len(names) > _MOST_SHOWN:
        say(f"... and {len(names) - _MOST_SHOWN} more pipelines")


def lineage_page(addresses: Addresses, pipeline: str) -> str:
    """The graph of a pipeline's assets, each with what its checks found."""
    selection = quote(f'key:"{pipeline}/*"', safe="")
    return f"{addresses.dagster}/asset-groups~{selection}/"
