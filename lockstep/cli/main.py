"""The command line."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from lockstep.cli.process import end_command, prepare_process, start_command

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lockstep.dagster.runs import RunReport
    from lockstep.project.declaration import PipelineAssets
    from lockstep.project.home import Home
    from lockstep.project.project import Project
    from lockstep.registry.registry import Registry

FAILED, MISUSED = 1, 2
"""Exit statuses: a check failed or something broke; wrong use or bad input."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Train, promote and score pipelines, and see where serving leaves training.\n\n"
        "Exit status: 0 success; 1 a check failed; 2 wrong use or bad input. "
        "Everything is kept in the folder LOCKSTEP_HOME (default: .lockstep)."
    ),
)

PipelineName = Annotated[str, typer.Argument(metavar="PIPELINE", help="Such as flight_delay.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Day = Annotated[str | None, typer.Option("--day", metavar="YYYY-MM-DD", help="One day.")]


def run() -> NoReturn:
    """Carry out the command line in a process of its own, and end it."""
    start_command()
    try:
        main()
    except SystemExit as stop:
        end_command(stop.code if isinstance(stop.code, int) else FAILED if stop.code else 0)
    end_command(0)


def main() -> None:
    """Carry out the command line; a user's mistake is one clear line and exit status 2.

    Raises:
        SystemExit: Always, with the exit status.
    """
    prepare_process()
    from lockstep.columns.errors import (
        LockstepError,  # after the process is prepared, and not for --help's sake
    )

    try:
        app()
    except LockstepError as error:
        from lockstep.cli.console import show_error

        show_error(str(error))
        sys.exit(MISUSED)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="First port to try for Dagster's UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="First port to try for MLflow's UI.")] = 5000,
) -> None:
    """Start Dagster's UI and daemon and MLflow's UI on 127.0.0.1; Ctrl-C stops them all."""
    from lockstep.cli.servers import run_servers

    raise typer.Exit(run_servers(_project(), port, mlflow_port))


@app.command()
def train(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Fit a candidate on the pipeline's history and register it in MLflow."""
    from lockstep.dagster.jobs import train_job_name

    declared = _declared(pipeline)
    report = _run(train_job_name(declared.name))
    version = report.figure("/candidate", "version")
    if version is not None and not as_json:
        _say(
            f"Registered {declared.name} version {version}. "
            f"Promote it: lockstep promote {declared.name} {version}"
        )
    _finish([report], as_json, {"version": version})


@app.command()
def promote(
    pipeline: PipelineName,
    version: Annotated[
        int | None, typer.Argument(help="Which version; the newest by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Point @champion to a version and, if it passes the gate, @live too."""
    from lockstep.columns.errors import LockstepError

    declared = _declared(pipeline)
    registry = _registry()
    versions = registry.versions(declared.name)
    if not versions:
        raise LockstepError(
            f"{declared.name} has no version yet; train one: lockstep train {declared.name}"
        )
    _point_champion(
        declared, registry, versions[-1].version if version is None else version, as_json
    )


@app.command()
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
    from lockstep.dagster.promotion import PROVEN

    declared = _declared(pipeline)
    registry = _registry()
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


@app.command()
def score(
    pipeline: PipelineName,
    day: Day = None,
    first: Annotated[str | None, typer.Option("--from", help="First of several days.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last of several days.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A CSV, Parquet or JSON lines file, scored by its content.")
    ] = None,
    accept: Annotated[
        list[str] | None, typer.Option(help="A column whose sudden shift is real; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a day, several days or a file with the live version, and publish what passes."""
    from lockstep.columns.errors import LockstepError
    from lockstep.dagster.jobs import score_job_name

    declared = _declared(pipeline)
    if file is not None and (day, first, last) != (None, None, None):
        raise LockstepError("Say either which days or which file to score, not both.")
    if file is not None:
        stream, partitions = "inbox", [_drop(declared, file)]
    else:
        stream, partitions = "daily", _days(declared, day, first, last)
    ops = {f"{declared.name}__{stream}__batch": {"config": {"accept": accept or []}}}
    job = score_job_name(declared.name, stream)
    reports = []
    for partition in partitions:
        reports.append(_run(job, partition, ops))
        if not as_json:
            _say_scored(reports[-1], len(partitions) > 1)
    _finish(reports, as_json, {}, shown=not as_json)


@app.command()
def outcomes(
    pipeline: PipelineName,
    day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD", help="A day that was scored.")],
    as_json: AsJson = False,
) -> None:
    """Compare one day's predictions with what came of them."""
    from lockstep.columns.errors import LockstepError
    from lockstep.dagster.jobs import monitor_job_name

    declared = _declared(pipeline)
    if declared.outcomes is None:
        raise LockstepError(f"{declared.name} has no source of outcomes; declare outcomes=...")
    (partition,) = _days(declared, day, None, None)
    _finish([_run(monitor_job_name(declared.name), partition)], as_json, {})


@app.command()
def checks(
    pipeline: PipelineName,
    day: Day = None,
    all_days: Annotated[bool, typer.Option("--all", help="Every partition, not the last.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what every check of a pipeline found last; 1 if one is in error."""
    from dataclasses import asdict

    from lockstep.cli.console import show_checks
    from lockstep.dagster.record import recorded_checks

    declared = _declared(pipeline)
    found = recorded_checks(declared, _instance(), day=day, all_partitions=all_days)
    if as_json:
        _print_json([asdict(check) for check in found])
    elif found:
        show_checks(found, with_partition=True)
    else:
        what = f" for {day}" if day is not None else ""
        _say(f"No check of {declared.name} has run{what} in {_home().path}.")
    if any(check.result == "failed" for check in found):
        raise typer.Exit(FAILED)


@app.command()
def trace(
    pipeline: PipelineName,
    key: Annotated[str, typer.Option(help="Key of the row.")],
    day: Annotated[str, typer.Option("--day", metavar="PARTITION", help="Day, or inbox file.")],
    as_json: AsJson = False,
) -> None:
    """Show every column of one scored row beside its value computed anew; 1 if they differ."""
    from lockstep.cli.console import show_trace
    from lockstep.dagster.record import trace_row

    declared = _declared(pipeline)
    found = trace_row(declared, _home(), _registry(), day, key)
    if as_json:
        _print_json(found.to_json())
    else:
        show_trace(found)
    if not found.agrees:
        raise typer.Exit(FAILED)


# What the commands share


def _project() -> Project:
    from lockstep.project.project import Project

    return Project.find()


def _home() -> Home:
    return _project().home


def _declared(name: str) -> PipelineAssets:
    from lockstep.project.pipelines import pipelines

    return pipelines(_project()).get(name)


def _instance() -> DagsterInstance:
    from lockstep.dagster.instance import open_instance

    return open_instance(_home())


def _registry() -> Registry:
    from lockstep.dagster.resources import open_registry

    return open_registry(_home())


def _run(job: str, partition: str | None = None, ops: dict[str, Any] | None = None) -> RunReport:
    from lockstep.dagster.runs import run_job

    return run_job(_project(), job, _instance(), partition=partition, ops=ops)


def _point_champion(
    declared: PipelineAssets, registry: Registry, version: int, as_json: bool
) -> None:
    from lockstep.dagster.jobs import promote_job_name

    registry.set_alias(declared.name, "champion", version)
    report = _run(promote_job_name(declared.name))
    live = registry.alias(declared.name, "live")
    if not as_json:
        _say(
            f"@champion: version {version}. @live: "
            + (f"version {live.version}." if live is not None else "no version yet.")
        )
    numbers = {"champion": version, "live": live.version if live is not None else None}
    _finish([report], as_json, numbers)


def _days(
    declared: PipelineAssets, day: str | None, first: str | None, last: str | None
) -> list[str]:
    from lockstep.columns.errors import LockstepError

    if declared.calendar is None:
        raise LockstepError(f"{declared.name} has no daily source; score a file with --file.")
    if day is not None and first is None and last is None:
        start = end = _date(day)
    elif day is None and first is not None and last is not None:
        start, end = _date(first), _date(last)
    else:
        raise LockstepError("Say what to score: --day DAY, --from DAY --to DAY, or --file FILE.")
    if end < start:
        raise LockstepError(f"--from {first} lies after --to {last}.")
    days = [(start + timedelta(n)).isoformat() for n in range((end - start).days + 1)]
    known = declared.calendar.days()
    missing = [one for one in days if one not in known]
    if missing:
        between = f"{known[0]} to {known[-1]}" if known else "none yet"
        raise LockstepError(f"{declared.name} has no day {missing[0]}; it has {between}.")
    return days


def _date(text: str) -> date:
    from lockstep.columns.errors import LockstepError

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise LockstepError(f"{text!r} is not a day such as 2013-04-01.") from None


def _drop(declared: PipelineAssets, file: Path) -> str:
    """Claim a file for the inbox without moving it, and make its partition."""
    from lockstep.dagster.partitions import inbox_partitions
    from lockstep.scoring.inbox import claim_copy

    partition = claim_copy(_home().inbox(declared.name), file)
    name = inbox_partitions(declared.name).name
    _instance().add_dynamic_partitions(name or "", [partition])
    return partition


def _say_scored(report: RunReport, brief: bool) -> None:
    from lockstep.cli.console import show_run

    rows = report.figure("/scored", "dagster/row_count")
    scored = f"{rows if rows is not None else 'no'} rows scored"
    aside = report.figure("/batch", "quarantined")
    quarantined = f", {aside} quarantined" if aside is not None else ""
    published = "published" if report.wrote("/published") else "NOT published"
    _say(f"{report.partition}: {scored}{quarantined}, {published}")
    if not brief or not report.ok:
        show_run(report)


def _finish(
    reports: list[RunReport], as_json: bool, facts: dict[str, Any], *, shown: bool = False
) -> None:
    """Print what came of runs, and exit with the status that says it."""
    from lockstep.cli.console import show_run

    if as_json:
        _print_json({**facts, "runs": [report.to_json() for report in reports]})
    elif not shown:
        for report in reports:
            show_run(report)
    if any(report.error is not None and report.is_mistake for report in reports):
        raise typer.Exit(MISUSED)
    if not all(report.ok for report in reports):
        raise typer.Exit(FAILED)


def _say(text: str) -> None:
    from lockstep.cli.console import OUT

    OUT.print(text, soft_wrap=True)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, default=str))
