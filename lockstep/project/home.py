"""The home: the one folder in which everything that Lockstep writes is kept."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.project.addresses import Addresses, read_addresses

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry


@dataclass(frozen=True)
class Home:
    """Where things are kept on this machine.

    Attributes:
        path: The folder; made when something is first written to it.
    """

    path: Path

    @property
    def dagster(self) -> Path:
        """Dagster's own instance: runs, events, schedules."""
        return self.path / "dagster"

    @property
    def mlflow(self) -> Path:
        """MLflow's own store: its database and artifacts."""
        return self.path / "mlflow"

    @property
    def data(self) -> Path:
        """What the assets write, a folder a pipeline."""
        return self.path / "data"

    @property
    def cache(self) -> Path:
        """What can be made again at any time."""
        return self.path / "cache"

    @property
    def served(self) -> Path:
        """The file that is locked as long as `lockstep up` serves the home."""
        return self.path / "up.lock"

    def live(self, pipeline: str) -> Path:
        """The file that says which version of a pipeline is live."""
        return self.path / "live" / f"{pipeline}.json"

    def listing(self, pipeline: str) -> Path:
        """The file that lists which versions a server may use beside the live one."""
        return self.path / "listed" / f"{pipeline}.json"

    def inbox(self, pipeline: str) -> Path:
        """Where files to be scored are dropped."""
        return self.path / "inbox" / pipeline

    def requests(self, pipeline: str) -> Path:
        """Where servers log the requests that a pipeline answered."""
        return self.data / pipeline / "requests" / "segments"

    @property
    def tracking_uri(self) -> str:
        """MLflow's address: `MLFLOW_TRACKING_URI`, or else the embedded SQLite store."""
        named = os.environ.get("MLFLOW_TRACKING_URI")
        # Nothing is quoted but what SQLAlchemy would take for something else than a path: MLflow
        # also makes the folder that the address names as it stands.
        file = str(self.mlflow / "mlflow.db").replace("%", "%25").replace("?", "%3F")
        return named or f"sqlite:///{file}"

    @property
    def addresses(self) -> Addresses:
        """Where people open Dagster and MLflow in a browser."""
        local = read_addresses(self.path) or Addresses.local()
        uri = self.tracking_uri
        return replace(local, mlflow=uri.rstrip("/")) if uri.startswith("http") else local

    def registry(self) -> Registry:
        """The registry of versions: the embedded store, or a server that the environment names."""
        from lockstep.registry.registry import Registry

        return Registry(
            self.tracking_uri,
            artifact_root=self.mlflow / "artifacts",
            cache=self.cache / "versions",
        )
