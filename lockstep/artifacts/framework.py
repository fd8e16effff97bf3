"""Lockstep's own source, which a version carries so that it is served without Lockstep."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping

import lockstep.columns
from lockstep.artifacts.snapshot import digest_of, source_of

_ARTIFACTS = "lockstep.artifacts"
_READERS = ("artifact", "framework", "modules", "skops", "snapshot", "trusted")


def framework_digest() -> str:
    """SHA-256 of the modules that evaluate columns: these, with a snapshot, are all of the code."""
    return digest_of(_evaluating())


def carried_digest(sources: Mapping[str, str]) -> str:
    """The same of what a version carries.

    Args:
        sources: What `framework_sources` gave.
    """
    readers = f"{_ARTIFACTS}."
    return digest_of(
        {
            name: source
            for name, source in sources.items()
            if name != _ARTIFACTS and not name.startswith(readers)
        }
    )


def framework_sources() -> dict[str, str]:
    """Source, by module, of all of Lockstep that is needed to read a version and predict."""
    readers = (_ARTIFACTS, *(f"{_ARTIFACTS}.{name}" for name in _READERS))
    return _evaluating() | {name: source_of(name) for name in readers}


def _evaluating() -> dict[str, str]:
    columns = pkgutil.walk_packages(lockstep.columns.__path__, "lockstep.columns.")
    names = (
        "lockstep",
        "lockstep.errors",
        "lockstep.columns",
        *(module.name for module in columns),
    )
    return {name: source_of(name) for name in names}
