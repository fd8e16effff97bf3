"""Dagster's definitions: all assets, checks, jobs, schedules and sensors of all pipelines."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from traceback import format_exception
from typing import TYPE_CHECKING, Any

import dagster as dg

# Dagster's objects so far are permanent. Frozen, the garbage collector does not walk them again and
# again during the other imports, which takes a quarter of the time.
gc.freeze()

from lockstep.artifacts.snapshot import Snapshot  # noqa: E402
from lockstep.columns.markdown import code_block, to_markdown  # noqa: E402
from lockstep.dagster.assets import pipeline_assets  # noqa: E402
from lockstep.dagster.backfill import PartitionWatch, backfill_job  # noqa: E402
from lockstep.dagster.jobs import jobs  # noqa: E402
from lockstep.dagster.schedules import schedules  # noqa: E402
from lockstep.dagster.sensors import alert_sensor, sensors  # noqa: E402
from lockstep.errors import SnapshotError  # noqa: E402
from lockstep.project.declaration import PipelineAssets  # noqa: E402
from lockstep.project.home import Home  # noqa: E402
from lockstep.project.pipelines import Broken, pipelines  # noqa: E402
from lockstep.project.project import Project  # noqa: E402

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry


@dataclass(frozen=True)
class Built:
    """Dagster's definitions of a project, with an asset for every pipeline that cannot be built."""

    definitions: dg.Definitions
    broken: Mapping[str, Broken]


def definitions(project: Project) -> dg.Definitions:
    """Dagster's definitions of a project; a broken pipeline is an asset with its error."""
    return built(project).definitions


def built(project: Project) -> Built:
    """Build Dagster's definitions of all pipelines; a broken one does not stop the others."""
    project.activate()
    return _built(project)


@cache
def _built(project: Project) -> Built:
    imported = pipelines(project)
    parts, broken = [], dict(imported.broken)
    for name, declared in imported.declared.items():
        try:
            parts.append(_of_pipeline(declared, project.packages))
        except Exception as error:  # noqa: BLE001 - Dagster may raise anything for a declaration
            broken[name] = _not_built(name, error)
    shared = dg.Definitions(
        assets=[_broken_asset(pipeline) for pipeline in broken.values()],
        sensors=[alert_sensor(project)],
        resources=resources(project),
        executor=dg.in_process_executor,
    )
    return Built(dg.Definitions.merge(*parts, shared), broken)


def resources(project: Project) -> dict[str, Any]:
    """The resources of assets and sensors, by the environment of the run."""

    def home(_: dg.InitResourceContext) -> Home:
        return project.home

    def registry(_: dg.InitResourceContext) -> Registry:
        return project.home.registry()

    return {
        "project": dg.ResourceDefinition(lambda _: project, description="The project's folder."),
        "home": dg.ResourceDefinition(home, description="The folder that everything is kept in."),
        "registry": dg.ResourceDefinition(registry, description="MLflow's model registry."),
        "watch": dg.ResourceDefinition(
            lambda _: PartitionWatch(),
            description="Follows the days of a backfill: for the command line.",
        ),
    }


def _of_pipeline(declared: PipelineAssets, packages: Sequence[str]) -> dg.Definitions:
    try:
        code = Snapshot.of(declared.pipeline, packages).digest[:12]
    except SnapshotError:  # a training says which code no version can carry
        code = None
    return dg.Definitions(
        assets=pipeline_assets(declared, code),
        jobs=[*jobs(declared), *([backfill_job(declared)] if declared.daily is not None else [])],
        schedules=schedules(declared),
        sensors=sensors(declared),
    )


def _not_built(name: str, error: Exception) -> Broken:
    cause = " ".join(str(error).split())
    return Broken(
        name,
        f"Pipeline {name} is declared, but Dagster cannot have it: {cause}",
        "".join(format_exception(error)),
    )


def _broken_asset(broken: Broken) -> dg.AssetsDefinition:
    name = re.sub(r"\W", "_", broken.name, flags=re.ASCII)  # Dagster may refuse the name itself

    @dg.asset(
        key=dg.AssetKey([name, "broken"]),
        group_name=name,
        description=f"{to_markdown(broken.error)}\n\n{code_block(broken.details)}",
    )
    def broken_pipeline() -> None:
        raise dg.Failure(description=broken.error)

    return broken_pipeline
