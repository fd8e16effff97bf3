"""The command that serves a pipeline by HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import PipelineName


def serve(
    pipeline: PipelineName,
    host: Annotated[
        str, typer.Option(help="Address to listen at; another than this machine's needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
    drain: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Go on to answer for so long on SIGTERM, while saying that it is not ready.",
        ),
    ] = 0.0,
    compat: Annotated[
        bool, typer.Option("--compat", help="Be as lenient as MLflow's server, with its statuses.")
    ] = False,
) -> None:
    """Answer HTTP requests with the live version of a pipeline; Ctrl-C stops it.

    It speaks MLflow's protocol (`/invocations`) and the Open Inference Protocol (`/v2`), follows
    the live version while it runs, and demands the token in `LOCKSTEP_TOKEN`, if that is set, of
    every client. Requests are logged as the pipeline's `Serving` declares.
    """
    from contextlib import nullcontext

    from lockstep.cli.console import say
    from lockstep.cli.follower import followed
    from lockstep.project.serving import Serving
    from lockstep.serving.http.server import Settings, demand_servable
    from lockstep.serving.http.server import serve as run
    from lockstep.serving.logs import log_to_stderr
    from lockstep.serving.versions.libraries import import_libraries

    import_libraries()  # before the pipeline's module does
    declared, home = context.pipeline(pipeline), context.home()
    pointer = home.live(pipeline)
    serving = declared.serving or Serving(log=None)
    settings = Settings(
        pipeline,
        str(pointer),
        host=host,
        port=port,
        workers=workers,
        strict=not compat,
        drain_seconds=drain,
        listing=str(home.listing(pipeline)) if serving.registry_seconds is not None else "",
        canary=serving.canary,
        cached_rows=serving.cached_rows,
        log=serving.log,
        log_folder=str(home.requests(pipeline)),
    )
    demand_servable(settings)
    say(f"Serving {pipeline} at http://{host}:{port} (Ctrl-C stops it).")
    if not pointer.exists():
        say(
            f"No version of it is live yet: requests get 503 until one is promoted "
            f"(lockstep train {pipeline}, lockstep promote {pipeline})."
        )
    log_to_stderr("lockstep.cli")
    seconds, address = serving.registry_seconds, (host, port)
    with followed(pipeline, home.path, seconds, address) if seconds is not None else nullcontext():
        run(settings)
