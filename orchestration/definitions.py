"""Dagster's definitions: all assets, checks, jobs, schedules and sensors of all pipelines."""

from __future__ import annotations

import dagster as dg

from assets import pipeline_assets
from orchestration._discovery import Broken, pipelines
from orchestration._jobs import jobs
from orchestration._resources import resources
from orchestration._schedules import schedules
from orchestration._sensors import sensors


def build() -> dg.Definitions:
    """The definitions of all pipelines; a broken one is an asset that says what is wrong."""
    found = pipelines()
    declared = list(found.declared.values())
    return dg.Definitions(
        assets=[
            *(asset for one in declared for asset in pipeline_assets(one)),
            *(_broken_asset(one) for one in found.broken.values()),
        ],
        jobs=[job for one in declared for job in jobs(one)],
        schedules=[schedule for one in declared for schedule in schedules(one)],
        sensors=[sensor for one in declared for sensor in sensors(one)],
        resources=resources(),
        executor=dg.in_process_executor,
    )


def _broken_asset(broken: Broken) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey([broken.name, "cannot_be_imported"]),
        group_name=broken.name,
        description=f"**{broken.error}**\n\n```\n{broken.details}\n```",
    )
    def cannot_be_imported() -> None:
        raise dg.Failure(description=broken.error)

    return cannot_be_imported


defs = build()
