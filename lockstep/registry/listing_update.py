"""Updates of a listing: which versions the registry has that a server may use."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.artifacts.listing import ListedVersion, Listing, read_listing, write_listing
from lockstep.errors import ArtifactError, RegistryError
from lockstep.registry.version_tags import is_proven, proven_at

if TYPE_CHECKING:
    from lockstep.registry.registry import Registry
    from lockstep.registry.versions import Version

CHALLENGER = "challenger"
"""The alias of the version whose answers are compared with those of the live one."""
FETCHED = 20
"""Proven versions that are kept at hand, the newest ones; a remote registry's are fetched."""

_log = logging.getLogger(__name__)


def list_versions(registry: Registry, name: str, last: Listing | None = None) -> Listing:
    """The challenger of a pipeline and its newest proven versions, their files at hand.

    Args:
        registry: Where they are registered.
        name: Name of the pipeline.
        last: What was listed last: files that are at hand are not looked for again.

    Raises:
        RegistryError: The registry cannot be read.
    """
    known = registry.versions(name)
    proven = [one for one in known if is_proven(one)][-FETCHED:]
    challenger = next((one for one in known if CHALLENGER in one.aliases), None)
    wanted = {one.version: one for one in (*proven, challenger) if one is not None}
    at_hand = last.versions if last is not None else {}
    versions: dict[int, ListedVersion] = {}
    lacking: dict[int, str] = {}
    for number, one in sorted(wanted.items()):
        try:
            versions[number] = _listed(registry, one, at_hand.get(number))
        except (ArtifactError, RegistryError) as error:
            lacking[number] = str(error)
    return Listing(name, versions, challenger.version if challenger is not None else None, lacking)


def update_listing(registry: Registry, name: str, path: Path) -> Listing:
    """Write down what the registry tells now, or that it does not answer and what it told last.

    Args:
        registry: Where versions are registered.
        name: Name of the pipeline.
        path: The listing's file, such as `Home.listing("flights")`.
    """
    last = _last(path)
    try:
        found = list_versions(registry, name, last)
    except RegistryError as error:
        found = replace(last or Listing(name), trouble=str(error))
    _tell_change(last, found)
    write_listing(path, found)
    return found


def _listed(registry: Registry, version: Version, last: ListedVersion | None) -> ListedVersion:
    is_at_hand = last is not None and last.digest == version.digest and last.directory.is_dir()
    return ListedVersion(
        name=version.name,
        version=version.version,
        directory=last.directory if last and is_at_hand else registry.files(version),
        digest=version.digest,
        proven_at=proven_at(version) if is_proven(version) else None,
    )


def _last(path: Path) -> Listing | None:
    """What was listed last; None if nothing was, or it cannot be read and is written anew."""
    try:
        return read_listing(path)
    except ArtifactError as error:
        _log.warning("%s", error)
        return None


def _tell_change(last: Listing | None, found: Listing) -> None:
    """Say once that the registry does not answer, and once that it does again."""
    before = last.trouble if last is not None else None
    if found.trouble is not None and before is None:
        _log.warning("the versions that are listed stay as they are: %s", found.trouble)
    elif found.trouble is None and before is not None:
        _log.info("the registry answers again")
    for number, why in found.lacking.items():
        if last is None or last.lacking.get(number) != why:
            _log.warning("version %s is not listed: %s", number, why)
