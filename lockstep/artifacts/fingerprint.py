"""Fingerprints: the digest of all that computes a version in a process, beside its own files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from lockstep.artifacts.closure import here
from lockstep.artifacts.framework import framework_digest
from lockstep.parity.environment import Environment

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion


def fingerprint(loaded: LoadedVersion) -> str:
    """SHA-256 of this environment as it matters to a version, and of Lockstep's own modules.

    Where two processes have the same one, a version that was proven in one is in the other.
    """
    return _digest(here(loaded.environment).facts)


def computing_fingerprint(loaded: LoadedVersion) -> str:
    """The same without the number of threads, which is one in a process of a pool."""
    return _without_threads(msgspec.json.encode(loaded.environment))


@lru_cache(maxsize=16)
def _without_threads(fitted: bytes) -> str:
    facts = here(msgspec.json.decode(fitted, type=Environment)).facts
    others = {name: fact for name, fact in facts.items() if not name.startswith("threads.")}
    return _digest(others)


def _digest(facts: Mapping[str, str]) -> str:
    stored = json.dumps({**facts, "lockstep": framework_digest()}, sort_keys=True)
    return sha256(stored.encode()).hexdigest()
