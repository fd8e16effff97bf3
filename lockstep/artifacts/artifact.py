"""The files of a version: a directory that any storage can hold.

    manifest.json            what the version is, and the SHA-256 of every other file
    models/<column>.skops    fitted estimators
    source/                  the user's modules, as they were at the fit
    framework.json           Lockstep's own modules that run them, for use without Lockstep
    golden/                  golden records
    profile.json             distributions of the rows that it was fitted on
    suites/<name>.json       expectations
    environment.json         where it was fitted

Nothing here knows MLflow, so that a version can be read wherever its files are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lockstep.artifacts.errors import ArtifactError
from lockstep.artifacts.modules import is_package
from lockstep.artifacts.snapshot import Snapshot, framework_sources, source_of
from lockstep.artifacts.trusted import dump_estimator, load_estimator
from lockstep.columns.pipeline import Pipeline

if TYPE_CHECKING:
    from lockstep.parity.environment import Environment
    from lockstep.parity.golden import GoldenRecords
    from lockstep.parity.profiles import Profile

FORMAT = 1
MANIFEST = "manifest.json"
FRAMEWORK = "framework.json"
GOLDEN = "golden"
PROFILE = "profile.json"
SUITES = "suites"
ENVIRONMENT = "environment.json"
_SNAPSHOT = "source/snapshot.json"
_READERS = ("artifact", "errors", "modules", "snapshot", "trusted")


@dataclass(frozen=True)
class Evidence:
    """What a version carries beside its models and source, to prove it right later.

    Attributes:
        golden: Golden records, computed by the fitted pipeline.
        profile: Distributions of the rows that it was fitted on.
        suites: Expectations as plain data, by the suite's role (`input`, `features`, `outputs`).
        environment: Where it was fitted.
        metrics: Its quality, by metric.
        rows: Number of rows that it was fitted on.
    """

    golden: GoldenRecords
    profile: Profile
    suites: Mapping[str, Mapping[str, Any]]
    environment: Environment
    metrics: Mapping[str, float]
    rows: int


@dataclass(frozen=True)
class Artifact:
    """A version's directory whose files are as they were when it was written.

    Attributes:
        directory: Where it is.
        manifest: What the version is; see `write_artifact`.
    """

    directory: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, directory: Path, digest: str | None = None) -> Artifact:
        """Read the manifest, and check every file against it.

        Args:
            directory: The version's directory.
            digest: SHA-256 of the manifest, where it is known from elsewhere.

        Raises:
            ArtifactError: A file is missing or has been changed; the message names it.
        """
        path = directory / MANIFEST
        data = _read(path)
        _check(path, data, digest)
        try:
            manifest = json.loads(data)
        except ValueError as error:
            raise ArtifactError(f"{path} is damaged: {error}.") from error
        if manifest.get("format") != FORMAT:
            raise ArtifactError(
                f"{path} has format {manifest.get('format')}, and this Lockstep reads {FORMAT}: "
                "use the Lockstep that wrote it, or train again."
            )
        for name, expected in manifest["files"].items():
            _check(directory / name, _read(directory / name), expected)
        return cls(directory, manifest)

    @property
    def snapshot(self) -> Snapshot:
        """The source that the version was fitted with."""
        stored = self.read_json(_SNAPSHOT)
        modules = {
            name: (self.directory / path).read_text(encoding="utf-8")
            for name, path in stored["modules"].items()
        }
        return Snapshot(stored["module"], modules, stored["framework"])

    def pipeline(self) -> Pipeline:
        """The pipeline with its fitted models and the code that it was fitted with.

        Raises:
            SnapshotError: The source does not run here.
            UntrustedTypeError: A model holds a type that may not be loaded.
        """
        models = {
            column: load_estimator(column, (self.directory / path).read_bytes())
            for column, path in self.manifest["models"].items()
        }
        return self.snapshot.load().with_models(models)

    def read_json(self, name: str) -> Any:
        """A JSON file of the directory."""
        return json.loads((self.directory / name).read_bytes())


def write_artifact(
    directory: Path, pipeline: Pipeline, snapshot: Snapshot, evidence: Evidence
) -> str:
    """Write a version's directory.

    Args:
        directory: An empty or new directory.
        pipeline: The fitted pipeline.
        snapshot: Its source.
        evidence: What else the version carries.

    Returns:
        SHA-256 of the manifest.

    Raises:
        UntrustedTypeError: A model holds a type that may not be stored.
        ArtifactError: A model cannot be stored.
    """
    models = {name: f"models/{name}.skops" for name in pipeline.graph.models}
    for name, path in models.items():
        _write(directory / path, dump_estimator(name, pipeline.models_[name]))
    _write_snapshot(directory, snapshot)
    _write_json(directory / FRAMEWORK, framework_files())
    evidence.golden.to_directory(directory / GOLDEN)
    _write_json(directory / PROFILE, evidence.profile.to_json())
    _write_json(directory / ENVIRONMENT, evidence.environment.to_json())
    for role, suite in evidence.suites.items():
        _write_json(directory / SUITES / f"{role}.json", suite)
    outcome = pipeline.outcome_schema
    manifest = {
        "format": FORMAT,
        "pipeline": pipeline.name,
        "lockstep": _lockstep_version(),
        "framework": snapshot.framework,
        "code": snapshot.digest,
        "rows": evidence.rows,
        "metrics": dict(evidence.metrics),
        "record": pipeline.record_schema.to_json(),
        "outcome": outcome.to_json() if outcome is not None else None,
        "ulps": {name: pipeline.graph.ulps(name) for name in pipeline.graph.served},
        "models": models,
        "suites": sorted(evidence.suites),
        "files": {name: _sha256(path.read_bytes()) for name, path in _files(directory)},
    }
    _write_json(directory / MANIFEST, manifest)
    return _sha256((directory / MANIFEST).read_bytes())


def _write_snapshot(directory: Path, snapshot: Snapshot) -> None:
    paths = {}
    for name, source in snapshot.modules.items():
        end = "/__init__.py" if is_package(name, snapshot.modules) else ".py"
        paths[name] = f"source/{name.replace('.', '/')}{end}"
        _write(directory / paths[name], source.encode())
    stored = {
        "module": snapshot.module,
        "framework": snapshot.framework,
        "digest": snapshot.digest,
        "modules": paths,
    }
    _write_json(directory / _SNAPSHOT, stored)


def framework_files() -> dict[str, str]:
    """Source, by module, of all of Lockstep that is needed to read a version and predict."""
    readers = ("lockstep.artifacts", *(f"lockstep.artifacts.{name}" for name in _READERS))
    return framework_sources() | {name: source_of(name) for name in readers}


def _lockstep_version() -> str:
    try:
        return metadata.version("lockstep-scoring")
    except metadata.PackageNotFoundError:
        return "checkout"


def _files(directory: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            yield str(PurePosixPath(path.relative_to(directory))), path


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _write_json(path: Path, data: Any) -> None:
    _write(path, json.dumps(data, indent=1).encode())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}), so that this version cannot be used. "
            "Restore the file, or use another version."
        ) from error


def _check(path: Path, data: bytes, expected: str | None) -> None:
    if expected is not None and _sha256(data) != expected:
        raise ArtifactError(
            f"{path} is not what was logged: its SHA-256 is {_sha256(data)[:12]}…, and it was "
            f"{expected[:12]}…. Restore the file, or use another version."
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
