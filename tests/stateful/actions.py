"""Actions: what is done in a process of its own, by a command or by hand."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def materialize(asset: str, partition: str | None = None) -> None:
    """Materialize one asset alone, as a person does in Dagster's UI."""
    import dagster as dg

    from lockstep.dagster.definitions import built
    from lockstep.dagster.instance import open_instance
    from lockstep.dagster.run_reports import report_of
    from lockstep.project.project import Project

    project = Project.find()
    job = built(project).definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey(["meters", *asset.split("/")])],
        instance=open_instance(project.home),
        partition_key=partition,
        raise_on_error=False,
    )
    checks = [asdict(report_of(one)) for one in result.get_asset_check_evaluations()]
    print(json.dumps({"runs": [{"checks": checks}]}))
    sys.exit(0 if result.success else 1)


def take_in() -> None:
    """Have the sensor of the inbox look once, and carry out the runs that it asks for."""
    from benchmarks import _daemon
    from lockstep.project.project import Project

    ended = _daemon.take_in(Project.find(), "meters")
    print(json.dumps({"runs": [one.to_json() for one in ended]}))
    sys.exit(0 if all(one.ok for one in ended) else 1)


def go_live(version: int) -> None:
    """What the gate does with a version that it lets serve, without looking at it."""
    from lockstep.project.project import Project
    from lockstep.registry.live import Live

    home = Project.find().home
    live = Live(home.registry(), "meters", home.live("meters"))
    with live.alone():
        live.move(live.registry.load("meters", version))


def point(alias: str, version: int) -> None:
    """Point an alias to a version by hand, as in MLflow's UI."""
    _client().set_registered_model_alias("meters", alias, str(version))


def copy_tags(source: int, target: int) -> None:
    """Copy all tags of a version to another, but those that say which bytes it is."""
    client = _client()
    for key, value in client.get_model_version("meters", str(source)).tags.items():
        if key != "lockstep.manifest":
            client.set_model_version_tag("meters", str(target), key, value)


def forget(version: int) -> None:
    """Have the registry know nothing of what the training of a version found."""
    _client().delete_model_version_tag("meters", str(version), "lockstep.evidence")


def _client() -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{os.environ['LOCKSTEP_HOME']}/mlflow/mlflow.db")
