"""Lockstep's own source, which a version carries to be served without Lockstep."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping

import lockstep.columns
import lockstep.tables
from lockstep.artifacts.snapshot import digest_of, source_of

_ARTIFACTS = "lockstep.artifacts"
_READERS = ("artifact", "framework", "modules", "skops", "snapshot", "trusted")


def framework_digest() -> str:
    """SHA-256 of the modules that evaluate columns: with a snapshot, they are all of the code."""
    return digest_of(_evaluating())


def carried_digest(sources: Mapping[str, str]) -> str:
    """SHA-256 of the same modules among those of `framework_sources`."""
    return digest_of(
        {
            name: source
            for name, source in sources.items()
            if not f"{name}.".startswith(f"{_ARTIFACTS}.")
        }
    )


def framework_sources() -> dict[str, str]:
    """By module, the source of all of Lockstep that reads a version and predicts."""
    readers = (_ARTIFACTS, *(f"{_ARTIFACTS}.{name}" for name in _READERS))
    return _evaluating() | {name: source_of(name) for name in readers}


def _evaluating() -> dict[str, str]:
    names = ["lockstep", "lockstep.errors", "lockstep.refusals"]
    for package in (lockstep.columns, lockstep.tables):
        modules = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        names += [package.__name__, *(each.name for each in modules)]
    return {name: source_of(name) for name in names}
