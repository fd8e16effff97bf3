"""The daemon's part: the sensor of an inbox looks, and what it asks for is carried out."""

from __future__ import annotations

import dagster as dg

from lockstep.dagster.definitions import built, resources
from lockstep.dagster.instance import open_instance
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.runs import run_job
from lockstep.project.project import Project


def take_in(project: Project, pipeline: str) -> list[RunReport]:
    """Have the sensor of a pipeline's inbox look once, and carry out the runs that it asks for."""
    sensor = built(project).definitions.resolve_sensor_def(f"{pipeline}_inbox")
    with (
        open_instance(project.home) as instance,
        dg.build_sensor_context(instance=instance, resources=resources(project)) as context,
    ):
        found = sensor(context)
        result = found if isinstance(found, dg.SensorResult) else dg.SensorResult()
        for new in result.dynamic_partitions_requests or ():
            instance.add_dynamic_partitions(new.partitions_def_name, list(new.partition_keys))
        return [
            run_job(project, str(sensor.job_name), instance, partition=request.partition_key)
            for request in result.run_requests or ()
        ]
