"""Jobs: the assets that run together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from lockstep.project.declaration import PipelineAssets
from lockstep.store.streams import Stream, streams

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition as Job,
    )

WANTED = "lockstep/wanted"
"""Tag of the runs that put a version through the gate: its number."""
BACKFILL_POOL = "lockstep_backfill"
"""The pool that each run of a backfill job holds, of all pipelines."""
BACKFILL_TAG = "dagster/backfill"
"""The tag of the runs of a backfill that was begun on Dagster's pages."""
PAGES_JOB = "__ASSET_JOB"
"""Dagster's own job for assets that somebody selected on its pages, also of others who use it."""


def table_keys(declared: PipelineAssets) -> list[list[str]]:
    """Keys of the assets of a pipeline's tables."""
    return [[declared.name, "tables", table.name] for table in declared.tables]


def train_job_name(pipeline: str) -> str:
    """Name of the job that fits a candidate."""
    return f"{pipeline}_train"


def promote_job_name(pipeline: str) -> str:
    """Name of the job that puts the champion through the gate."""
    return f"{pipeline}_promote"


def promotion(pipeline: str, version: int, *, back: bool = False) -> dict[str, Any]:
    """Configuration of that job: point `@champion` to a version first.

    Args:
        pipeline: Name of the pipeline.
        version: Number of the version.
        back: Whether it goes live without the gate where it is proven in this environment.
    """
    return {f"{pipeline}__champion": {"config": {"version": version, "back": back}}}


def score_job_name(pipeline: str, stream: str) -> str:
    """Name of the job that scores a partition of a stream."""
    return f"{pipeline}_score_{stream}"


def backfill_job_name(pipeline: str) -> str:
    """Name of the job that scores a range of days in one run."""
    return f"{pipeline}_backfill"


def backfill_op(pipeline: str) -> str:
    """Name of the op of a pipeline's backfill, which has its configuration."""
    return f"{pipeline}__backfill"


def monitor_job_name(pipeline: str) -> str:
    """Name of the job that compares predictions with outcomes."""
    return f"{pipeline}_monitor"


def replay_job_name(pipeline: str) -> str:
    """Name of the job that replays logged requests."""
    return f"{pipeline}_replay"


def tables_job_name(pipeline: str) -> str:
    """Name of the job that takes in deliveries of tables."""
    return f"{pipeline}_tables"


def audit_job_name(pipeline: str) -> str:
    """Name of the job that verifies all digests."""
    return f"{pipeline}_audit"


def job_names(declared: PipelineAssets) -> list[str]:
    """Names of all jobs of a pipeline, its backfill's among them."""
    names = [str(job.name) for job in jobs(declared)]
    return names if declared.daily is None else [*names, backfill_job_name(declared.name)]


def jobs(declared: PipelineAssets) -> list[Job]:
    """The jobs of a pipeline that materialize assets."""
    name = declared.name
    pipeline_jobs = [
        _job(
            train_job_name(name),
            [[name, "history"], [name, "training_set"], [name, "candidate"]],
            "Read the history, compute the training set, fit a candidate and register it.",
        ),
        _job(
            promote_job_name(name),
            [[name, "champion"]],
            "Put the version of @champion through the gate; if it passes, it goes live.",
        ),
        *(_score_job(declared, stream) for stream in streams(declared)),
        _job(
            audit_job_name(name),
            [[name, "audit"]],
            "Verify every digest that the home keeps of the pipeline.",
        ),
    ]
    if tables := table_keys(declared):
        pipeline_jobs.append(
            _job(tables_job_name(name), tables, "Take in a delivery of each table.")
        )
    if declared.outcomes is not None and declared.calendar is not None:
        pipeline_jobs.append(
            _job(
                monitor_job_name(name),
                [[name, "outcomes"]],
                "Compare one day's predictions with what came of them.",
            )
        )
    if declared.request_log is not None:
        pipeline_jobs.append(
            _job(
                replay_job_name(name),
                [[name, "requests"]],
                "Send the requests of one segment through the batch path, and compare.",
            )
        )
    return pipeline_jobs


def _score_job(declared: PipelineAssets, stream: Stream) -> Job:
    keys = [[declared.name, stream.name, stage] for stage in ("batch", "scored", "published")]
    return _job(
        score_job_name(declared.name, stream.name),
        keys,
        f"Ingest the rows of one {stream.unit}, score them, and publish them if all is well.",
    )


def _job(name: str, keys: list[list[str]], description: str) -> Job:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*keys),
        description=description,
        executor_def=dg.in_process_executor,
    )
