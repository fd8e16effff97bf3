"""Fingerprints: the digest of all that computes a version in a process, beside its own files."""

from __future__ import annotations

import json
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
    facts = Environment.capture(loaded.environment.libraries).facts
    stored = json.dumps({**facts, "lockstep": framework_digest()}, sort_keys=True)
    return sha256(stored.encode()).hexdigest()
