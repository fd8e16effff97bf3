"""Resources: the home and the registry, as the environment names them when a run begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from assets import Home

if TYPE_CHECKING:
    from registry import Registry


def open_registry(home: Home) -> Registry:
    """The registry of a home: its embedded store, or the server that the environment names."""
    from registry import Registry

    return Registry(
        home.tracking_uri, artifact_root=home.mlflow / "artifacts", cache=home.cache / "versions"
    )


def _home(_: dg.InitResourceContext) -> Home:
    return Home.from_environment()


def _registry(_: dg.InitResourceContext) -> Registry:
    return open_registry(Home.from_environment())


def resources() -> dict[str, Any]:
    """The resources that assets and sensors ask for."""
    return {
        "home": dg.ResourceDefinition(_home, description="The folder that everything is kept in."),
        "registry": dg.ResourceDefinition(_registry, description="MLflow's model registry."),
    }
