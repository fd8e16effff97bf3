"""The command that shows the state of all pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, PIPELINE, AsJson, pipeline_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lockstep.overview.open_findings import OpenFinding
    from lockstep.overview.pipeline_state import PipelineState, StreamState
    from lockstep.overview.tiles import TileState
    from lockstep.overview.version_state import VersionState

_SECONDS = 20.0
"""How long to wait for the registry and the servers."""
_SIGNS: dict[TileState, str] = {
    "published": "[green]■[/]",
    "not_judged": "[green]?[/]",
    "warned": "[yellow]![/]",
    "failed": "[red]F[/]",
    "blocked": "[red]B[/]",
    "under_way": "[blue]>[/]",
    "broken_off": "[red]X[/]",
    "damaged": "[red]D[/]",
    "not_tried": "[dim]·[/]",
}


def status(
    pipeline: Annotated[
        str | None,
        typer.Argument(
            metavar=f"[{PIPELINE}]",
            help="Name of the pipeline; all by default.",
            autocompletion=pipeline_names,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is live, the last days and files, and what is open; 1 if a check is in error.

    The page of `lockstep up` shows the same.
    """
    from dataclasses import asdict

    from lockstep.cli.console import OUT, say, show_json
    from lockstep.overview.pipeline_state import Overview

    if pipeline is not None:
        context.all_pipelines().get(pipeline)
    states = Overview(context.project()).states(_SECONDS, pipeline)
    if as_json:
        show_json([asdict(state) for state in states])
    else:
        for state in states:
            for line in _lines(state):
                OUT.print(line, soft_wrap=True)
        if any(stream.tiles for state in states for stream in state.streams):
            signs = (f"{sign} {state.replace('_', ' ')}" for state, sign in _SIGNS.items())
            OUT.print(f"[dim]{'  '.join(signs)}[/]", soft_wrap=True)
        if not states:
            say("No pipeline yet. Make one: lockstep new --pipeline NAME")
    if any(state.is_failed for state in states):
        raise typer.Exit(FAILED)


def _lines(state: PipelineState) -> Iterator[str]:
    """The state of a pipeline, a line at a time, with marks of colours."""
    from rich.markup import escape

    from lockstep.columns.plain import counted

    yield f"[bold]{state.name}[/]"
    if state.error is not None:
        yield f"  [red]{escape(state.error)}[/]"
        return
    yield f"  version  {escape(_live(state.versions))}"
    for note in filter(None, (state.versions.refused, *state.versions.notes)):
        yield f"           [yellow]{escape(note)}[/]"
    if state.server is not None:
        ready = f"ready, version {state.server.version}"
        told = ready if state.server.is_ready else state.server.message
        yield f"  server   {escape(f'{told}  {state.server.address}'.rstrip())}"
    for stream in state.streams:
        yield from _tiles(stream)
    if state.waiting:
        yield f"  inbox    {counted(state.waiting, 'file')} not taken yet"
    for series in state.quality:
        last = series.figures[-1]
        band = f" (in training {_band(last.low, last.high)})" if last.low or last.high else ""
        rule = f", demanded: {series.rule}" if series.rule else ""
        yield f"  quality  {escape(f'{series.title} {last.value:.4g}{band}{rule}')}"
    for finding in state.findings:
        yield from _finding(finding)


def _live(versions: VersionState) -> str:
    if versions.live is None:
        return "none is live yet"
    by = f", by {versions.by} in {versions.where}" if versions.by else ""
    return f"{versions.live} is live since {versions.since:%Y-%m-%d %H:%M} UTC{by}"


def _band(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low:.3g}" if low is not None else f"at most {high:.3g}"
    return f"{low:.3g} to {high:.3g}"


def _tiles(stream: StreamState) -> Iterator[str]:
    from rich.markup import escape

    if not stream.tiles:
        return
    first, last = stream.tiles[0].partition, stream.tiles[-1].partition
    which = f"{first} to {last}" if stream.unit == "day" else f"up to {last}"
    signs = "".join(_SIGNS[tile.state] for tile in stream.tiles)
    yield f"  {stream.name:8} {signs}  [dim]{escape(which)}[/]"
    aside = sum(tile.quarantined for tile in stream.tiles)
    if aside:
        rows = sum(tile.rows for tile in stream.tiles)
        yield f"           {aside:,} of {rows:,} rows set aside"


def _finding(finding: OpenFinding) -> Iterator[str]:
    from rich.markup import escape

    mark = "[red]FAILED[/]" if finding.is_error else "[yellow]warned[/]"
    where = f" {finding.partition}" if finding.partition is not None else ""
    more = f" (and {len(finding.others)} more)" if finding.others else ""
    yield f"  {mark}   {escape(finding.asset + where)}  [bold]{finding.title}[/]{more}"
    if finding.is_error:
        yield f"           {escape(finding.what)}"
        yield f"           Where: {escape(finding.where)}"
        yield f"           What to do: {escape(finding.todo)}"
