"""Loaded versions: a version with everything that it carries, from its files alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lockstep.artifacts.artifact import (
    CONSTRAINTS,
    ENVIRONMENT,
    FRAMEWORK,
    GOLDEN,
    MANIFEST,
    OUTPUTS,
    PROFILE,
    QUALITY,
    SOURCE,
    SUITES,
    Artifact,
    reading,
)
from lockstep.artifacts.framework import carried_digest
from lockstep.artifacts.snapshot import Snapshot, unload
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import show
from lockstep.constraints import constraint_set
from lockstep.constraints.constraint_set import ConstraintSet
from lockstep.errors import ArtifactError, FormatError
from lockstep.parity.environment import Environment
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.profiles import Profile
from lockstep.parity.weekly import WeeklyFigures

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
        source: SHA-256 of it, as it was stored.
        framework: SHA-256 of Lockstep's own modules that evaluated its columns at the fit.
        carried: SHA-256 of those that it carries for MLflow.
        golden: Golden records.
        profile: Distributions of the rows that it was fitted on; what models predict of them, as
            models that were fitted on other rows did.
        constraints: What these rows keep.
        outputs: How its outputs are distributed on rows that models did not see; None where that
            is not known.
        weekly: How good its predictions were on such rows, week by week.
        suites: Expectations as plain data, by role.
        environment: Where it was fitted.
        metrics: Its quality, by metric.
        rows: Number of rows that it was fitted on.
        counts: How much it carries that proves it right, as it was stored: see
            `lockstep.artifacts.holdings`.
        is_bound_around: Whether the registry has to tell which files are around it; not where an
            older Lockstep stored it.
        altered: Files that are not those that were stored, though the manifest lists them so.
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
    source: str
    framework: str
    carried: str
    golden: GoldenRecords
    profile: Profile
    constraints: ConstraintSet
    outputs: ConstraintSet | None
    weekly: WeeklyFigures
    suites: Mapping[str, Mapping[str, Any]]
    environment: Environment
    metrics: Mapping[str, float]
    rows: int
    counts: Mapping[str, int]
    is_bound_around: bool
    altered: tuple[str, ...]
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
        if artifact.manifest.get("pipeline") != name:
            raise ArtifactError(
                f"{directory} holds a version of {artifact.manifest.get('pipeline')}, not of "
                f"{name}: point to a version of {name}."
            )
        with reading(directory / MANIFEST, "what a version is"):
            return cls._read(artifact, digest, name, version)

    @classmethod
    def _read(cls, artifact: Artifact, digest: str, name: str, version: int) -> LoadedVersion:
        directory, manifest = artifact.directory, artifact.manifest
        until = manifest.get("trained_until")
        suites = {}
        for role in manifest["suites"]:
            with reading(path := directory / SUITES / f"{role}.json", f"the {role} suite"):
                suites[role] = _suite(json.loads(path.read_bytes()))
        with reading(path := directory / GOLDEN, "golden records"):
            golden = GoldenRecords.from_directory(path)
        with reading(path := directory / PROFILE, "the profile"):
            stored = json.loads(path.read_bytes())
            profile = Profile.from_json(stored)
        constraints = _constraints(directory / CONSTRAINTS, name)
        has_outputs = OUTPUTS in manifest["files"]
        outputs = _constraints(directory / OUTPUTS, name) if has_outputs else None
        with reading(path := directory / QUALITY, "the figures of weeks"):
            weekly = WeeklyFigures.from_bytes(path.read_bytes())
        with reading(path := directory / ENVIRONMENT, "the environment"):
            environment = Environment.from_json(json.loads(path.read_bytes()))
        with reading(path := directory / FRAMEWORK, "Lockstep's own modules"):
            carried = carried_digest(json.loads(path.read_bytes()))
        with reading(directory / SOURCE, "the code"):
            pipeline = artifact.pipeline()
        return cls(
            name=name,
            version=version,
            directory=directory,
            digest=digest,
            pipeline=pipeline,
            snapshot=artifact.snapshot,
            source=manifest["source"]["digest"],
            framework=manifest["framework"],
            carried=carried,
            golden=golden,
            profile=profile,
            constraints=constraints,
            outputs=outputs,
            weekly=weekly,
            suites=suites,
            environment=environment,
            metrics=manifest["metrics"],
            rows=msgspec.convert(manifest["rows"], int),
            counts=msgspec.convert(manifest["counts"], dict[str, int]),
            is_bound_around=msgspec.convert(manifest.get("bound_around", False), bool),
            altered=_altered(manifest),
            ulps=msgspec.convert(manifest["ulps"], dict[str, int]),
            trained_until=datetime.fromisoformat(until) if until is not None else None,
            faster_up_to=msgspec.convert(manifest.get("faster_up_to", {}), dict[str, int]),
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


def _altered(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Files whose digests were made to agree with them later: the fit stored other ones.

    A version that an older Lockstep stored does not tell.
    """
    files = manifest["files"]
    stored = msgspec.convert(manifest.get("stored", files), dict[str, str])
    return tuple(name for name, digest in stored.items() if files.get(name) != digest)


def _constraints(path: Path, name: str) -> ConstraintSet:
    """The constraints in a file.

    Raises:
        ArtifactError: They are damaged, or of another format.
    """
    with reading(path, "the constraints"):
        data = path.read_bytes()
        stored = constraint_set.format_of(data)
        if stored != constraint_set.FORMAT:
            raise FormatError(path, stored, constraint_set.FORMAT, name)
        return ConstraintSet.from_bytes(data)


def _suite(stored: Any) -> Mapping[str, Any]:
    """A suite as plain data.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(stored, dict) or not isinstance(stored.get("expectations"), list):
        raise TypeError("it has no list of expectations")
    for one in stored["expectations"]:
        if not isinstance(one, dict) or not isinstance(one.get("kwargs"), dict):
            raise TypeError(f"it expects {show(one)}, which is no expectation")
    return stored
