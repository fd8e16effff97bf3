"""Evidence and proofs of a version: tags that hold for its very bytes (`bound_tags`).

    lockstep.evidence        the results of the checks of history, training set and candidate
    lockstep.proven.5a1c…    that it is proven in an environment: by whom, where and when

A tag that was edited, or that is another version's, is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from lockstep.errors import ArtifactError, EvidenceError
from lockstep.registry.bound_tags import bound, held
from lockstep.registry.registry import Registry
from lockstep.registry.sites import Site
from lockstep.registry.versions import Version

EVIDENCE = "lockstep.evidence"
PROVEN = "lockstep.proven."
"""How the names of the tags begin that end in the fingerprint of an environment."""


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
