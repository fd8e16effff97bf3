"""Writing a version's directory; see `lockstep.artifacts.artifact` for what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from lockstep.artifacts.artifact import (
    CONSTRAINTS,
    ENVIRONMENT,
    FORMAT,
    FRAMEWORK,
    GOLDEN,
    MANIFEST,
    OUTPUTS,
    PROFILE,
    QUALITY,
    SOURCE,
    SUITES,
    sha256,
)
from lockstep.artifacts.evidence import Evidence, count
from lockstep.artifacts.framework import framework_digest, framework_sources
from lockstep.artifacts.modules import is_package
from lockstep.artifacts.snapshot import Snapshot, running_modules
from lockstep.artifacts.trusted import Trust, dump_estimator, entries_of
from lockstep.columns.estimator_fitting import estimator_of
from lockstep.columns.nodes import Model
from lockstep.columns.pipeline import Pipeline


def write_artifact(
    directory: Path,
    pipeline: Pipeline,
    snapshot: Snapshot,
    evidence: Evidence,
    trusted: Iterable[str] = (),
) -> str:
    """Write a version's directory, new or empty; return the SHA-256 of the manifest.

    Raises:
        UntrustedTypeError: A model holds a type that may not be stored.
        ArtifactError: A model cannot be stored.
    """
    models = {name: f"models/{name}.skops" for name in pipeline.graph.models}
    trust = _trust_of(pipeline, snapshot, trusted)
    entries: set[str] = set()
    for name, path in models.items():
        data = dump_estimator(name, pipeline.models_[name], trust)
        entries |= entries_of(data, trust)
        _write(directory / path, data)
    modules = {name: _path_of(name, snapshot) for name in snapshot.modules}
    for name, path in modules.items():
        _write(directory / path, snapshot.modules[name].encode())
    files_of_code = {name: f"{SOURCE}/{name}" for name in snapshot.data}
    for name, path in files_of_code.items():
        _write(directory / path, snapshot.data[name])
    _write_json(directory / FRAMEWORK, framework_sources())
    evidence.golden.to_directory(directory / GOLDEN)
    _write_json(directory / PROFILE, asdict(evidence.profile))
    _write(directory / CONSTRAINTS, evidence.constraints.to_bytes())
    if evidence.outputs is not None:
        _write(directory / OUTPUTS, evidence.outputs.to_bytes())
    _write(directory / QUALITY, evidence.weekly.to_bytes())
    _write_json(directory / ENVIRONMENT, asdict(evidence.environment))
    for role, suite in evidence.suites.items():
        _write_json(directory / SUITES / f"{role}.json", suite)
    outcome, until = pipeline.outcome_schema, evidence.trained_until
    files = {name: sha256(path.read_bytes()) for name, path in _files(directory)}
    manifest = {
        "format": FORMAT,
        "pipeline": pipeline.name,
        "lockstep": _lockstep_version(),
        "framework": framework_digest(),
        "source": {
            "module": snapshot.module,
            "packages": snapshot.packages,
            "digest": snapshot.digest,
            "modules": modules,
            "data": files_of_code,
        },
        "rows": evidence.rows,
        "trained_until": until.isoformat() if until is not None else None,
        "metrics": dict(evidence.metrics),
        "record": pipeline.record_schema.to_json(),
        "outcome": outcome.to_json() if outcome is not None else None,
        "ulps": {name: pipeline.graph.ulps(name) for name in pipeline.graph.served},
        "models": models,
        "trusted": sorted(entries),
        "differing": dict(evidence.differing) if evidence.differing is not None else None,
        "tables": dict(evidence.fitted_to),
        "suites": sorted(evidence.suites),
        "counts": count(evidence),
        "stored": files,  # stays as it is when `files` is brought up to date for a restored file
        "files": files,
    }
    _write_json(directory / MANIFEST, manifest)
    return sha256((directory / MANIFEST).read_bytes())


def _trust_of(pipeline: Pipeline, snapshot: Snapshot, trusted: Iterable[str]) -> Trust:
    """What a pipeline's estimators may hold: these types, and those of its own code."""
    own = running_modules(pipeline) or {name: name for name in snapshot.modules}
    return Trust(tuple(trusted), own)


def check_storable(pipeline: Pipeline, snapshot: Snapshot, trusted: Iterable[str]) -> None:
    """Check that a pipeline's estimators can be stored: fitted, or as its models make them.

    A fit makes further objects, which only a fitted estimator shows.

    Raises:
        FitError: A model's function returns no estimator.
        UntrustedTypeError: A model holds a type that may not be stored.
        ArtifactError: A model cannot be stored.
    """
    trust = _trust_of(pipeline, snapshot, trusted)
    for name in pipeline.graph.models:
        model = pipeline.graph.nodes[name]
        if isinstance(model, Model):
            estimator = pipeline.models_[name] if pipeline.is_fitted else estimator_of(model)
            dump_estimator(name, estimator, trust)


def _path_of(module: str, snapshot: Snapshot) -> str:
    end = "/__init__.py" if is_package(module, snapshot.modules) else ".py"
    return f"{SOURCE}/{module.replace('.', '/')}{end}"


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
