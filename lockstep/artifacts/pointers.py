"""Pointers to versions in a home: the live one, and those that a server may use beside it.

Both are files, and their versions open without a registry. A home writes the live one
(`lockstep.registry.live`) once the version is proven in its environment:

    {"format": 2, "name": "flights", "version": 3, "directory": "../mlflow/…/lockstep",
     "digest": "5a1c…", "since": "2026-01-31T08:15:00+00:00", "decision": "lockstep.live.2026…"}

The listing (`lockstep.registry.listing`) holds while the registry does not answer:

    {"format": 2, "name": "flights", "looked_at": "2026-01-31T08:15:00+00:00", "trouble": null,
     "challenger": 4, "lacking": {"2": "…"}, "versions": {
       "3": {"version": 3, "directory": "../mlflow/…/lockstep", "digest": "5a1c…", …},
       "4": {"version": 4, "directory": "../mlflow/…/lockstep", "digest": "0e77…", …}}}

A server reads them again to learn of changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import NotLiveError
from lockstep.store.documents import read_document, write_document

FORMAT = 2


@dataclass(frozen=True)
class _Pointer:
    """A version of a pipeline, and where its files are."""

    name: str
    version: int
    directory: Path
    digest: str  # SHA-256 of its manifest: changed files do not open

    def _open(self, trusted: tuple[str, ...] | None = None) -> LoadedVersion:
        return LoadedVersion.open(
            self.directory, self.digest, name=self.name, version=self.version, trusted=trusted
        )


@dataclass(frozen=True)
class LivePointer(_Pointer):
    """The version of a pipeline that serves in a home."""

    # When it was decided that it is live, in UTC.
    since: Annotated[datetime, Meta(tz=True)] = field(default_factory=lambda: datetime.now(UTC))
    decision: str = ""  # key of that decision in the registry

    @classmethod
    def to(cls, loaded: LoadedVersion) -> LivePointer:
        """A pointer to a version, live from now on."""
        return cls(loaded.name, loaded.version, loaded.directory, loaded.digest)

    def open(self) -> LoadedVersion:
        """Open the version from its files alone; raise ArtifactError where it cannot be used."""
        return self._open()


@dataclass(frozen=True)
class ListedVersion(_Pointer):
    """A listed version; times are in UTC."""

    proven_at: datetime | None = None  # when it last passed the gate; None if it never did
    # The types that the project trusted when it was listed: the registry's word, which names the
    # digest, is not enough to load others.
    trusted: tuple[str, ...] = ()

    def open(self) -> LoadedVersion:
        """Open the version from its files alone; raise ArtifactError where it cannot be used."""
        return self._open(self.trusted)


@dataclass(frozen=True)
class Listing:
    """The versions of a pipeline that have passed the gate, and its challenger."""

    name: str
    # By number; their files are available.
    versions: Mapping[int, ListedVersion] = field(default_factory=dict)
    challenger: int | None = None  # what `@challenger` points to
    # By number of a version that should be listed and is not: why.
    lacking: Mapping[int, str] = field(default_factory=dict)
    # When the registry was read, in UTC.
    looked_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    trouble: str | None = None  # why it could not be read again since; None if it could


def write_live(path: Path, pointer: LivePointer) -> None:
    """Write a pointer to its file, such as `Home.live("flights")`."""
    write_document(path, {"format": FORMAT, **asdict(pointer)})


def write_listing(path: Path, listing: Listing) -> None:
    """Write a listing to its file, such as `Home.listing("flights")`."""
    write_document(path, {"format": FORMAT, **asdict(listing)})


def read_live(path: Path) -> LivePointer | None:
    """Read the pointer; None if no version is live yet. A damaged one raises ArtifactError."""
    return read_document(
        path,
        LivePointer,
        version=FORMAT,
        purpose="which names the live version",
        failing="does not tell which version is live {}. Promote a version, which writes it anew.",
    )


def read_listing(path: Path) -> Listing | None:
    """Read a listing; None if there is none. A damaged one raises ArtifactError."""
    return read_document(
        path,
        Listing,
        version=FORMAT,
        purpose="which lists the versions that may be used",
        failing="does not list which versions may be used {}. Remove it: the process that asks the "
        "registry writes it anew.",
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
