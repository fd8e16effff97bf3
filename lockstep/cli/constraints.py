"""The command about what training found: the constraints of the live version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lockstep.cli import context
from lockstep.cli.arguments import AsJson, PipelineName

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.constraints.constraint_set import ConstraintSet
    from lockstep.project.declaration import PipelineAssets

_STATISTICS = ("columns", "statistic", "figure", "usual", "of its limit")


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
        show_table([{name: str(one) for name, one in row.items()} for row in strict])
    for family, why in known.unjudged.items():
        say(f"{family} was not looked for: {why}.")
    if batch is None:
        say(f"No batch was published yet: lockstep score {live.name} --day DAY")
        return
    say(f"Of {batch}, the statistics nearest to their limits:")
    if nearest:
        show_table([{name: str(row[name]) for name in _STATISTICS} for row in nearest])


def _strict(constraints: ConstraintSet) -> list[dict[str, Any]]:
    """The rules that no training row broke, those that were tried on most things first."""
    kept = sorted(
        (one for one in constraints.rules.rules if one.is_strict), key=lambda one: -one.things
    )
    return [
        {
            "columns": ", ".join(one.feature.columns),
            "rule": one.feature.says,
            "rows": one.rows,
            "different": one.things,
            "broken": one.broken,
        }
        for one in kept
    ]


def _nearest(declared: PipelineAssets) -> tuple[str | None, list[dict[str, Any]]]:
    """The last published batch, with the statistics that were nearest to their limits."""
    from lockstep.store.live import last_published
    from lockstep.store.parquet import Store

    record = last_published(declared, Store(context.home().data / declared.name))
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
