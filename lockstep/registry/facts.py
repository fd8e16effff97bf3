"""Facts: what is known of each version of a pipeline, for a person who lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from lockstep.artifacts.artifact import Artifact
from lockstep.columns.plain import iso
from lockstep.errors import ArtifactError
from lockstep.registry.decisions import Decisions
from lockstep.registry.registry import Registry
from lockstep.registry.version_tags import Proof, failed_checks, proofs
from lockstep.registry.versions import Version


@dataclass(frozen=True)
class VersionFacts:
    """The facts of a version.

    Attributes:
        trained: When it was registered, in UTC.
        aliases: Aliases that point to it, without the `@`.
        rows: Number of rows of the fit; None where its files cannot be used.
        metrics: Its figures on held-out rows, by title.
        failed: Checks that failed when it was trained; None where that is not known.
        damage: Why its files cannot be used; None if they can.
        differing: By model whose estimator itself serves, since its compiled form gave other
            values at the fit: how.
    """

    version: int
    trained: datetime
    aliases: tuple[str, ...]
    rows: int | None
    metrics: Mapping[str, float]
    failed: tuple[str, ...] | None
    proofs: tuple[Proof, ...]  # one for each environment, the newest first
    was_live: bool
    damage: str | None = None
    differing: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> datetime | None:
        """When it was proven last, in UTC; None if it never was."""
        return self.proofs[0].at if self.proofs else None

    @classmethod
    def of(cls, registry: Registry, version: Version, decisions: Decisions) -> VersionFacts:
        """The facts of a version, from the registry and its files.

        Raises FetchError where its files had to be fetched, and did not all arrive.
        """
        manifest: Mapping[str, Any] = {}
        damage = None
        try:
            manifest = Artifact.open(registry.files(version), version.digest).manifest
        except ArtifactError as error:
            damage = str(error)
        return cls(
            version=version.version,
            trained=version.created,
            aliases=version.aliases,
            rows=manifest.get("rows"),
            metrics=manifest.get("metrics", {}),
            failed=failed_checks(version),
            proofs=_proofs(version),
            was_live=version.version in decisions.versions,
            damage=damage,
            differing=manifest.get("differing") or {},
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "version": self.version,
            "trained": iso(self.trained),
            "aliases": list(self.aliases),
            "rows": self.rows,
            "metrics": dict(self.metrics),
            "failed": None if self.failed is None else list(self.failed),
            "passed": None if self.passed is None else iso(self.passed),
            "proofs": [{**asdict(proof), "at": iso(proof.at)} for proof in self.proofs],
            "was_live": self.was_live,
            "damage": self.damage,
            "differing": dict(self.differing),
        }


def _proofs(version: Version) -> tuple[Proof, ...]:
    try:
        return proofs(version)
    except ArtifactError:
        return ()
