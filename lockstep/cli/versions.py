"""Commands about versions: train one, promote it, and roll back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import AsJson, PipelineName
from lockstep.cli.ending import finish

if TYPE_CHECKING:
    from lockstep.dagster.runs import RunReport
    from lockstep.project.declaration import PipelineAssets
    from lockstep.registry.registry import Registry


def train(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Fit a candidate on the pipeline's history and register it in MLflow."""
    from lockstep.cli.console import say, show_checks
    from lockstep.cli.progress import Bar

    with Bar(runs=1, steps=3, shown=not as_json) as bar:
        declared = context.pipeline(pipeline)
        from lockstep.dagster.jobs import train_job_name

        bar.begin(f"training {declared.name}")
        report = context.run(train_job_name(declared.name), on_step=bar.step)
    version = report.figure("/candidate", "version")
    if not as_json:
        if version is not None:
            say(f"Registered {declared.name} version {version}{_measured(declared, report)}.")
        show_checks(report.checks)
        if report.ok:
            say(f"Promote it: lockstep promote {declared.name} {version}")
    finish([report], {"version": version}, as_json)


def promote(
    pipeline: PipelineName,
    version: Annotated[
        int | None, typer.Argument(help="Which version; the newest by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Point @champion to a version and, if it passes the gate, @live too."""
    from lockstep.columns.errors import LockstepError

    declared = context.pipeline(pipeline)
    registry = context.registry()
    versions = registry.versions(declared.name)
    if not versions:
        raise LockstepError(
            f"{declared.name} has no version yet; train one: lockstep train {declared.name}"
        )
    _point_champion(
        declared, registry, versions[-1].version if version is None else version, as_json
    )


def rollback(
    pipeline: PipelineName,
    to: Annotated[
        int | None, typer.Option(help="Which version; the one live before by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Point @champion back to the version that was live before, and @live with it.

    Where @champion did not get through the gate, it goes back to the version that is live.
    """
    from lockstep.columns.errors import LockstepError
    from lockstep.training.gate import PROVEN

    declared = context.pipeline(pipeline)
    registry = context.registry()
    live = registry.alias(declared.name, "live")
    champion = registry.alias(declared.name, "champion")
    if to is None and live is not None and champion and champion.version != live.version:
        # What is wanted did not get through the gate: take back the wish, not what serves.
        _point_champion(declared, registry, live.version, as_json)
        return
    proven = [
        one
        for one in registry.versions(declared.name)
        if PROVEN in one.tags and (live is None or one.version != live.version)
    ]
    if to is None and not proven:
        raise LockstepError(f"{declared.name} has no earlier version that was live.")
    target = to if to is not None else max(proven, key=lambda one: one.tags[PROVEN]).version
    _point_champion(declared, registry, target, as_json)


def _point_champion(
    declared: PipelineAssets, registry: Registry, version: int, as_json: bool
) -> None:
    from lockstep.cli.console import say, show_checks
    from lockstep.dagster.jobs import promote_job_name

    registry.set_alias(declared.name, "champion", version)
    report = context.run(promote_job_name(declared.name))
    live = registry.alias(declared.name, "live")
    if not as_json:
        serves = f"version {live.version}" if live is not None else "no version yet"
        say(f"@champion: version {version}. @live: {serves}.")
        show_checks(report.checks)
    numbers = {"champion": version, "live": live.version if live is not None else None}
    finish([report], numbers, as_json)


def _measured(declared: PipelineAssets, report: RunReport) -> str:
    """What was measured of a candidate, in brackets."""
    measured = [(one.title, report.figure("/candidate", one.title)) for one in declared.quality]
    shown = ", ".join(f"{title} {value:.4g}" for title, value in measured if value is not None)
    return f" ({shown})" if shown else ""
