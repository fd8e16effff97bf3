"""Loaded versions: a version with everything that it carries, from its files alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lockstep.artifacts.artifact import (
    ENVIRONMENT,
    GOLDEN,
    LAWS,
    PROFILE,
    SUITES,
    Artifact,
)
from lockstep.artifacts.errors import ArtifactError
from lockstep.artifacts.snapshot import Snapshot, unload
from lockstep.columns.pipeline import Pipeline
from lockstep.laws.book import Book
from lockstep.parity.environment import Environment
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.limits import Limits
from lockstep.parity.profiles import Profile

if TYPE_CHECKING:
    from lockstep.columns.compiled.predictor import Compiled


@dataclass(frozen=True)
class LoadedVersion:
    """A version with everything that it carries.

    Attributes:
        name: Name of the pipeline.
        version: Its number.
        directory: Its files.
        digest: SHA-256 of its manifest, which holds those of all other files.
        pipeline: The fitted pipeline, computing with the code that it was fitted with.
        snapshot: That code.
        framework: SHA-256 of Lockstep's own modules that evaluated its columns at the fit.
        golden: Golden records.
        profile: Distributions of the rows that it was fitted on; what models predict of them, as
            models that were fitted on other rows did.
        limits: How far a batch may be from them.
        laws: What held in these rows, day by day.
        suites: Expectations as plain data, by role.
        environment: Where it was fitted.
        metrics: Its quality, by metric.
        rows: Number of rows that it was fitted on.
        ulps: Largest allowed difference of each column, in units in the last place.
        trained_until: Event time of the newest row that it was fitted on; None where it has none,
            or tells none.
        faster_up_to: By model that has a compiled form, the rows up to which that was faster than
            scikit-learn where it was fitted.
    """

    name: str
    version: int
    directory: Path
    digest: str
    pipeline: Pipeline
    snapshot: Snapshot
    framework: str
    golden: GoldenRecords
    profile: Profile
    limits: Limits
    laws: Book
    suites: Mapping[str, Mapping[str, Any]]
    environment: Environment
    metrics: Mapping[str, float]
    rows: int
    ulps: Mapping[str, int]
    trained_until: datetime | None
    faster_up_to: Mapping[str, int]

    @classmethod
    def open(cls, directory: Path, digest: str, *, name: str, version: int) -> LoadedVersion:
        """Open a version from its files, with nothing of a registry.

        Args:
            directory: The version's files.
            digest: SHA-256 of its manifest, as it is known from elsewhere.
            name: Name of the pipeline.
            version: Its number.

        Raises:
            ArtifactError: A file is missing or was changed, or the files are another pipeline's.
            SnapshotError: The source does not run here.
            UntrustedTypeError: A model holds a type that may not be loaded.
        """
        artifact = Artifact.open(directory, digest)
        manifest = artifact.manifest
        until = manifest.get("trained_until")
        if manifest["pipeline"] != name:
            raise ArtifactError(
                f"{directory} holds a version of {manifest['pipeline']}, not of {name}: point to "
                f"a version of {name}."
            )
        profile, limits = _read_profile(artifact)
        return cls(
            name=name,
            version=version,
            directory=directory,
            digest=digest,
            pipeline=artifact.pipeline(),
            snapshot=artifact.snapshot,
            framework=manifest["framework"],
            golden=GoldenRecords.from_directory(directory / GOLDEN),
            profile=profile,
            limits=limits,
            laws=_read_laws(directory / LAWS),
            suites={
                role: artifact.read_json(f"{SUITES}/{role}.json") for role in manifest["suites"]
            },
            environment=Environment.from_json(artifact.read_json(ENVIRONMENT)),
            metrics=manifest["metrics"],
            rows=manifest["rows"],
            ulps=manifest["ulps"],
            trained_until=datetime.fromisoformat(until) if until is not None else None,
            faster_up_to=manifest.get("faster_up_to", {}),
        )

    @cached_property
    def compiled(self) -> Compiled:
        """The pipeline, compiled where it can be; made when it is first asked for."""
        from lockstep.columns.compiled.predictor import Compiled

        return Compiled.of(self.pipeline)

    def fastest(self, rows: int) -> Pipeline:
        """The pipeline with whichever predictor of each model is faster for so many rows.

        Args:
            rows: Number of rows to compute.
        """
        faster = [name for name, most in self.faster_up_to.items() if rows <= most]
        if not faster:
            return self.pipeline
        bound = self.compiled.pipeline.bound
        return self.pipeline.bind({name: bound[name] for name in faster})

    def unload(self) -> None:
        """Forget the modules of its code, once nothing computes with the version any more.

        Its memory is free when the caller lets go of it too. Other versions go on, also those of
        the same code.
        """
        unload(self.pipeline)


def _read_laws(path: Path) -> Book:
    try:
        return Book.from_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{path} is missing, so that this version cannot be used. Restore the file, or use "
            "another version."
        ) from error
    except ValueError as error:
        raise ArtifactError(
            f"{path} does not hold the laws of a version ({error}). Restore the file, or train and "
            "promote a version anew."
        ) from error


def _read_profile(artifact: Artifact) -> tuple[Profile, Limits]:
    """The profile of the training, and the limits that were calibrated with it."""
    try:
        stored = artifact.read_json(PROFILE)
        return Profile.from_json(stored), Limits.from_json(stored["limits"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{artifact.directory / PROFILE} does not tell how the training rows are distributed "
            f"({type(error).__name__}: {error}): train anew."
        ) from error
