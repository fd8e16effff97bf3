"""The context of a command: the project around its folder, and what belongs to that."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from lockstep.dagster.backfill import PartitionWatch
    from lockstep.dagster.run_reports import RunReport
    from lockstep.project.declaration import PipelineAssets
    from lockstep.project.home import Home
    from lockstep.project.pipelines import Pipelines
    from lockstep.project.project import Project
    from lockstep.registry.live import Live
    from lockstep.registry.registry import Registry
    from lockstep.store.parquet import Store
    from lockstep.store.status import RunProgress


def project() -> Project:
    """The project, found here or above."""
    from lockstep.project.project import Project

    return Project.find()


def home() -> Home:
    """The project's home, which keeps all of its data."""
    return project().home


def all_pipelines() -> Pipelines:
    """The project's pipelines."""
    from lockstep.project.pipelines import pipelines

    return pipelines(project())


def pipeline(name: str) -> PipelineAssets:
    """A pipeline of the project, the only one that is imported."""
    from lockstep.project import pipelines

    return pipelines.pipeline(project(), name)


def instance() -> DagsterInstance:
    """Dagster's instance, which records runs; it is made where it is missing."""
    from lockstep.dagster.instance import open_instance

    return open_instance(home())


def recorded() -> DagsterInstance | None:
    """Dagster's instance; None where there was no run yet."""
    from lockstep.dagster.instance import find_instance

    return find_instance(home())


def run_progress(runs: Collection[str]) -> dict[str, RunProgress]:
    """The progress of runs by Dagster, which is imported at the first of them."""
    from lockstep.dagster.tries import progress

    found = recorded()
    if found is None:
        return {}
    with found:
        return progress(found, runs)


def progress_of_run(run: str) -> RunProgress:
    """The progress of a run; see `run_progress`."""
    return run_progress([run]).get(run, "unknown")


def registry() -> Registry:
    """The registry of versions."""
    return home().registry()


def store(pipeline: str) -> Store:
    """Where the rows of a pipeline are kept."""
    from lockstep.store.parquet import Store

    return Store(home().data / pipeline)


def dagster() -> str | None:
    """The address of Dagster's UI while `lockstep up` runs for the home; otherwise None."""
    from lockstep.store.lock import is_held

    return home().addresses.dagster if is_held(home().served) else None


def live(pipeline: str) -> Live:
    """The state of a pipeline's live version."""
    from lockstep.registry.live import Live

    return Live(registry(), pipeline, home().live(pipeline))


def deliver(declared: PipelineAssets, days: Sequence[str] = ()) -> RunReport:
    """Take in a delivery of each table of a pipeline, in a run.

    `days` are read again, of tables that are delivered by day; by default those of which rows may
    be lacking.
    """
    from lockstep.dagster.jobs import job_name

    by_day = [table.name for table in declared.tables if table.since is not None]
    config = {"config": {"days": [*days]}}
    ops = {f"{declared.name}__tables__{name}": config for name in by_day if days}
    return run(job_name(declared.name, "tables"), ops=ops)


def backfill(
    declared: PipelineAssets, days: list[str], accept: list[str], watch: PartitionWatch
) -> None:
    """Score days that follow each other in a pipeline's calendar, in one run."""
    from lockstep.dagster.jobs import backfill_op, job_name
    from lockstep.dagster.runs import run_job

    config = {"first": days[0], "last": days[-1], "accept": accept}
    report = run_job(
        project(),
        job_name(declared.name, "backfill"),
        instance(),
        ops={backfill_op(declared.name): {"config": config}},
        resources={"watch": watch},
    )
    if report.error is not None:
        raise LockstepError(f"The days that are left were not scored: {report.error}")


def run(
    job: str,
    partition: str | None = None,
    ops: dict[str, Any] | None = None,
    on_step: Callable[[str], None] | None = None,
    file: str | None = None,
    tags: dict[str, str] | None = None,
) -> RunReport:
    """Carry out a job of the project in this process; messages about a file name `file`."""
    from lockstep.dagster.runs import run_job

    return run_job(
        project(),
        job,
        instance(),
        partition=partition,
        ops=ops,
        tags=tags,
        file=file,
        on_step=on_step,
    )
