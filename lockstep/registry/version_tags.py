"""Tags of a version: facts that hold only for its very bytes.

    lockstep.evidence        the results of the checks of history, training set and candidate
    lockstep.proven.5a1c…    that it is proven in an environment: by whom, where and when
    lockstep.surroundings    the files around its directory, by which MLflow serves it

A tag can be edited, copied to another version, or outlive its files. So each holds the pipeline's
name, the SHA-256 of the version's manifest and one of the tag itself; where these do not agree, it
is ignored. The manifest cannot list the files around the directory, which are written later.
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
    """The evidence of a version's training."""

    training_set: str  # SHA-256 of its file
    results: Mapping[str, str]  # of each check of history, training set and candidate, in a word
    counts: Mapping[str, int]  # the version's evidence by kind, such as its golden rows

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
    """The evidence of a version's training; EvidenceError where no tag holds for these bytes."""
    return held(version, EVIDENCE, TrainingEvidence)


def failed_checks(version: Version) -> tuple[str, ...] | None:
    """The checks that a version failed when it was trained; None where that is not known."""
    try:
        return read_evidence(version).failed
    except (EvidenceError, ArtifactError):
        return None


@dataclass(frozen=True)
class Proof:
    """That a version was proven: its golden records were replayed, all columns the same."""

    at: datetime  # in UTC
    by: str  # the name of the user
    home: str  # its folder
    host: str  # the name of the machine
    environment: str  # fingerprint (`lockstep.artifacts.fingerprint`)


def write_proven(registry: Registry, version: Version, site: Site, environment: str) -> None:
    """Tag a version that is proven now, by the gate or by a replay of its golden records."""
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
    """A tag's text: facts, as plain data, that hold for the bytes of this manifest."""
    stored = {"pipeline": name, "manifest": manifest, **facts}
    return json.dumps({**stored, "sha256": _digest(stored)})


def held(version: Version, tag: str, kind: type[Held]) -> Held:
    """The facts of a tag; EvidenceError where no such one holds for the version's bytes."""
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

    Raises EvidenceError, naming `which` tag, where it was edited, or is another pipeline's.
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
