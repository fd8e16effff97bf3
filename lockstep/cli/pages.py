"""Where to look: the pages of a home that people open first."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from lockstep.checks.messages import Place
from lockstep.cli.console import say
from lockstep.columns.errors import LockstepError
from lockstep.columns.plain import counted
from lockstep.project.addresses import Addresses
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.store.parquet import Store

_MOST_SHOWN = 5
"""Pipelines whose pages are shown."""


def show_pages(project: Project, addresses: Addresses) -> None:
    """Say where everything is, and which checks are in error."""
    say(f"Dagster:  {addresses.dagster}  (assets, checks, schedules, sensors)")
    say(f"MLflow:   {addresses.mlflow}  (versions; move @champion there)")
    declared = pipelines(project).declared
    names = sorted(declared)
    for name in names[:_MOST_SHOWN]:
        say(f"{name}")
        say(f"  lineage {lineage_page(addresses, name)}")
        say(f"  model   {addresses.mlflow}/#/models/{name}")
        say(f"  inbox   {project.home.inbox(name)}")
        if name in addresses.servers:
            say(f"  server  {addresses.servers[name]}  ({_server_state(project.home, name)})")
        for line in _failed_checks(declared[name], project.home, addresses):
            say(f"  failed  {line}")
    if len(names) > _MOST_SHOWN:
        say(f"... and {counted(len(names) - _MOST_SHOWN, 'more pipeline')}")


def _server_state(home: Home, name: str) -> str:
    """What the server of a pipeline answers by now."""
    if home.live(name).exists():
        return "a form in the browser; for programs: /docs"
    return "503 until a version is live"


def _failed_checks(declared: PipelineAssets, home: Home, addresses: Addresses) -> Iterator[str]:
    """The checks that are in error by now, each with its page."""
    from lockstep.dagster.instance import find_instance
    from lockstep.dagster.record import recorded_checks

    try:
        found = recorded_checks(declared, find_instance(home), Store(home.data / declared.name))
    except LockstepError as error:
        yield str(error)
        return
    failed = [check for check in found if check.result == "failed"]
    for check in failed[:_MOST_SHOWN]:
        place = Place(check.asset, check.partition)
        yield f"{check.check} of {place}: {addresses.dagster}{check.page}"
    if len(failed) > _MOST_SHOWN:
        yield f"... and {len(failed) - _MOST_SHOWN} more: lockstep checks {declared.name}"


def lineage_page(addresses: Addresses, pipeline: str) -> str:
    """The graph of a pipeline's assets, each with what its checks found."""
    selection = quote(f'key:"{pipeline}/*"', safe="")
    return f"{addresses.dagster}/asset-groups~{selection}/"
