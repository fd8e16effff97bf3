"""Commands about findings: of the checks, about one row, and in training data."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockstep.cli import context
from lockstep.cli.arguments import (
    FAILED,
    PIPELINE,
    WHICH_PARTITION,
    AsJson,
    Attempt,
    Day,
    PipelineName,
    ScoredFile,
    to_day,
)
from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockstep.artifacts.version import LoadedVersion
    from lockstep.checks.reports import CheckReport
    from lockstep.constraints.constraint_set import ConstraintSet
    from lockstep.project.declaration import PipelineAssets
    from lockstep.store.parquet import Store

_STATISTICS = ("columns", "statistic", "figure", "usual", "of its limit")


def checks(
    pipeline: PipelineName,
    day: Day = None,
    file: ScoredFile = None,
    all_partitions: Annotated[
        bool, typer.Option("--all", help="Every day and file, not the last.")
    ] = False,
    passed: Annotated[
        bool, typer.Option("--passed", help="Show what passed checks found, too.")
    ] = False,
    attempt: Attempt = None,
    docs: Annotated[
        bool,
        typer.Option("--docs", help="Write Great Expectations' Data Docs of a day or file."),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Where --docs writes to; in the home by default."),
    ] = None,
    acknowledged: Annotated[
        list[str] | None,
        typer.Option(
            "--acknowledge",
            metavar="NAME",
            help="That you have seen to an open finding, by the eight digits that `lockstep "
            "status` shows; repeatable. It is no longer open, nor are those of its check and "
            "column before it. What comes later is not accepted by that.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what every check of a pipeline found last; 1 if one is in error.

    Of one day or file, show also how many expectations of each suite Great Expectations found met,
    and which are not; or have it write that as pages, and print the path of the first one.
    """
    from lockstep.checks.validations import validations
    from lockstep.cli.console import say, show_table
    from lockstep.cli.recorded_checks import recorded_checks, stored_checks
    from lockstep.store.status import RECORD

    if acknowledged:
        _acknowledge(context.pipeline(pipeline), acknowledged, as_json=as_json)
        return
    which: dict[str, Any] = {"all_partitions": all_partitions, "attempt": attempt}
    store = context.store(pipeline)
    try:
        declared = context.pipeline(pipeline)
    except LockstepError:  # told once its records have been shown
        if store.root.is_dir():
            partition = named_partition(pipeline, day, file)
            stored = stored_checks(pipeline, store, day=partition, **which)
            _show_checks(stored, passed=passed, as_json=as_json)
        raise
    partition = named_partition(declared.name, day, file)
    if (attempt is not None or docs) and partition is None:
        raise LockstepError(WHICH_PARTITION)
    if folder is not None and not docs:
        raise LockstepError(f"A folder such as {folder} goes with --docs.")
    if docs and partition is not None:
        say(str(_write_docs(declared, store, partition, attempt, folder)))
        return
    reports = recorded_checks(declared, store, context.progress_of_run, day=partition, **which)
    if not reports and partition is not None:
        raise LockstepError(
            f"No check of {declared.name} has run for {partition} in {context.home().path}."
        )
    _show_checks(reports, passed=passed, as_json=as_json)
    if not reports and not as_json:
        say(f"No check of {declared.name} has run in {context.home().path}.")
    is_whole = reports and not any(check.check == RECORD for check in reports)
    if partition is not None and is_whole and not as_json:
        held = validations(declared, store, partition, attempt)
        if held is not None and held.results:
            show_table(list(held.table()))
    if any(check.result == "failed" for check in reports):
        raise typer.Exit(FAILED)


def audit(
    pipeline: Annotated[
        str | None, typer.Argument(metavar=PIPELINE, help="Name of the pipeline; all by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify every digest that the home keeps: records, files, versions; 1 if one does not agree.

    It reads every file, and says first how long that takes. `checks` looks only at what is new, or
    was touched, since the last audit; `lockstep up` audits each pipeline every Sunday night.
    """
    from lockstep.cli.console import say, show_json
    from lockstep.cli.progress import Bar
    from lockstep.columns.plain import counted
    from lockstep.scoring.audit import audit as verify
    from lockstep.scoring.audit import expected_seconds, home_parts

    names = [pipeline] if pipeline is not None else list(context.all_pipelines().declared)
    home, registry = context.home(), context.registry()
    parts = {name: home_parts(context.pipeline(name), home, registry) for name in names}
    every = [unit for of_pipeline in parts.values() for unit in of_pipeline]
    if not as_json:
        files, size = sum(len(unit.files) for unit in every), sum(unit.bytes for unit in every)
        seconds = expected_seconds(every)
        say(f"{counted(files, 'file')}, {size / 1e6:,.1f} MB: about {max(seconds, 1):.0f} s.")
    audited = {}
    with Bar(len(every), 1, shown=not as_json) as bar:
        for name, of_pipeline in parts.items():
            audited[name] = verify(of_pipeline, bar.begin)
    if as_json:
        show_json({name: result.to_json() for name, result in audited.items()})
    else:
        for name, result in audited.items():
            for part, why in result.damage.items():
                say(f"damaged: {name} {part}: {why}")
            say(f"{name}: {result.verdict}")
    if any(result.damage for result in audited.values()):
        raise typer.Exit(FAILED)


def _acknowledge(declared: PipelineAssets, names: list[str], *, as_json: bool) -> None:
    """Acknowledge open findings of published days and files."""
    from lockstep.cli.console import say, show_json
    from lockstep.columns.plain import listed
    from lockstep.pages.pipeline_state import histories_of
    from lockstep.pages.standing import acknowledge
    from lockstep.registry.sites import Site

    waiting = []
    for history in histories_of(declared, context.store(declared.name)).values():
        if history.has_partitions:
            history.look()
            waiting.append((history.records, history.standing()))
    seen = acknowledge(waiting, names, Site.here(context.home().path))
    if as_json:
        show_json([asdict(each.finding) for each in seen])
        return
    for finding in (each.finding for each in seen):
        say(f"Acknowledged: {finding.check} of {finding.asset} {finding.partition}.")
    if not seen:
        say(f"{listed(names)} had been acknowledged before.")


def _show_checks(reports: Sequence[CheckReport], *, passed: bool, as_json: bool) -> None:
    from lockstep.cli.console import show_checks, show_json

    if as_json:
        show_json([check.to_json(context.dagster()) for check in reports])
    elif reports:
        show_checks(reports, passed_too=passed, partitions=True, dagster=context.dagster())


def _write_docs(
    declared: PipelineAssets, store: Store, partition: str, number: int | None, folder: Path | None
) -> Path:
    """Write the Data Docs of a partition; returns the path of their first page."""
    from lockstep.checks.validations import validations
    from lockstep.columns.plain import file_name
    from lockstep.store.disks import at_place
    from lockstep.suites.data_docs import write_docs

    held = validations(declared, store, partition, number)
    if held is None:
        raise LockstepError(f"{declared.name} has made no attempt at {partition} yet.")
    held.demand_all()
    attempt = f"attempt {held.attempt.number}"
    if folder is None:
        pages = context.home().cache / "data_docs" / declared.name
        folder = pages / file_name(partition) / str(held.attempt.number)
    is_site = folder.is_dir() and ((folder / "validations").is_dir() or not any(folder.iterdir()))
    if folder.exists() and not is_site:
        raise LockstepError(f"{folder} holds something else than Data Docs; name another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LockstepError(
            f"{folder} cannot be made ({error.strerror}); name another folder."
        ) from error
    if not os.access(folder, os.W_OK):
        raise LockstepError(f"{folder} is closed to this user; name another folder.")
    with at_place(folder):
        return write_docs(held.results, f"{declared.name}, {partition}", attempt, folder)


def trace(
    pipeline: PipelineName,
    key: Annotated[str | None, typer.Option(help="Key of the row.")] = None,
    day: Day = None,
    file: ScoredFile = None,
    attempt: Attempt = None,
    record: Annotated[
        Path | None,
        typer.Option(help="A file with a record: JSON, JSON lines, CSV or Parquet."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            help="Which version computes the record: its number or alias; by default the live one."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="What it is compared with: another version, `checkout` for this checkout's code "
            "with the version's models, or `server`, the default, for what its server computes."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Draw the record's columns around the first divergent one, as an SVG file."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every column of one row beside its value computed anew; 1 if they differ.

    Of a row that was set aside, show why; 1 then, too. Of a record in a file, show every column
    by a version and by another one.
    """
    from lockstep.cli.console import show_json, show_trace
    from lockstep.scoring.trace import trace_row

    declared = context.pipeline(pipeline)
    if record is not None:
        if (day, file, attempt) != (None, None, None):
            raise LockstepError("Say either where the row was scored or --record, not both.")
        which = version or "live", against or "server"
        _trace_record(declared, record, key, which, picture, as_json=as_json)
        return
    if (version, against, picture) != (None, None, None):
        raise LockstepError(
            "--version, --against and --picture are for a record of your own: --record FILE."
        )
    if key is None:
        raise LockstepError("Say which row: --key KEY, or --record FILE for one of your own.")
    partition = named_partition(declared.name, day, file)
    if partition is None:
        raise LockstepError("Say where the row was scored: --day DAY, or --file NAME.")
    row = trace_row(declared, context.home(), context.registry(), partition, key, attempt)
    if as_json:
        show_json(row.to_json())
    else:
        show_trace(row)
    if not row.agrees:
        raise typer.Exit(FAILED)


def constraints(
    pipeline: PipelineName,
    expectations: Annotated[
        bool,
        typer.Option(
            "--expectations",
            help="As expectations to paste into expectations/, where they can say it.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what the live version found in its training rows: rules, and statistics near limits."""
    from lockstep.cli.console import say, show_json, show_table
    from lockstep.columns.plain import counted
    from lockstep.suites.suggested import suggested

    declared, serving = context.pipeline(pipeline), context.live(pipeline)
    live = serving.load(serving.state())
    if expectations:
        for line in suggested(live.constraints, live.pipeline.record_schema):
            typer.echo(line)
        return
    strict, (batch, nearest) = _strict(live.constraints), _nearest(declared)
    if as_json:
        show_json(_document(live, strict, batch, nearest))
        return
    known = live.constraints
    say(
        f"Version {live.version} of {live.name} found {len(known.features):,} constraints in "
        f"{known.rows:,} rows of {counted(known.days, 'day')}, {len(strict)} of them strict."
    )
    if strict:
        show_table([{title: str(cell) for title, cell in rule.items()} for rule in strict])
    for family, why in known.unjudged.items():
        say(f"{family} was not looked for: {why}.")
    if batch is None:
        what = "--day DAY" if declared.daily else "--file FILE"
        say(f"No batch was published yet: lockstep score {live.name} {what}")
        return
    if not nearest:
        say(f"No statistic of {batch} has a limit.")
    else:
        say(f"Of {batch}, the statistics nearest to their limits:")
        show_table([{name: str(row[name]) for name in _STATISTICS} for row in nearest])


def _trace_record(
    declared: PipelineAssets,
    path: Path,
    key: str | None,
    which: tuple[str, str],
    picture: Path | None,
    *,
    as_json: bool,
) -> None:
    from lockstep.checks.pictures import divergence_picture
    from lockstep.cli.console import say, show_json, show_sides
    from lockstep.scoring.sides import read_record, two_sides

    if picture is not None and not picture.absolute().parent.is_dir():
        raise LockstepError(
            f"{picture} cannot be drawn: there is no folder {picture.parent}. Make it, or name "
            "another file."
        )
    row, store = read_record(path, declared.pipeline, key), context.store(declared.name)
    sides = two_sides(declared, context.registry(), row, *which, store)
    if picture is not None:
        first = sides.comparison.first
        column = None if first is None else first.column
        drawn = divergence_picture(sides.graph, column, sides.values, sides.names, sides.key)
        picture.write_text(drawn, encoding="utf-8")
    if as_json:
        show_json(sides.to_json())
    else:
        show_sides(sides)
        if picture is not None:
            say(f"Drawn: {picture}")
    if not sides.agrees:
        raise typer.Exit(FAILED)


def named_partition(pipeline: str, day: str | None, file: Path | None) -> str | None:
    """The partition that a day or a file's name stands for; None if neither is given."""
    from lockstep.store.inbox import find_claimed

    if day is not None and file is not None:
        raise LockstepError("Say either which day or which file, not both.")
    if file is not None:
        return find_claimed(context.home().inbox(pipeline), file)
    return to_day(day).isoformat() if day is not None else None


def _strict(constraints: ConstraintSet) -> list[dict[str, Any]]:
    """The rules that no training row broke, those with the most evidence first."""
    strict = [rule for rule in constraints.rules.rules if rule.is_strict]
    return [
        {
            "columns": ", ".join(rule.feature.columns),
            "rule": rule.feature.says,
            "rows": rule.rows,
            "different": rule.things,
            "broken": rule.broken,
        }
        for rule in sorted(strict, key=lambda rule: -rule.things)
    ]


def _nearest(declared: PipelineAssets) -> tuple[str | None, list[dict[str, Any]]]:
    """The last published batch, and its statistics, those nearest to their limits first."""
    from lockstep.scoring.live_check import last_published

    record = last_published(declared, context.store(declared.name))
    if record is None:
        return None, []
    results = record.steps["batch"].results
    rows = [
        dict(row)
        for name in ("constraints", "sudden_shift")
        if name in results
        for row in results[name].table
        if all(title in row for title in _STATISTICS)
    ]
    return record.partition, sorted(rows, key=lambda row: -float(row["of its limit"]))


def _document(
    live: LoadedVersion,
    strict: list[dict[str, Any]],
    batch: str | None,
    nearest: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "pipeline": live.name,
        "version": live.version,
        "rows": live.constraints.rows,
        "days": live.constraints.days,
        "constraints": len(live.constraints.features),
        "strict": strict,
        "unjudged": live.constraints.unjudged,
        "batch": batch,
        "nearest": [{name: row[name] for name in _STATISTICS} for row in nearest],
    }
