"""Versions: fitted pipelines in the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from parity import Environment, GoldenRecords, Profile
from registry._artifact import ENVIRONMENT, GOLDEN, PROFILE, SUITES, Artifact
from registry._snapshot import Snapshot
from transforms import Pipeline

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

MANIFEST_TAG = "lockstep.manifest"
"""Tag of a version that holds the SHA-256 of its manifest, out of reach of its files."""


@dataclass(frozen=True)
class Version:
    """A version as the registry lists it.

    Attributes:
        name: Name of the model, which is the pipeline's.
        version: Its number.
        run_id: The MLflow run that it was logged in.
        created: When it was registered, in UTC.
        aliases: Aliases that point to it, without the `@`.
        tags: Its tags.
        location: Where its files are, as a URI or path.
    """

    name: str
    version: int
    run_id: str
    created: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    location: str

    @classmethod
    def of(cls, entity: ModelVersion, aliases: Iterable[str] | None = None) -> Version:
        """The version that MLflow describes.

        Args:
            entity: MLflow's description.
            aliases: Its aliases, where the description lacks them, as in MLflow's searches.
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
    def page(self) -> str:
        """Its page in MLflow's UI, below the UI's address."""
        return f"#/models/{self.name}/versions/{self.version}"


@dataclass(frozen=True)
class LoadedVersion:
    """A version with everything that it carries.

    Attributes:
        name: Name of the model, which is the pipeline's.
        version: Its number.
        run_id: The MLflow run that it was logged in.
        created: When it was registered, in UTC.
        pipeline: The fitted pipeline, computing with the code that it was fitted with.
        snapshot: That code.
        golden: Golden records.
        profile: Distributions of the rows that it was fitted on.
        suites: Expectations as plain data, by role.
        environment: Where it was fitted.
        metrics: Its quality, by metric.
        rows: Number of rows that it was fitted on.
        ulps: Largest allowed difference of each column, in units in the last place.
    """

    name: str
    version: int
    run_id: str
    created: datetime
    pipeline: Pipeline
    snapshot: Snapshot
    golden: GoldenRecords
    profile: Profile
    suites: Mapping[str, Mapping[str, Any]]
    environment: Environment
    metrics: Mapping[str, float]
    rows: int
    ulps: Mapping[str, int]

    @classmethod
    def read(cls, version: Version, artifact: Artifact) -> LoadedVersion:
        """Load what a version's files hold.

        Raises:
            SnapshotError: The source does not run here.
            UntrustedTypeError: A model holds a type that may not be loaded.
        """
        manifest = artifact.manifest
        return cls(
            name=version.name,
            version=version.version,
            run_id=version.run_id,
            created=version.created,
            pipeline=artifact.pipeline(),
            snapshot=artifact.snapshot,
            golden=GoldenRecords.from_directory(artifact.directory / GOLDEN),
            profile=Profile.from_json(artifact.read_json(PROFILE)),
            suites={
                role: artifact.read_json(f"{SUITES}/{role}.json") for role in manifest["suites"]
            },
            environment=Environment.from_json(artifact.read_json(ENVIRONMENT)),
            metrics=manifest["metrics"],
            rows=manifest["rows"],
            ulps=manifest["ulps"],
        )
