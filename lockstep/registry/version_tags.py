"""Tags of a version: facts that hold only for its very bytes.

    lockstep.evidence       the results of the checks of history, training set and candidate
    lockstep.proven         that it has passed the gate, and when
    lockstep.surroundings   the files around its directory, by which MLflow serves it

A tag can be edited by hand, copied to another version, or outlive its files. So each holds the
pipeline's name, the SHA-256 of the version's manifest (which lists those of all its files) and one
of the tag itself; where these do not agree, the tag is ignored.

Lockstep reads none of the files around a version's directory, and the manifest cannot list them,
since they are written later: without a tag nobody would notice one that is missing or changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lockstep.artifacts.artifact import check_files, sha256
from lockstep.errors import EvidenceError
from lockstep.registry.mlmodel import ARTIFACT
from lockstep.registry.versions import Version

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry


Held = TypeVar("Held")

EVIDENCE = "lockstep.evidence"
PROVEN = "lockstep.proven"
SURROUNDINGS = "lockstep.surroundings"


@dataclass(frozen=True)
class TrainingEvidence:
    """The evidence of a version's training.

    Attributes:
        training_set: SHA-256 of the file of the training set.
        results: The result of each check of history, training set and candidate, in a word.
        counts: The version's evidence, counted by kind, such as its golden rows.
    """

    training_set: str
    results: Mapping[str, str]
    counts: Mapping[str, int]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that are in error."""
        return tuple(name for name, result in self.results.items() if result == "failed")


def write_evidence(registry: Registry, version: Version, evidence: TrainingEvidence) -> None:
    """Tag a version with the evidence of its training, which ends with this."""
    facts = {
        "training_set": evidence.training_set,
        "results": dict(evidence.results),
        "counts": dict(evidence.counts),
    }
    registry.tag(version, EVIDENCE, bound(version.name, version.digest, facts))


def read_evidence(version: Version) -> TrainingEvidence:
    """Read the evidence of a version's training.

    Raises:
        EvidenceError: No such tag holds for these bytes.
    """
    return held(version, EVIDENCE, TrainingEvidence)


def write_proven(registry: Registry, version: Version, *, went_live: bool = True) -> None:
    """Tag a version that passes the gate now.

    Args:
        registry: The registry.
        version: The version.
        went_live: Whether it goes live now, rather than being the challenger.
    """
    facts = {"at": datetime.now(UTC).isoformat(), "went_live": went_live}
    registry.tag(version, PROVEN, bound(version.name, version.digest, facts))


def proven_at(version: Version) -> datetime:
    """When a version last passed the gate.

    Raises:
        EvidenceError: No tag says that these bytes have.
    """
    return held(version, PROVEN, _Passed).at


def is_proven(version: Version) -> bool:
    """Whether a tag says that these bytes have passed the gate."""
    try:
        proven_at(version)
    except EvidenceError:
        return False
    return True


def was_live(version: Version) -> bool:
    """Whether a tag says that these bytes have passed the gate, and went live."""
    return is_proven(version) and held(version, PROVEN, _Passed).went_live


@dataclass(frozen=True)
class _Passed:
    """The facts of a passed gate: when, and whether the version went live."""

    at: datetime
    went_live: bool = True


@dataclass(frozen=True)
class _Binding:
    """The pipeline and the SHA-256 of the manifest that a tag was written about."""

    pipeline: str
    manifest: str


def bound(name: str, manifest: str, facts: Mapping[str, Any]) -> str:
    """A tag's text: facts that hold for a version's bytes.

    Args:
        name: Name of the pipeline.
        manifest: SHA-256 of the version's manifest.
        facts: The facts, as plain data.
    """
    stored = {"pipeline": name, "manifest": manifest, **facts}
    return json.dumps({**stored, "sha256": _digest(stored)})


def held(version: Version, tag: str, kind: type[Held]) -> Held:
    """The facts of a tag, if they hold for the version's bytes.

    Args:
        version: The version.
        tag: Name of the tag.
        kind: The type of the facts.

    Raises:
        EvidenceError: No such tag holds for these bytes.
    """
    text = version.tags.get(tag)
    which = f"version {version.version} of {version.name}"
    if text is None:
        raise EvidenceError(f"{which} has no tag {tag}")
    try:
        facts: dict[str, Any] = json.loads(text)
        digest = facts.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"the tag {tag} of {which} cannot be read ({error})") from error
    if digest != _digest(facts):
        raise EvidenceError(f"the tag {tag} of {which} has been edited since it was written")
    try:
        about, held = msgspec.convert(facts, _Binding), msgspec.convert(facts, kind)
    except msgspec.ValidationError as error:
        raise EvidenceError(
            f"the tag {tag} of {which} is not as this Lockstep writes it ({error})"
        ) from error
    if about.pipeline != version.name:
        raise EvidenceError(f"the tag {tag} of {which} is that of a version of {about.pipeline}")
    if about.manifest != version.digest:
        raise EvidenceError(
            f"the tag {tag} of {which} was written about other files: their manifest has SHA-256 "
            f"{about.manifest[:12]}…, and this version's {version.digest[:12]}…"
        )
    return held


def _digest(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Surroundings:
    """SHA-256 of each file around a version, by its path in the model."""

    files: dict[str, str]


def surroundings_tag(model: Path, name: str, digest: str) -> str:
    """The tag that lists the files around a version, for its registration.

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
    """Check that the files around a version are those that were registered with it.

    A version that an older Lockstep registered, or whose tag was edited, passes; the gate reports
    these (`read_surroundings`). Added files are ignored: the registered ones say what MLflow runs.

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
        EvidenceError: No such tag holds for these bytes.
    """
    return held(version, SURROUNDINGS, _Surroundings).files
