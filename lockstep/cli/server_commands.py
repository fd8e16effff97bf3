"""Commands about a server: serve a pipeline by HTTP, and replay or forget what it answered."""

from __future__ import annotations

import shlex
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, LAST_PORT, AsJson, PipelineName
from lockstep.cli.ending import finish, interruption_told
from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from pathlib import Path

    from lockstep.columns.schema import Field
    from lockstep.dagster.run_reports import RunReport
    from lockstep.project.declaration import PipelineAssets
    from lockstep.serving.requestlog.erasure import ErasedKey

_MOST_WORKERS = 1_024
_LONGEST_DRAIN = 86_400


def serve(
    pipeline: PipelineName,
    host: Annotated[
        str, typer.Option(help="Address to listen at; another than this machine's needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=LAST_PORT, help="Port to listen at.")] = 8080,
    workers: Annotated[
        int, typer.Option(min=1, max=_MOST_WORKERS, help="Processes that share the port.")
    ] = 1,
    drain: Annotated[
        float,
        typer.Option(
            min=0,
            max=_LONGEST_DRAIN,
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
        hosts=context.project().hosts,
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
    uri = home.tracking_uri if home.mlflow_tracking_uri else None
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
    from lockstep.scoring.request_replay import open_segments
    from lockstep.serving.requestlog.log_segments import segment_names

    home = context.home()
    folder = home.requests(declared.name)
    if declared.request_log is None:
        raise LockstepError(
            f"{declared.name} logs no requests; declare serving=Serving() in its file in assets/."
        )
    if segment is None:
        opened, _ = open_segments(declared, context.store(declared.name), folder)
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
    from lockstep.dagster.jobs import job_name
    from lockstep.dagster.partitions import request_partitions

    job, partitions = job_name(declared.name, "replay"), request_partitions(declared.name)
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


log = typer.Typer(help="The log of what a pipeline's server was asked and answered.")


@log.command()
def forget(
    pipeline: PipelineName,
    key: Annotated[str, typer.Option(help="The key of a record, such as a customer's number.")],
    as_json: AsJson = False,
) -> None:
    """Erase what the server logged of a key until now; 1 if not all could be searched.

    Segments that hold it are written anew without its rows, also those that a running server still
    writes to, and replayed once more. Each notes how many rows were erased, and when.
    """
    from dataclasses import asdict

    from lockstep.cli.console import say, show_json
    from lockstep.scoring.request_replay import forget_requests
    from lockstep.serving.requestlog.erasure import LoggedKey, erase_key
    from lockstep.serving.requestlog.redaction import keyed_hashes, log_key

    declared, home = context.pipeline(pipeline), context.home()
    folder = home.requests(pipeline)
    if not folder.is_dir():
        raise LockstepError(f"No request of {pipeline} was ever logged in {folder}.")
    field = declared.pipeline.record_schema[declared.pipeline.key]
    logged = LoggedKey(field.name, _key_text(field, key), lambda: keyed_hashes(log_key()))
    erased = erase_key(folder, logged)
    # With them goes what their replays showed of the rows.
    forget_requests(declared, context.store(declared.name), erased.segments)
    if as_json:
        show_json(asdict(erased))
    else:
        for line in _erased_lines(erased, pipeline):
            say(line)
    if erased.unsearched:
        raise typer.Exit(FAILED)


def _key_text(field: Field, key: str) -> str:
    """The text of a key as the log hashes and compares it."""
    import numpy as np

    from lockstep.columns.converters import RefusedError, cell_parser, converter

    if field.is_row_number:
        raise LockstepError(
            "A record without a key is known by its row in its request alone: nothing in the log "
            "belongs to one person. `keep` removes all of it in time."
        )
    try:
        value = converter(field)(cell_parser(field)(key))
    except RefusedError as error:
        raise LockstepError(f"--key is no {field.name}: {error}.") from None
    return str(np.array([value], dtype=field.kind.dtype).tolist()[0])


def _erased_lines(erased: ErasedKey, pipeline: str) -> list[str]:
    from lockstep.columns.plain import counted

    if not erased.segments:
        lines = ["No segment that can be searched holds it."]
    else:
        count = len(erased.segments)
        lines = [
            f"{counted(erased.rows, 'row')} in {counted(count, 'segment')} erased, and with them "
            f"{counted(erased.requests, 'whole request')}. Dagster's sensor replays "
            f"them once more, or {shlex.join(['lockstep', 'replay', pipeline])}."
        ]
    if erased.torn:
        lines.append(
            f"{counted(erased.torn, 'file')} of torn bytes removed: nobody can search them."
        )
    return [*lines, *(f"NOT searched: {sentence}" for sentence in erased.unsearched)]
