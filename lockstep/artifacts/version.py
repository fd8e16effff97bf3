"""Loaded versions: a version with everything that it carries, from its files alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

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
from lockstep.artifacts.closure import here, running_anew
from lockstep.artifacts.evidence import Evidence
from lockstep.artifacts.framework import carried_digest, framework_digest
from lockstep.artifacts.questions import watching
from lockstep.artifacts.snapshot import Snapshot, unload
from lockstep.columns.graph_drawing import graph_drawing
from lockstep.columns.html import table, titled
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import listed, show
from lockstep.constraints import constraint_set
from lockstep.constraints.constraint_set import ConstraintSet
from lockstep.errors import ArtifactError, FormatError, UntrustedTypeError
from lockstep.parity.environment import Environment
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.profiles import Profile
from lockstep.parity.weekly import WeeklyFigures
from lockstep.tables.readers import readers_of
from lockstep.tables.rows import TableRows

if TYPE_CHECKING:
    from lockstep.columns.compiled.predictor import Compiled
    from lockstep.parity.compiled import Agreement


class Tables(Protocol):
    """Versions of the tables that a pipeline reads: plain data, to send between processes."""

    def rows(self, pipeline: Pipeline) -> Mapping[str, TableRows]:
        """The rows of a pipeline's tables, by their names."""
        ...


@dataclass(frozen=True, kw_only=True)
class LoadedVersion(Evidence):
    """A version with everything that it carries.

    Attributes:
        digest: SHA-256 of its manifest, which lists those of all other files.
        source: SHA-256 of that code, as it was stored.
        framework: SHA-256 of Lockstep's own modules that evaluated its columns at the fit.
        carried: SHA-256 of the same modules that it carries for MLflow.
        counts: Its evidence as it was stored, counted: see `lockstep.artifacts.evidence`.
        altered: Files that have changed since the fit, though the manifest lists them as they are.
        ulps: Largest allowed difference of each column, in units in the last place.
        tables: The tables that its look-ups and windows read now; None where nothing is to be read.
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
    counts: Mapping[str, int]
    altered: tuple[str, ...]
    ulps: Mapping[str, int]
    tables: Tables | None = None

    @classmethod
    def open(
        cls,
        directory: Path,
        digest: str,
        *,
        name: str,
        version: int,
        trusted: Iterable[str] | None = None,
    ) -> LoadedVersion:
        """Open a version from its files, without a registry.

        Args:
            digest: Expected SHA-256 of its manifest.
            trusted: The types that the project trusts beside the library's, by name. None where
                the gate wrote the digest down: it opened these very bytes with the project's.

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
            _check_trusted(artifact, trusted)
            return cls._read(artifact, digest, name, version)

    @classmethod
    def _read(cls, artifact: Artifact, digest: str, name: str, version: int) -> LoadedVersion:
        directory, manifest = artifact.directory, artifact.manifest
        until = manifest["trained_until"]
        suites = {}
        for role in manifest["suites"]:
            with reading(path := directory / SUITES / f"{role}.json", f"the {role} suite"):
                suites[role] = _suite(json.loads(path.read_bytes()))
        with reading(path := directory / GOLDEN, "golden records"):
            golden = GoldenRecords.from_directory(path)
        with reading(path := directory / PROFILE, "the profile"):
            profile = msgspec.convert(json.loads(path.read_bytes()), Profile)
        constraints = _constraints(directory / CONSTRAINTS, name)
        has_outputs = OUTPUTS in manifest["files"]
        outputs = _constraints(directory / OUTPUTS, name) if has_outputs else None
        with reading(path := directory / QUALITY, "the figures of weeks"):
            weekly = WeeklyFigures.from_bytes(path.read_bytes())
        with reading(path := directory / ENVIRONMENT, "the environment"):
            environment = msgspec.json.decode(path.read_bytes(), type=Environment)
        with reading(path := directory / FRAMEWORK, "Lockstep's own modules"):
            carried = carried_digest(json.loads(path.read_bytes()))
        with reading(directory / SOURCE, "the code"), watching():
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
            altered=_altered(manifest),
            ulps=msgspec.convert(manifest["ulps"], dict[str, int]),
            trained_until=datetime.fromisoformat(until) if until is not None else None,
            differing=msgspec.convert(manifest.get("differing"), dict[str, str] | None),
            fitted_to=msgspec.convert(manifest["tables"], dict[str, str]),
        )

    @cached_property
    def compiled(self) -> Compiled:
        """The pipeline with every model compiled that can be, and gives the same here.

        Where the environment is not that of the fit, which compared them, they are compared anew.
        """
        if "agreement" not in self.__dict__ and self._is_as_fitted:
            return self.compiled_forms
        return self.agreement.compiled

    @cached_property
    def agreement(self) -> Agreement:
        """The compiled predictors, compared in this process with the reference ones."""
        from lockstep.parity.compiled import agreement

        return agreement(self.pipeline, self.compiled_forms, self.golden, version=self.version)

    @cached_property
    def compiled_forms(self) -> Compiled:
        """Every model compiled that can be, but for those that differed at the fit."""
        from lockstep.columns.compiled.predictor import Compiled

        return Compiled.of(self.pipeline, self.differing)

    @property
    def _is_as_fitted(self) -> bool:
        """Whether the fit compared the compiled predictors, by this code in this environment."""
        if self.differing is None or self.framework != framework_digest():
            return False
        differences = self.environment.compare(here(self.environment))
        return all(difference.what.startswith("threads.") for difference in differences)

    def with_tables(self, tables: Tables) -> LoadedVersion:
        """The version whose look-ups and windows read these tables; itself if it has none.

        Raises InputError where its tables are not among them.
        """
        if not self.pipeline.tables:
            return self
        rows = tables.rows(self.pipeline)
        bound = replace(self, pipeline=self.pipeline.with_tables(rows), tables=tables)
        known = self.compiled  # compiling a model takes longer than binding rows
        compiled = replace(known, pipeline=known.pipeline.with_tables(rows))
        bound.__dict__["compiled"] = compiled
        return bound

    @contextmanager
    def anew(self, *, with_models: bool = True) -> Iterator[Pipeline]:
        """The pipeline, reading the same tables, from modules that are run anew for it.

        So are the installed packages that they reach, as far as these can run twice. They have
        computed nothing yet, so that state shows which their functions keep of rows. A batch saves
        the time of models where only functions compute.
        """
        with running_anew(self.environment.closure):
            with watching():
                pipeline = (
                    Artifact.open(self.directory, self.digest).pipeline()
                    if with_models
                    else self.snapshot.load()
                )
            try:
                yield pipeline.bind(readers_of(self.pipeline))
            finally:
                unload(pipeline)

    def _repr_html_(self) -> str:
        """A notebook's form of it: what it was fitted on, what it reaches, and its graph."""
        facts = {"version": self.version, "rows": self.rows, "trained until": self.trained_until}
        told = table([*facts.items(), *self.metrics.items()])
        return titled(repr(self.pipeline)[1:-1], (), told, graph_drawing(self.pipeline.graph))

    def unload(self) -> None:
        """Forget the modules of its code, when nothing computes with the version any more.

        Its memory is free when the caller drops it too. Other versions go on, even of the same
        code.
        """
        unload(self.pipeline)


def _check_trusted(artifact: Artifact, trusted: Iterable[str] | None) -> None:
    """Check that the project still trusts the types by which a version was stored."""
    lacking = set(artifact.trusted) - set(trusted) if trusted is not None else ()
    if lacking:
        raise UntrustedTypeError(listed(sorted(artifact.manifest["models"])), sorted(lacking))


def _altered(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Files whose digests in the manifest were changed after the fit."""
    files = manifest["files"]
    stored = msgspec.convert(manifest["stored"], dict[str, str])
    return tuple(name for name, digest in stored.items() if files.get(name) != digest)


def _constraints(path: Path, name: str) -> ConstraintSet:
    with reading(path, "the constraints"):
        data = path.read_bytes()
        stored = constraint_set.format_of(data)
        if stored != constraint_set.FORMAT:
            raise FormatError(path, stored, constraint_set.FORMAT, name)
        return ConstraintSet.from_bytes(data)


def _suite(stored: Any) -> Mapping[str, Any]:
    """A stored suite."""
    if not isinstance(stored, dict) or not isinstance(stored.get("expectations"), list):
        raise TypeError("it has no list of expectations")
    for item in stored["expectations"]:
        if not isinstance(item, dict) or not isinstance(item.get("kwargs"), dict):
            raise TypeError(f"it expects {show(item)}, which is no expectation")
    return stored
