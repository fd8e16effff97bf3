"""Commands about rows: score them, and compare predictions with outcomes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import AsJson, Day, First, Last, PipelineName, days
from lockstep.cli.ending import finish, interruption_told
from lockstep.cli.version_commands import waiting_champion
from lockstep.errors import DamagedError, LockstepError

if TYPE_CHECKING:
    from lockstep.dagster.backfill import PartitionWatch
    from lockstep.dagster.run_reports import RunReport
    from lockstep.project.declaration import PipelineAssets
    from lockstep.store.partition_records import Records


def score(
    pipeline: PipelineName,
    day: Day = None,
    first: First = None,
    last: Last = None,
    file: Annotated[
        str | None,
        typer.Option(
            help="A CSV, Parquet or JSON lines file, scored by its content; or its address in an "
            "object store, such as s3://bucket/file.parquet."
        ),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            help="A finding that is real and meant to stay, by the eight digits that its message "
            "tells, or a column for all findings of it; repeatable. It stays accepted for the "
            "batches that follow, until another version is live."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a day, several days or a file with the live version, and publish what passes."""
    declared = context.pipeline(pipeline)
    if file is not None and (day, first, last) != (None, None, None):
        raise LockstepError("Say either which days or which file to score, not both.")
    if file is None:
        how = "Say what to score: --day DAY, --from DAY --to DAY, or --file FILE."
        partitions = days(declared, day, first, last, missing=how)
        score_each(declared, "daily", partitions, accept or [], as_json=as_json)
        return
    with _delivered(file) as delivered:
        named = delivered.named if delivered.path.exists() else None
        dropped = _drop(declared, delivered, as_json=as_json)
    score_each(declared, "inbox", [dropped], accept or [], delivered.named, named, as_json=as_json)


def score_each(
    declared: PipelineAssets,
    stream: str,
    partitions: list[str],
    accept: list[str],
    file: str | None = None,
    named: str | None = None,
    *,
    as_json: bool,
) -> None:
    """Score partitions of a stream, show what came of them, and end the command if one failed.

    Args:
        named: How messages name it; None where it need not be at hand, since it came before.
    """
    from lockstep.checks.streams import stream_records

    if stream == "daily":
        run = partial(context.backfill, declared, partitions, accept)
    else:
        run = partial(_score_file, declared, named, partitions[0], accept)
    records = stream_records(declared, context.store(declared.name), stream)
    reports = _run_each(
        run,
        partitions,
        "scoring",
        steps=3,
        as_json=as_json,
        stays=partial(_stays, records),
        again=partial(_again, "score", declared.name, file=file, accept=accept),
    )
    if not as_json:
        _say_who_waits(declared.name)
    finish(reports, {}, as_json)


def _score_file(
    declared: PipelineAssets,
    named: str | None,
    partition: str,
    accept: list[str],
    watch: PartitionWatch,
) -> None:
    """Score a file of the inbox, in a run; messages name it as the command did."""
    from lockstep.dagster.jobs import job_name

    ops = {f"{declared.name}__inbox__batch": {"config": {"accept": accept}}}
    job = job_name(declared.name, "score_inbox")
    watch.on_partition(partition)
    watch.on_report(context.run(job, partition, ops, watch.on_step, named))


def _say_who_waits(pipeline: str) -> None:
    """Say so where `@champion` is another version than the live one, which scored."""
    from lockstep.cli.console import say
    from lockstep.registry.version_tags import failed_checks

    champion = context.registry().alias(pipeline, "champion")
    state = context.live(pipeline).state()
    if champion is not None:
        failed = failed_checks(champion)
        if sentence := waiting_champion(pipeline, champion.version, failed, state):
            say(sentence)


def outcomes(
    pipeline: PipelineName,
    day: Day = None,
    first: First = None,
    last: Last = None,
    as_json: AsJson = False,
) -> None:
    """Compare the predictions of a day or of several with what came of them."""
    from lockstep.checks.streams import stream_records
    from lockstep.dagster.jobs import job_name

    declared = context.pipeline(pipeline)
    if declared.outcomes is None:
        raise LockstepError(f"{declared.name} has no source of outcomes; declare outcomes=...")
    how = "Say which days: --day DAY, or --from DAY --to DAY."
    partitions = days(declared, day, first, last, missing=how)
    store = context.store(declared.name)
    if not stream_records(declared, store, "daily").partitions():
        raise LockstepError(
            f"{declared.name} has published nothing yet in {context.home().path}. Score a "
            f"day first: lockstep score {declared.name} --day {partitions[0]}"
        )
    job = job_name(declared.name, "monitor")

    def run(watch: PartitionWatch) -> None:
        for partition in partitions:
            watch.on_partition(partition)
            watch.on_report(context.run(job, partition, on_step=watch.on_step))

    reports = _run_each(
        run,
        partitions,
        "comparing",
        steps=1,
        as_json=as_json,
        again=partial(_again, "outcomes", declared.name),
    )
    finish(reports, {}, as_json)


def _run_each(
    run: Callable[[PartitionWatch], None],
    partitions: list[str],
    doing: str,
    *,
    steps: int,
    as_json: bool,
    again: Callable[[Sequence[str]], str],
    stays: Callable[[str], str] = lambda _: "",
) -> list[RunReport]:
    """Make partitions, one after another, and show the result of each and of all."""
    from lockstep.cli.console import show_checks, show_many_checks
    from lockstep.cli.progress import Bar
    from lockstep.columns.plain import verb
    from lockstep.dagster.backfill import PartitionWatch

    reports: list[RunReport] = []

    def left() -> str:
        through, others = len(reports), partitions[len(reports) :]
        are = verb(through, "is", "are")
        done = f"{through} of {len(partitions)} {are} through, which is kept"
        if not others:
            return f"{done}."
        many = f" {done}." if through else ""
        return (
            f"of {others[0]}, what is new is kept whole or not at all.{many} Go on: {again(others)}"
        )

    with interruption_told(left), Bar(len(partitions), steps, shown=not as_json) as bar:

        def tell(report: RunReport) -> None:
            reports.append(report)
            if not as_json:
                kept = "" if report.wrote("/published") else stays(str(report.partition))
                if kept or _has_begun(report):
                    bar.say(f"{_line(report)}{kept}")

        run(PartitionWatch(lambda partition: bar.begin(f"{doing} {partition}"), bar.step, tell))
    if not as_json and len(reports) == 1:
        show_checks(reports[0].checks, dagster=context.dagster())
    elif not as_json:
        show_many_checks(reports, context.dagster())
    return reports


def _again(
    command: str,
    pipeline: str,
    left: Sequence[str],
    file: str | None = None,
    accept: Sequence[str] = (),
) -> str:
    """The command that goes on with the days that are left, or with a file."""
    if file is not None:
        what = ["--file", file]
    elif len(left) > 1:
        what = ["--from", left[0], "--to", left[-1]]
    else:
        what = ["--day", *left]
    accepted = [word for name in accept for word in ("--accept", name)]
    return shlex.join(["lockstep", command, pipeline, *what, *accepted])


def _stays(records: Records, partition: str) -> str:
    """The attempt at a partition that stays published, if there is one; empty otherwise."""
    from lockstep.cli.console import near
    from lockstep.columns.plain import to_the_minute

    try:
        commit = records.commit_of(partition)
    except DamagedError:
        return ""  # the run has reported it
    if commit is None:
        return ""
    what = f"attempt {commit.attempt} of {to_the_minute(commit.committed_at)}"
    return f"; {what} stays published: {near(str(records.export_path(partition)))}"


def _has_begun(report: RunReport) -> bool:
    """Whether a run came to its partition; its error says all, if it broke off before."""
    return report.error is None or bool(report.materialized or report.checks)


def _line(report: RunReport) -> str:
    """The result of a partition, in a line."""
    from lockstep.cli.console import near
    from lockstep.columns.plain import counted

    rows = report.figure("/scored", "dagster/row_count")
    if report.job.endswith("_monitor"):
        known, all_rows = (report.figure("/outcomes", name) for name in ("known", "published"))
        path = report.figure("/outcomes", "path")
        return f"{report.partition}: " + (
            f"{known} of {counted(all_rows, 'outcome')} known: {near(path)}"
            if path is not None
            else "not compared"
        )
    ingested = report.figure("/batch", "accepted") is not None
    quarantined = f", {report.quarantined} quarantined" if ingested else ""
    held_back = report.figure("/batch", "held_back")
    quarantined += f", {held_back} of days that are held back" if held_back else ""
    path = report.figure("/published", "path")
    published = f"published: {near(path)}" if path is not None else "NOT published"
    scored = f"{counted(rows, 'row') if rows is not None else 'no rows'} scored"
    return f"{report.partition}: {scored}{quarantined}, {published}"


@dataclass(frozen=True)
class _Delivered:
    """A file to score."""

    path: Path  # where it lies on this machine; it need not exist where it came before
    named: str  # what messages call it: its path, or its address in a store


@contextmanager
def _delivered(file: str) -> Iterator[_Delivered]:
    """The file that a command names by a path, or by an address of a store."""
    from lockstep.columns.plain import shown_name
    from lockstep.project.fetching import fetched
    from lockstep.project.object_stores import StoreAddress, is_address, local_path
    from lockstep.store.inbox import named_file

    if not is_address(file):
        path = named_file(Path(local_path(file)))
        yield _Delivered(path, shown_name(str(path)))
        return
    address = StoreAddress(file)
    with fetched(address, context.home().fetched) as path:
        yield _Delivered(path, str(address))


def _drop(declared: PipelineAssets, file: _Delivered, *, as_json: bool) -> str:
    """Claim a file for the inbox without moving it, and make its partition."""
    from lockstep.cli.console import say
    from lockstep.dagster.partitions import inbox_partitions
    from lockstep.store.inbox import came_as, claim_copy

    partition = claim_copy(context.home().inbox(declared.name), file.path)
    if not as_json and file.path.exists() and not came_as(partition, file.path):
        say(
            f"{file.named} has the content of {partition}, which came before: that is scored again."
        )
    files = inbox_partitions(declared.name).name
    context.instance().add_dynamic_partitions(files or "", [partition])
    return partition
