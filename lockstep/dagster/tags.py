"""Tags of runs that are Lockstep's own affair."""

from __future__ import annotations

from dagster._core.storage.tags import HIDDEN_TAG_PREFIX


def hidden(name: str) -> str:
    """A tag by which runs are found and queued, and which Dagster's pages do not show."""
    return f"{HIDDEN_TAG_PREFIX}lockstep_{name}"
