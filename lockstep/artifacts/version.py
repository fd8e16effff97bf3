"""Loaded versions: a version with everything that it carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockstep.artifacts.artifact import ENVIRONMENT, GOLDEN, PROFILE, SUITES, Artifact
from lockstep.artifacts.snapshot import Snapshot
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.environment import Environment
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.profiles import Profile


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
    def read(
        cls, artifact: Artifact, *, name: str, version: int, run_id: str, created: datetime
    ) -> LoadedVersion:
        """Load what a version's files hold.

        Raises:
            SnapshotError: The source does not run here.
            UntrustedTypeError: A model holds a type that may not be loaded.
        """
        manifest = artifact.manifest
        return cls(
            name=name,
            version=version,
            run_id=run_id,
            created=created,
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
