"""Versions: fitted pipelines in the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lockstep.errors import ArtifactError

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

MANIFEST_TAG = "lockstep.manifest"
"""Tag of a version with the SHA-256 of its manifest, kept apart from its files."""
_TRAINING = "workflowType=machine_learning"
"""By this MLflow's pages open for models that are trained, and not for language models."""


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model: what its versions have in common."""

    aliases: Mapping[str, int]  # number of the version of each, without the `@`
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Version:
    """A version as the registry lists it."""

    name: str  # of the model, which is the pipeline's
    version: int
    run_id: str  # the MLflow run that it was logged in
    created: datetime  # when it was registered, in UTC
    aliases: tuple[str, ...]  # those that point to it, without the `@`
    tags: Mapping[str, str]
    location: str  # a URI or path

    @classmethod
    def of(cls, entity: ModelVersion, aliases: Iterable[str] | None = None) -> Version:
        """The version that MLflow describes.

        Its `aliases` are given where the description lacks them, as in MLflow's searches.
        """
        return cls(
            name=entity.name,
            version=int(entity.version),
            run_id=entity.run_id or "",
            created=datetime.fromtimestamp(entity.creation_timestamp / 1000, UTC),
            aliases=tuple(sorted(entity.aliases if aliases is None else aliases)),
            tags=dict(entity.tags),
            location=entity.source or "",
        )

    @property
    def digest(self) -> str:
        """SHA-256 of its manifest; ArtifactError where Lockstep did not log it."""
        if MANIFEST_TAG not in self.tags:
            raise ArtifactError(
                f"Version {self.version} of {self.name} was not logged by Lockstep: it has no "
                f"tag {MANIFEST_TAG}. Use a version that `lockstep train` made."
            )
        return self.tags[MANIFEST_TAG]


def experiments_page() -> str:
    """The list of all experiments in MLflow's UI, below the UI's address.

    That of all models always opens in the view for language models, whatever its address says.
    """
    return f"#/experiments?{_TRAINING}"


def model_page(name: str) -> str:
    """The page of a registered model in MLflow's UI: its versions and aliases."""
    return f"#/models/{name}?{_TRAINING}"


def version_page(name: str, version: int) -> str:
    """A version's page in MLflow's UI, below the UI's address."""
    return f"#/models/{name}/versions/{version}?{_TRAINING}"


def runs_page(experiment: str, run: str = "") -> str:
    """The page in MLflow's UI where an experiment's runs are compared, or that of a run."""
    return f"#/experiments/{experiment}/runs{run and '/'}{run}?{_TRAINING}"
