"""Updates of a listing: the versions in the registry that a server may use."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from lockstep.artifacts.pointers import ListedVersion, Listing, read_listing, write_listing
from lockstep.errors import ArtifactError, RegistryError
from lockstep.registry.registry import Registry
from lockstep.registry.version_tags import proofs
from lockstep.registry.versions import Version

CHALLENGER = "challenger"
"""The alias of the version whose answers are compared with those of the live version."""
FETCHED = 20
"""Proven versions that are listed, the newest ones; a remote registry's files are fetched."""

_log = logging.getLogger(__name__)


def list_versions(registry: Registry, name: str, last: Listing | None = None) -> Listing:
    """The challenger of a pipeline and its newest proven versions, with their files.

    Files that the last listing names are not fetched again. Raises RegistryError where the registry
    cannot be read.
    """
    known = registry.versions(name)
    proven = [version for version in known if proofs(version)][-FETCHED:]
    challenger = next((version for version in known if CHALLENGER in version.aliases), None)
    wanted = {version.version: version for version in (*proven, challenger) if version is not None}
    at_hand = last.versions if last is not None else {}
    versions: dict[int, ListedVersion] = {}
    lacking: dict[int, str] = {}
    for number, version in sorted(wanted.items()):
        try:
            versions[number] = _listed(registry, version, at_hand.get(number))
        except (ArtifactError, RegistryError) as error:
            lacking[number] = str(error)
    return Listing(name, versions, challenger.version if challenger is not None else None, lacking)


def update_listing(registry: Registry, name: str, path: Path) -> Listing:
    """Write the current listing, or the last one with the trouble if the registry is away."""
    last = _last(path)
    try:
        listing = list_versions(registry, name, last)
    except RegistryError as error:
        listing = replace(last or Listing(name), trouble=str(error))
    _tell_change(last, listing)
    write_listing(path, listing)
    return listing


def _listed(registry: Registry, version: Version, last: ListedVersion | None) -> ListedVersion:
    proven = proofs(version)
    is_at_hand = last is not None and last.digest == version.digest and last.directory.is_dir()
    return ListedVersion(
        name=version.name,
        version=version.version,
        directory=last.directory if last and is_at_hand else registry.files(version),
        digest=version.digest,
        proven_at=proven[0].at if proven else None,
        trusted=registry.trusted,
    )


def _last(path: Path) -> Listing | None:
    """The last listing; None if there is none, or it is damaged and will be written anew."""
    try:
        return read_listing(path)
    except ArtifactError as error:
        _log.warning("%s", error)
        return None


def _tell_change(last: Listing | None, listing: Listing) -> None:
    """Log once that the registry does not answer, and once that it does again."""
    before = last.trouble if last is not None else None
    if listing.trouble is not None and before is None:
        _log.warning("the versions that are listed stay as they are: %s", listing.trouble)
    elif listing.trouble is None and before is not None:
        _log.info("the registry answers again")
    for number, why in listing.lacking.items():
        if last is None or last.lacking.get(number) != why:
            _log.warning("version %s is not listed: %s", number, why)
