"""Redaction: keyed hashes in place of confidential values."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b

from lockstep.columns.kinds import Array
from lockstep.errors import LogKeyError

KEY_VARIABLE = "LOCKSTEP_LOG_KEY"
"""The environment variable that holds the key of the hashes."""
_LEAST_KEY = 16
_MOST_KEY = 64
_DIGEST_BYTES = 16

Hashes = Callable[[Array], list[str | None]]
"""Hashes the values of a column."""


def log_key() -> bytes:
    """The key in the environment; raises LogKeyError without one, or if it is too short or long."""
    key = os.environ.get(KEY_VARIABLE, "").encode()
    if not _LEAST_KEY <= len(key) <= _MOST_KEY:
        raise LogKeyError(
            f"The request log hashes columns, and {KEY_VARIABLE} holds "
            f"{f'a key of {len(key)} bytes' if key else 'no key'}: set it to a secret of "
            f"{_LEAST_KEY} to {_MOST_KEY} bytes, the same for all servers of the pipeline."
        )
    return key


def keyed_hashes(key: bytes) -> Hashes:
    """A function that hashes a column's values under a key; a missing value stays missing.

    Without the key, nobody finds a value by hashing all possible ones.
    """

    def hashes(values: Array) -> list[str | None]:
        return [
            None
            if value is None or value != value
            else blake2b(str(value).encode(), key=key, digest_size=_DIGEST_BYTES).hexdigest()
            for value in values.tolist()
        ]

    return hashes
