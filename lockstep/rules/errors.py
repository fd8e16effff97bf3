"""What can go wrong with a suite."""

from __future__ import annotations

from lockstep.columns.errors import LockstepError


class SuiteError(LockstepError):
    """A suite cannot be stored, or asks something that the columns at hand cannot answer."""
