"""Surroundings: the files around a version's directory, by which MLflow serves it.

    MLmodel, python_function.py, requirements.txt, conda.yaml, python_env.yaml, ...

Lockstep itself reads none of them, so that nothing else would tell of one that is missing or was
changed: `mlflow models serve` would not start, or run other code. The manifest cannot list them, as
they are written after it. A tag of the version does, which holds for the very manifest, like those
of `lockstep.registry.version_tags`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lockstep.artifacts.artifact import check_files, sha256
from lockstep.errors import EvidenceError
from lockstep.registry.mlmodel import ARTIFACT
from lockstep.registry.version_tags import bound, held
from lockstep.registry.versions import Version

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


def check_surroundings(model: Path, version: Version) -> None:
    """Make sure that the files around a version are those that were registered with it.

    Nothing is known of those of a version that an older Lockstep registered, or whose tag was
    edited, of which the gate tells (`read_surroundings`). Files that came to them are left alone:
    what MLflow runs, those say that were registered.

    Args:
        model: The MLflow model's directory.
        version: The version as the registry lists it, with its tags.

    Raises:
        ArtifactError: A file is missing or has been changed; the message names it.
        UnavailableFilesError: A file cannot be read now.
    """
    with suppress(EvidenceError):
        check_files(model, read_surroundings(version))


def read_surroundings(version: Version) -> Mapping[str, str]:
    """SHA-256 of each file around a version, by its path in the model.

    Raises:
        EvidenceError: No tag tells them that holds for these bytes.
    """
    return held(version, SURROUNDINGS, _Surroundings).files
