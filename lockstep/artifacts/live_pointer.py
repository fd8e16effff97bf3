"""The live version of a home, in a file, so that it opens without a registry.

    {"format": 2, "name": "flights", "version": 3, "directory": "../mlflow/…/lockstep",
     "digest": "5a1c…", "since": "2026-01-31T08:15:00+00:00", "decision": "lockstep.live.2026…"}

A home writes it (`lockstep.store.live_version`) once the version that a decision in the registry
made live is proven in its own environment. A server reads it again to learn of another version.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from lockstep.artifacts.documents import read_document, write_document
from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import NotLiveError

FORMAT = 2


@dataclass(frozen=True)
class LivePointer:
    """The version of a pipeline that serves in a home."""

    name: str
    version: int
    directory: Path
    digest: str  # SHA-256 of its manifest: changed files do not open
    # When it was decided that it is live, in UTC.
    since: Annotated[datetime, Meta(tz=True)] = field(default_factory=lambda: datetime.now(UTC))
    decision: str = ""  # key of that decision in the registry

    @classmethod
    def to(cls, loaded: LoadedVersion) -> LivePointer:
        """A pointer to a version, live from now on."""
        return cls(loaded.name, loaded.version, loaded.directory, loaded.digest)

    def open(self) -> LoadedVersion:
        """Open the version from its files alone; raise ArtifactError where it cannot be used."""
        return LoadedVersion.open(self.directory, self.digest, name=self.name, version=self.version)


def write_live(path: Path, pointer: LivePointer) -> None:
    """Write a pointer to its file, such as `Home.live("flights")`."""
    write_document(path, {"format": FORMAT, **asdict(pointer)})


def read_live(path: Path) -> LivePointer | None:
    """Read the pointer; None if no version is live yet. A damaged one raises ArtifactError."""
    return read_document(
        path,
        LivePointer,
        version=FORMAT,
        purpose="which names the live version",
        failing="does not tell which version is live {}. Promote a version, which writes it anew.",
    )


def open_live(path: Path) -> LoadedVersion:
    """Open the live version from its files, without a registry.

    Raises:
        NotLiveError: No version is live yet.
        ArtifactError: The pointer cannot be read, or the version cannot be used.
    """
    pointer = read_live(path)
    if pointer is None:
        raise NotLiveError(path)
    return pointer.open()
