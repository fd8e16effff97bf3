"""Commands that show the state of all pipelines, and how one is tested."""

from __future__ import annotations

from typing import Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, PIPELINE, AsJson, PipelineName, pipeline_names

_SECONDS = 20.0
"""How long to wait for the registry and the servers."""


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
    """Show what is live, the last days and files, and what is open; 1 if somebody has to act.

    The page that `lockstep up` starts shows the same.
    """
    from dataclasses import asdict

    from lockstep.cli.console import show_json
    from lockstep.pages.alerts import Told
    from lockstep.pages.pipeline_state import Overview

    if pipeline is not None:
        context.all_pipelines().get(pipeline)
    context.registry().demand_place()
    states = Overview(context.project(), context.run_progress).states(_SECONDS, pipeline)
    told = Told.read(context.home())
    if as_json:
        show_json([asdict(state) for state in states])
    else:
        _show("status.txt", states=states, told=told)
    if told.troubles or any(state.is_failed for state in states):
        raise typer.Exit(FAILED)


def scorecard(
    pipeline: PipelineName,
    run: Annotated[
        bool, typer.Option("--run", help="First examine the version that was trained last.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show which tests of the ML Test Score (Breck et al. 2017) a pipeline has, and its score.

    A test counts as automated once its check was carried out for this pipeline. Some take several
    fits, and a stopwatch: they are carried out with --run, once for each version.
    """
    from dataclasses import asdict

    from lockstep.cli.console import show_json
    from lockstep.pages.scorecard import Scorecard

    declared, store = context.pipeline(pipeline), context.store(pipeline)
    if run:
        from lockstep.training.examination import examine

        examine(declared, store, context.registry())
    card = Scorecard.of(declared, store)
    if as_json:
        show_json(asdict(card))
    else:
        _show("scorecard.txt", card=card)


def _show(template: str, **values: object) -> None:
    from rich.markup import escape

    from lockstep.cli.console import OUT
    from lockstep.pages.rendering import templates

    shown = templates(finalize=lambda value: escape(str(value)), autoescape=False)
    OUT.print(shown.get_template(template).render(values), soft_wrap=True)
