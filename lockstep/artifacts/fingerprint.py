"""Fingerprints: the digest of all that computes a version in a process, beside its own files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from lockstep.artifacts.framework import framework_digest
from lockstep.parity.environment import Environment

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion


def fingerprint(loaded: LoadedVersion) -> str:
    """SHA-256 of this environment as it matters to a version, and of Lockstep's own modules.

    Where two processes have the same one, a version that was proven in one is in the other.
    """
    return _digest(Environment.capture(loaded.environment.libraries).facts)


def computing_fingerprint(loaded: LoadedVersion) -> str:
    """The same without the number of threads, which is one in a process of a pool."""
    return _without_threads(tuple(loaded.environment.libraries))


@lru_cache(maxsize=16)
def _without_threads(libraries: tuple[str, ...]) -> str:
    facts = Environment.capture(libraries).facts
    others = {name: fact for name, fact in facts.items() if not name.startswith("threads.")}
    return _digest(others)


def _digest(facts: Mapping[str, str]) -> str:
    stored = json.dumps({**facts, "lockstep": framework_digest()}, sort_keys=True)
    return sha256(stored.encode()).hexdigest()
