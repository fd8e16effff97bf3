"""Surroundings: the files around a version's directory, by which MLflow serves it.

The version's manifest cannot list them, since they are written later: a tag does.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lockstep.artifacts.artifact import check_files, sha256
from lockstep.errors import EvidenceError
from lockstep.registry.bound_tags import bound, held
from lockstep.registry.mlmodel import ARTIFACT
from lockstep.registry.versions import Version

SURROUNDINGS = "lockstep.surroundings"


@dataclass(frozen=True)
class _Surroundings:
    """SHA-256 of each file around a version, by its path in the model."""

    files: dict[str, str]


def surroundings_tag(model: Path, name: str, digest: str) -> str:
    """The tag that lists the files around a version, for its registration."""
    paths = (path for path in sorted(model.rglob("*")) if path.is_file())
    names = {path: PurePosixPath(path.relative_to(model)) for path in paths}
    files = {
        str(inside): sha256(path.read_bytes())
        for path, inside in names.items()
        if inside.parts[0] != ARTIFACT
    }
    return bound(name, digest, {"files": files})


def check_surroundings(model: Path, version: Version) -> None:
    """Check that the files around a version are those that were registered with it.

    A version whose tag was edited passes; the gate reports it (`read_surroundings`). Added files
    are ignored: the registered ones say what MLflow runs. Raises as `check_files`.
    """
    with suppress(EvidenceError):
        check_files(model, read_surroundings(version))


def read_surroundings(version: Version) -> Mapping[str, str]:
    """SHA-256 of each file around a version, by its path in the model; errors as of `held`."""
    return held(version, SURROUNDINGS, _Surroundings).files
