"""Jobs: the assets that run together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from lockstep.checks.streams import streams
from lockstep.dagster.tags import hidden
from lockstep.project.declaration import PipelineAssets

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition as Job,
    )

WANTED = hidden("wanted")
"""Tag of the runs that put a version through the gate: its number."""
BACKFILL_POOL = "lockstep_backfill"
"""The pool that each run of a backfill job holds, of all pipelines."""
TRAINING_POOL = "lockstep_training"
"""The pool that each run of a training holds, of all pipelines."""
BACKFILL_TAG = "dagster/backfill"
"""The tag of the runs of a backfill that was begun on Dagster's pages."""
PAGES_JOB = "__ASSET_JOB"
"""Dagster's own job for assets that somebody selected on its pages, also of others who use it."""


def table_keys(declared: PipelineAssets) -> list[list[str]]:
    """Keys of the assets of a pipeline's tables."""
    return [[declared.name, "tables", table.name] for table in declared.tables]


def job_name(pipeline: str, job: str) -> str:
    """Name of a job.

    Args:
        pipeline: Name of the pipeline.
        job: `train`, `promote`, `score_STREAM`, `backfill`, `monitor`, `replay`, `tables` or
            `audit`.
    """
    return f"{pipeline}_{job}"


def promotion(
    pipeline: str, version: int, *, back: bool = False, anyway: str = "", seen: str | None = None
) -> dict[str, Any]:
    """Configuration of that job: the version that is wanted.

    Args:
        pipeline: Name of the pipeline.
        version: Number of the version.
        back: Whether it goes live without the gate where it is proven in this environment.
        anyway: Why it is wanted though a check of its quality failed.
        seen: Key of the decision that held when somebody said so (`Live.last`).
    """
    config = {"version": version, "back": back, "anyway": anyway}
    config |= {} if seen is None else {"seen": seen}
    return {f"{pipeline}__champion": {"config": config}}


def backfill_op(pipeline: str) -> str:
    """Name of the op of a pipeline's backfill, which has its configuration."""
    return f"{pipeline}__backfill"


def job_names(declared: PipelineAssets) -> list[str]:
    """Names of all jobs of a pipeline, its backfill's among them."""
    names = [str(job.name) for job in jobs(declared)]
    return names if declared.daily is None else [*names, job_name(declared.name, "backfill")]


def jobs(declared: PipelineAssets) -> list[Job]:
    """The jobs of a pipeline that materialize assets."""
    name = declared.name
    described: dict[str, tuple[list[list[str]], str]] = {
        "train": (
            [[name, "history"], [name, "training_set"], [name, "candidate"]],
            "Read the history, compute the training set, fit a candidate and register it.",
        ),
        "promote": (
            [[name, "champion"]],
            "Put the version of @champion through the gate; if it passes, it goes live.",
        ),
        "audit": ([[name, "audit"]], "Verify every digest that the home keeps of the pipeline."),
    }
    for stream in streams(declared):
        keys = [[name, stream.name, stage] for stage in ("batch", "scored", "published")]
        described[f"score_{stream.name}"] = (
            keys,
            f"Ingest the rows of one {stream.unit}, score them, and publish them if all is well.",
        )
    if tables := table_keys(declared):
        described["tables"] = tables, "Take in a delivery of each table."
    if declared.outcomes is not None and declared.calendar is not None:
        what = "Compare one day's predictions with what came of them."
        described["monitor"] = [[name, "outcomes"]], what
    if declared.request_log is not None:
        what = "Send the requests of one segment through the batch path, and compare."
        described["replay"] = [[name, "requests"]], what
    return [
        dg.define_asset_job(
            job_name(name, job),
            selection=dg.AssetSelection.assets(*keys),
            description=description,
            executor_def=dg.in_process_executor,
        )
        for job, (keys, description) in described.items()
    ]
