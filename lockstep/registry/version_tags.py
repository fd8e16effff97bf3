"""Tags of a version: facts that hold only for its very bytes.

    lockstep.evidence        the results of the checks of history, training set and candidate
    lockstep.proven.5a1c…    that it is proven in an environment: by whom, where and when
    lockstep.surroundings    the files around its directory, by which MLflow serves it

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
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lockstep.artifacts.artifact import check_files, sha256
from lockstep.errors import ArtifactError, EvidenceError
from lockstep.registry.mlmodel import ARTIFACT
from lockstep.registry.sites import Site
from lockstep.registry.versions import Version

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry


Held = TypeVar("Held")

EVIDENCE = "lockstep.evidence"
PROVEN = "lockstep.proven."
"""How the names of the tags begin that end in the fingerprint of an environment."""
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


def failed_checks(version: Version) -> tuple[str, ...] | None:
    """The checks that a version failed when it was trained; None where that is not known."""
    try:
        return read_evidence(version).failed
    except (EvidenceError, ArtifactError):
        return None


@dataclass(frozen=True)
class Proof:
    """That a version was proven: its golden records were replayed, all columns the same.

    Attributes:
        at: When, in UTC.
        by: The name of the user.
        home: The folder of the home.
        host: The name of the machine.
        environment: Fingerprint of the environment (`lockstep.artifacts.fingerprint`).
    """

    at: datetime
    by: str
    home: str
    host: str
    environment: str


def write_proven(registry: Registry, version: Version, site: Site, environment: str) -> None:
    """Tag a version that is proven now, by the gate or by a replay of its golden records.

    Args:
        registry: The registry.
        version: The version.
        site: Who proved it, and where.
        environment: Fingerprint of the environment.
    """
    facts = {"at": datetime.now(UTC).isoformat(), **asdict(site), "environment": environment}
    registry.tag(version, _proven(environment), bound(version.name, version.digest, facts))


def proofs(version: Version) -> tuple[Proof, ...]:
    """What proves a version, one for each environment, the newest first.

    Tags that do not hold for its bytes are left out.
    """
    holding = []
    for tag in version.tags:
        if tag.startswith(PROVEN):
            with suppress(EvidenceError):
                proof = held(version, tag, Proof)
                if tag == _proven(proof.environment):
                    holding.append(proof)
    return tuple(sorted(holding, key=lambda proof: proof.at, reverse=True))


def is_proven(version: Version) -> bool:
    """Whether a tag says that these bytes are proven in any environment."""
    return bool(proofs(version))


def proven_in(version: Version, environment: str) -> Proof | None:
    """What proves a version in an environment; None if nothing does."""
    return next((proof for proof in proofs(version) if proof.environment == environment), None)


def _proven(environment: str) -> str:
    return f"{PROVEN}{environment[:16]}"


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
    manifest, facts = unbound(text, version.name, f"the tag {tag} of {which}", kind)
    if manifest != version.digest:
        raise EvidenceError(
            f"the tag {tag} of {which} was written about other files: their manifest has SHA-256 "
            f"{manifest[:12]}…, and this version's {version.digest[:12]}…"
        )
    return facts


def unbound(text: str, name: str, which: str, kind: type[Held]) -> tuple[str, Held]:
    """The SHA-256 of the manifest and the facts that a tag's text is about; see `bound`.

    Args:
        text: The text.
        name: Name of the pipeline that it must be about.
        which: The tag, for messages.
        kind: The type of the facts.

    Raises:
        EvidenceError: It was edited, is that of another pipeline, or is something else.
    """
    try:
        stored: dict[str, Any] = json.loads(text)
        digest = stored.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"{which} cannot be read ({error})") from error
    if digest != _digest(stored):
        raise EvidenceError(f"{which} has been edited since it was written")
    try:
        about, facts = msgspec.convert(stored, _Binding), msgspec.convert(stored, kind)
    except msgspec.ValidationError as error:
        raise EvidenceError(f"{which} is not as this Lockstep writes it ({error})") from error
    if about.pipeline != name:
        raise EvidenceError(f"{which} is that of a version of {about.pipeline}")
    return about.manifest, facts


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

    A version whose tag was edited passes; the gate reports it (`read_surroundings`). Added files
    are ignored: the registered ones say what MLflow runs.

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
