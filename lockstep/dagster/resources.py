"""Resources: the home and the registry, as the environment names them when a run begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from lockstep.project.home import Home
from lockstep.project.project import Project

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry


def resources(project: Project) -> dict[str, Any]:
    """The resources that assets and sensors ask for, as the environment names them at a run."""

    def home(_: dg.InitResourceContext) -> Home:
        return project.home

    def registry(_: dg.InitResourceContext) -> Registry:
        return project.home.registry()

    return {
        "project": dg.ResourceDefinition(lambda _: project, description="The project's folder."),
        "home": dg.ResourceDefinition(home, description="The folder that everything is kept in."),
        "registry": dg.ResourceDefinition(registry, description="MLflow's model registry."),
    }
