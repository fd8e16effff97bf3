"""Backfill: a run that scores days one after another, with the version loaded once.

It is one of the job `PIPELINE_backfill`, or a range of partitions that somebody selected on
Dagster's pages: there, the step of `batch` scores each day to its end, and the steps after it are
skipped. A day that a kill meets may be scored and not shown yet: the next run shows it then.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg

from lockstep.checks.streams import Stream, streams
from lockstep.dagster.checked import DaysFailed
from lockstep.dagster.jobs import BACKFILL_POOL, backfill_op, job_name
from lockstep.dagster.lookup_tables import take_in
from lockstep.dagster.partition_events import StepEvents
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.shown_partitions import ShownPartitions
from lockstep.dagster.tries import sign
from lockstep.errors import LockstepError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.registry.live import KeptLive
from lockstep.registry.registry import Registry
from lockstep.scoring.executors import executor_of
from lockstep.scoring.steps import all_steps
from lockstep.scoring.work import Work
from lockstep.store.disks import disk_error
from lockstep.store.parquet import Store
from lockstep.store.status import ended


class BackfillConfig(dg.Config):
    """The days of a backfill, and a person's decisions about them.

    Attributes:
        first: The first day, in ISO form.
        last: The last day.
        accept: Findings that are real and meant to stay, by name, or all findings of a field.
    """

    first: str
    last: str
    accept: list[str] = []  # noqa: RUF012 - pydantic copies the default


@dataclass(frozen=True)
class PartitionWatch:
    """Follows runs of several partitions."""

    on_partition: Callable[[str], None] = lambda _: None
    on_step: Callable[[str], None] = lambda _: None  # with the name of the step's asset
    on_report: Callable[[RunReport], None] = lambda _: None


def backfill_job(declared: PipelineAssets) -> dg.JobDefinition:
    """The job that scores a range of days of a pipeline in one run."""
    (stream,) = (stream for stream in streams(declared) if stream.name == "daily")

    @dg.op(name=backfill_op(declared.name), out=dg.Out(dg.Nothing), pool=BACKFILL_POOL)
    def backfill(
        context: dg.OpExecutionContext,
        config: BackfillConfig,
        home: dg.ResourceParam[Home],
        registry: dg.ResourceParam[Registry],
        watch: dg.ResourceParam[PartitionWatch],
    ) -> None:
        sign(context.instance, context.run)
        shown = ShownPartitions(declared, stream, home, context.instance, context.run)
        days = _days(declared, config)
        take_in(declared, home, context.instance, context.run)
        score_days(declared, stream, home, registry, shown, days, config.accept, watch)

    @dg.job(
        name=job_name(declared.name, "backfill"),
        description="Score a range of days in one run, the oldest first: a materialization and an "
        "evaluation of each check a day, as in a run of its own, at a fraction of its cost.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        backfill()

    return job


def score_days(
    declared: PipelineAssets,
    stream: Stream,
    home: Home,
    registry: Registry,
    shown: ShownPartitions,
    days: Sequence[str],
    accept: Sequence[str] = (),
    watch: PartitionWatch = PartitionWatch(),
) -> None:
    """Score days, each to its end before the next one, and have Dagster show what came of each.

    Args:
        days: The days, the oldest first.
        accept: Findings that are real and meant to stay, by name, or all findings of a field.

    Raises:
        DaysFailed: A day was blocked or broke off; the others went through.
        LockstepError: Dagster cannot record what came of a day; the next run does.
    """
    shown.catch_up()
    shown.hand_over()
    failed = {}
    store = Store(home.data / declared.name)
    live = KeptLive(registry, declared.name, home.live(declared.name))
    with executor_of(home) as executor:
        for day in days:
            watch.on_partition(day)
            work = Work(declared, store, stream.name, day, executor=executor)
            read = partial(stream.read, home, day)
            steps = partial(all_steps, work, live, read, accept=accept, on_step=watch.on_step)
            report = _scored(work, steps, shown)
            watch.on_report(report)
            if not report.ok:
                failed[day] = report.error or ", ".join(check.check for check in report.failed)
    if failed:
        raise DaysFailed(failed)


def _days(declared: PipelineAssets, config: BackfillConfig) -> list[str]:
    known = declared.calendar.days() if declared.calendar is not None else []
    days = [day for day in known if config.first <= day <= config.last]
    if not days:
        raise LockstepError(
            f"{declared.name} has no day from {config.first} to {config.last}; write days such as "
            "2013-04-01."
        )
    return days


def _scored(work: Work, steps: Callable[[], None], shown: ShownPartitions) -> RunReport:
    """Score a day, and have Dagster show what came of it."""
    report = partial(_report, work)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries' warnings are for developers
            steps()
    except Exception as error:  # noqa: BLE001 - told; the other days go on
        told = (disk_error(error) if isinstance(error, OSError) else None) or error
        if isinstance(told, LockstepError):
            return report([], str(told), is_mistake=True)
        shown.show_fault(work.partition, told)
        return report([], f"{type(told).__name__}: {told}", is_mistake=False)
    end = ended(work.records, work.partition)
    assert end is not None, "without an error, an attempt is published or blocked"
    return report(shown.show(end[0]), None, is_mistake=False)


def _report(work: Work, events: list[StepEvents], error: str | None, **facts: Any) -> RunReport:
    return RunReport.of(
        work.run,
        job_name(work.declared.name, f"score_{work.stream}"),
        work.partition,
        [step.made for step in events],
        [check for step in events for check in step.checks],
        None if error is None else " ".join(error.split()),
        **facts,
    )
