"""The workspace: the code location that Dagster loads for a project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lockstep.columns.plain import one_line
from lockstep.errors import LockstepError
from lockstep.project.project import Project
from lockstep.store.disks import replace_text

if TYPE_CHECKING:
    from dagster._core.remote_origin import CodeLocationOrigin, RemoteJobOrigin

_FILE = "workspace.yaml"


def workspace_file(project: Project) -> Path:
    """The project's `workspace.yaml`; without one, a written one with all of its pipelines."""
    own = project.root / _FILE
    if own.exists():
        return own
    path = project.home.workspace
    # JSON is YAML.
    replace_text(path, json.dumps(_workspace(project), indent=1) + "\n")
    return path


def job_origin(project: Project, job: str) -> RemoteJobOrigin:
    """The origin of a job for Dagster's pages: its name and its code location."""
    from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
    from dagster._core.remote_origin import RemoteRepositoryOrigin

    location = _location(project)
    return RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME).get_job_origin(job)


def _location(project: Project) -> CodeLocationOrigin:
    """The project's code location: the one of its name, or else the first."""
    from dagster._core.workspace.load import location_origins_from_config
    from yaml import YAMLError, safe_load  # type: ignore[import-untyped]

    own = project.root / _FILE
    try:
        workspace = safe_load(own.read_text(encoding="utf-8")) if own.exists() else None
        locations = dict(location_origins_from_config(workspace or _workspace(project), str(own)))
    except (dg.DagsterError, OSError, YAMLError) as error:
        raise LockstepError(f"{own} cannot be read: {one_line(str(error), 300)}") from error
    return locations.get(project.name) or next(iter(locations.values()))


def _workspace(project: Project) -> dict[str, Any]:
    location = {
        "module_name": "lockstep.dagster.location",
        "location_name": project.name,
        "working_directory": str(project.root),
    }
    return {"load_from": [{"python_module": location}]}
