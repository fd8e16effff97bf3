"""Dagster's definitions: all assets, checks, jobs, schedules and sensors of all pipelines."""

from __future__ import annotations

import gc
from functools import cache

import dagster as dg

# What Dagster has made so far stays for good. Kept out of the garbage collector's sight, it is not
# walked through again and again while the rest is imported, which takes a quarter of the time.
gc.freeze()

from lockstep.dagster.assets import pipeline_assets  # noqa: E402
from lockstep.dagster.jobs import jobs  # noqa: E402
from lockstep.dagster.resources import resources  # noqa: E402
from lockstep.dagster.schedules import schedules  # noqa: E402
from lockstep.dagster.sensors import sensors  # noqa: E402
from lockstep.project.pipelines import Broken, pipelines  # noqa: E402
from lockstep.project.project import Project  # noqa: E402


@cache
def definitions(project: Project) -> dg.Definitions:
    """What Dagster shows of a project; a broken pipeline is an asset that says what is wrong."""
    found = pipelines(project)
    declared = list(found.declared.values())
    return dg.Definitions(
        assets=[
            *(asset for one in declared for asset in pipeline_assets(one)),
            *(_broken_asset(one) for one in found.broken.values()),
        ],
        jobs=[job for one in declared for job in jobs(one)],
        schedules=[schedule for one in declared for schedule in schedules(one)],
        sensors=[sensor for one in declared for sensor in sensors(one)],
        resources=resources(project),
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
