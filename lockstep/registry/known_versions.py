"""Known versions: which bytes each number of a pipeline means in a home.

    {"format": 1, "name": "flights", "versions": {"1": "5a1c…", "2": "77b0…"},
     "refused": {"2": {"manifest": "0e77…", "seen": "2026-01-31T08:15:00+00:00"}},
     "accepted": [{"version": 1, "before": "…", "manifest": "…", "at": "…", "by": "ada",
                   "home": "…", "host": "…", "reason": "…"}]}

Published rows, records and sinks name a version by its number, which a registry that was restored
from an older backup, or begun anew, gives a second time. So a home binds a number to the SHA-256 of
the version's manifest, and refuses other files under it until a person accepts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockstep.errors import LockstepError, RenumberedError
from lockstep.registry.sites import Site
from lockstep.store.documents import read_document, write_document
from lockstep.store.lock import locked

_FORMAT = 1


@dataclass(frozen=True)
class Refused:
    """Other files under a known number."""

    manifest: str  # SHA-256 of their manifest
    seen: datetime  # when they were seen first, in UTC


@dataclass(frozen=True)
class Accepted:
    """That a person has a number mean other files from then on."""

    version: int
    before: str  # SHA-256 of the manifest that the number was bound to
    manifest: str  # SHA-256 of the manifest that it is bound to since
    at: datetime  # in UTC
    by: str
    home: str
    host: str
    reason: str


@dataclass(frozen=True)
class _Numbers:
    format: int
    name: str
    versions: dict[int, str]
    refused: dict[int, Refused]
    accepted: list[Accepted]


@dataclass(frozen=True)
class KnownVersions:
    """The numbers that a home knows of a pipeline; ArtifactError where its file is damaged."""

    path: Path  # the file of the home, such as `Home.known("flights")`

    def demand(self, number: int, manifest: str) -> None:
        """Demand that a number means these files here; it is bound to them if it is new.

        Raises RenumberedError where it means others.
        """
        stored = self._read()
        if stored.versions.get(number) == manifest and number not in stored.refused:
            return
        with self._changing() as stored:
            bound = stored.versions.setdefault(number, manifest)
            refused = stored.refused.pop(number, None)
            if bound != manifest:
                if refused is None or refused.manifest != manifest:
                    refused = Refused(manifest, datetime.now(UTC))
                stored.refused[number] = refused
        if bound != manifest:
            raise RenumberedError(stored.name, number, bound, manifest)

    def is_free(self, number: int, manifest: str) -> bool:
        """Whether a number may be given to files: it means no others here."""
        return self._read().versions.get(number, manifest) == manifest

    def accept(self, number: int, site: Site, reason: str) -> Accepted:
        """Have a number mean the files that were refused; LockstepError where none were."""
        with self._changing() as stored:
            refused = stored.refused.pop(number, None)
            if refused is None:
                raise LockstepError(
                    f"Version {number} of {stored.name} is the one that this home knows, or it has "
                    "not seen it yet: there is nothing to accept."
                )
            before, at = stored.versions[number], datetime.now(UTC)
            accepted = Accepted(
                number, before, refused.manifest, at, site.by, site.home, site.host, reason
            )
            stored.versions[number] = refused.manifest
            stored.accepted.append(accepted)
        return accepted

    def refusals(self) -> list[str]:
        """A sentence for each number under which the registry has other files."""
        stored = self._read()
        return [
            str(RenumberedError(stored.name, number, stored.versions[number], refused.manifest))
            for number, refused in sorted(stored.refused.items())
        ]

    @contextmanager
    def _changing(self) -> Iterator[_Numbers]:
        with locked(self.path.with_suffix(".lock"), f"what is known of {self.path.stem}"):
            stored = self._read()
            yield stored
            write_document(self.path, asdict(stored))

    def _read(self) -> _Numbers:
        stored = read_document(
            self.path,
            _Numbers,
            version=_FORMAT,
            purpose="which binds the numbers of versions",
            failing="does not tell which files the numbers of versions mean {}. Restore it from a "
            "copy; or remove it, and each number is bound anew to what the registry has.",
        )
        return stored or _Numbers(_FORMAT, self.path.stem, {}, {}, [])
