"""Surroundings: the files around a version's directory, by which MLflow serves it.

    MLmodel, python_function.py, requirements.txt, conda.yaml, python_env.yaml, ...

Lockstep itself reads none of them, so that nothing else would tell of one that is missing or was
changed: `mlflow models serve` would not start, or run other code. The manifest cannot list them, as
they are written after it. A tag of the version does, which holds for the very manifest, like those
of `lockstep.registry.evidence`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lockstep.artifacts.artifact import check_files, sha256
from lockstep.artifacts.errors import ArtifactError
from lockstep.registry.evidence import EvidenceError, bound, held
from lockstep.registry.mlmodel import ARTIFACT
from lockstep.registry.versions import Version

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion

SURROUNDINGS = "lockstep.surroundings"


@dataclass(frozen=True)
class _Surroundings:
    """SHA-256 of each file around a version, by its path in the model."""

    files: dict[str, str]


def surroundings_tag(model: Path, name: str, digest: str) -> str:
    """The tag that tells which files are around a version, when it is registered.

    Args:
        model: The MLflow model's directory.
        name: Name of the pipeline.
        digest: SHA-256 of the version's manifest.
    """
    paths = (path for path in sorted(model.rglob("*")) if path.is_file())
    names = {path: PurePosixPath(path.relative_to(model)) for path in paths}
    files = {
        str(inside): sha256(path.read_bytes())
        for path, inside in names.items()
        if inside.parts[0] != ARTIFACT
    }
    return bound(name, digest, {"files": files})


def are_told(version: Version) -> bool:
    """Whether a version's tags tell which files are around it; not those of an older Lockstep."""
    return SURROUNDINGS in version.tags


def demand_surroundings(version: Version, loaded: LoadedVersion) -> None:
    """Make sure that a version whose tags do not tell the files around it is an older one.

    Args:
        version: The version as the registry lists it, with its tags.
        loaded: The same, loaded.

    Raises:
        ArtifactError: They were told when it was registered.
    """
    if loaded.is_bound_around and not are_told(version):
        raise ArtifactError(
            f"Version {version.version} of {version.name} has lost its tag {SURROUNDINGS}, which "
            "tells the files that MLflow serves it by. Restore the tag, or train and promote a "
            "version anew."
        )


def check_surroundings(model: Path, version: Version) -> None:
    """Make sure that the files around a version are those that were registered with it.

    Nothing is known of those of a version that an older Lockstep registered. Files that came to
    them are left alone: what MLflow runs, those say that were registered.

    Args:
        model: The MLflow model's directory.
        version: The version as the registry lists it, with its tags.

    Raises:
        ArtifactError: A file is missing or has been changed, or the tag has been.
        UnavailableFilesError: A file cannot be read now.
    """
    if not are_told(version):
        return
    try:
        told = held(version, SURROUNDINGS, _Surroundings)
    except EvidenceError as error:
        raise ArtifactError(
            f"It is not known which files MLflow is to serve the version by: {error}. Restore "
            "the tag, or train and promote a version anew."
        ) from error
    check_files(model, told.files)
