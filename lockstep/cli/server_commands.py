"""Commands about a server: serve a pipeline by HTTP, and replay what it answered."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import AsJson, PipelineName
from lockstep.cli.ending import finish, interruption_told

if TYPE_CHECKING:
    from pathlib import Path

    from lockstep.dagster.runs import RunReport
    from lockstep.project.declaration import PipelineAssets


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
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address or network of a proxy in front of it; needs a token. May be repeated.",
        ),
    ] = None,
) -> None:
    """Answer HTTP requests with the live version of a pipeline; Ctrl-C stops it.

    It speaks MLflow's protocol (`/invocations`) and the Open Inference Protocol (`/v2`), follows
    the live version while it runs, and demands the token in `LOCKSTEP_TOKEN`, if that is set, of
    every client. Requests are logged as the pipeline's `Serving` declares.
    """
    from contextlib import nullcontext
    from importlib.util import find_spec

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
        proxies=tuple(trusted_proxy or ()),
        strict=not (compat or serving.compat),
        drain_seconds=drain,
        listing=str(home.listing(pipeline)) if serving.registry_seconds is not None else "",
        canary=serving.canary,
        cached_rows=serving.cached_rows,
        log=serving.log,
        log_folder=str(home.requests(pipeline)),
        replayed=str(home.replayed(pipeline)),
        tables=str(home.data / pipeline),
        on_disk=tuple(table.name for table in declared.tables if not table.in_memory),
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
    if seconds is not None and find_spec("mlflow") is None:
        say(
            "MLflow is not installed here, so that this server asks no registry: of versions "
            f"beside the live one it knows what is in {home.listing(pipeline)}."
        )
        seconds = None
    uri = home.mlflow_tracking_uri and home.tracking_uri
    following = (
        followed(pipeline, home.path, seconds, address, home.trusted, uri)
        if seconds is not None
        else nullcontext()
    )
    with following:
        run(settings)


def replay(
    pipeline: PipelineName,
    segment: Annotated[
        str | None, typer.Option(help="A segment of the request log, replayed once more.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay logged requests through the batch path; 1 if an answer differs.

    Without a segment, all that are sealed and were not replayed yet, or were changed since.
    """
    from lockstep.cli.console import say, show_checks, show_many_checks

    declared = context.pipeline(pipeline)
    names = _segments(declared, segment)
    reports = _replay_each(declared, names, as_json=as_json)
    if not as_json and not names:
        say(_nothing_left(context.home().requests(declared.name)))
    elif not as_json and len(reports) == 1:
        show_checks(reports[0].checks)
    elif not as_json:
        show_many_checks(reports)
    finish(reports, {}, as_json)


def _nothing_left(folder: Path) -> str:
    """Why there is no segment to replay."""
    from lockstep.serving.requestlog.log_segments import segment_names

    if segment_names(folder):
        return f"Every sealed segment in {folder} was replayed, and none was changed since."
    return (
        f"No segment in {folder} is sealed yet: a server that answers requests seals one at 64 "
        "MiB, after an hour, and when it ends."
    )


def _segments(declared: PipelineAssets, segment: str | None) -> list[str]:
    """The segments to replay: the named one, or all that are due."""
    from lockstep.columns.plain import listed
    from lockstep.errors import LockstepError
    from lockstep.scoring.request_replay import open_segments
    from lockstep.serving.requestlog.log_segments import segment_names
    from lockstep.store.parquet import Store

    home = context.home()
    folder = home.requests(declared.name)
    if declared.request_log is None:
        raise LockstepError(
            f"{declared.name} logs no requests; declare serving=Serving() in its file in assets/."
        )
    if segment is None:
        opened, _ = open_segments(declared, Store(home.data / declared.name), folder)
        return [*opened]
    if segment not in (names := segment_names(folder)):
        nearest = sorted(names, key=lambda name: -SequenceMatcher(None, segment, name).ratio())
        held = f"There are {listed(nearest, 5)}." if names else "There is none there."
        raise LockstepError(
            f"There is no segment {segment!r} in {folder}, or it is kept no more. {held}"
        )
    return [segment]


def _replay_each(declared: PipelineAssets, names: list[str], *, as_json: bool) -> list[RunReport]:
    """Replay segments, one after another, and show the content of each."""
    from lockstep.cli.progress import Bar
    from lockstep.columns.plain import counted, verb
    from lockstep.dagster.jobs import replay_job_name
    from lockstep.dagster.partitions import request_partitions

    job, partitions = replay_job_name(declared.name), request_partitions(declared.name)
    if names:
        context.instance().add_dynamic_partitions(partitions.name or "", names)
    reports: list[RunReport] = []

    def left() -> str:
        again = f" --segment {names[0]}" if len(names) == 1 else ""
        return (
            f"{len(reports)} of {counted(len(names), 'segment')} "
            f"{verb(len(reports), 'was', 'were')} replayed, which is kept. Go on: "
            f"lockstep replay {declared.name}{again}"
        )

    with interruption_told(left), Bar(len(names), 1, shown=not as_json) as bar:
        for name in names:
            bar.begin(f"replaying {name}")
            reports.append(context.run(job, name, None, bar.step))
            if not as_json:
                bar.say(_line(reports[-1]))
    return reports


def _line(report: RunReport) -> str:
    """The content of a segment, in a line."""
    from lockstep.columns.plain import counted

    requests, rows = (report.figure("/requests", name) for name in ("requests", "rows"))
    if requests is None:
        return f"{report.partition}: NOT replayed"
    counts = f"{counted(requests, 'request')}, {counted(rows or 0, 'row')}"
    return f"{report.partition}: {counts}"
