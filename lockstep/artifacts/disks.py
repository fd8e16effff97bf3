"""Disks: what one refuses, told with the place and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

from lockstep.columns.errors import LockstepError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_FAILING = (errno.EIO, errno.ESTALE)


class DiskError(LockstepError):
    """A disk is full, fails, or does not let this user read or write there."""

    @classmethod
    def of(cls, error: OSError, place: Path | str | None = None) -> DiskError | None:
        """What a disk refused; None if the error is another one.

        Args:
            error: What the system raised.
            place: Where, if the error does not say it.
        """
        if error.errno not in (*_FULL, *_CLOSED, *_FAILING):
            return None
        at, why = error.filename or place or "A file", error.strerror
        if error.errno in _FULL:
            return cls(
                f"{at} cannot be written, since its disk is full ({why}). Make room there, or set "
                "LOCKSTEP_HOME to a folder on another disk; then do it again. What was recorded "
                "before is as it was."
            )
        if error.errno in _CLOSED:
            return cls(
                f"{at} is closed to this user ({why}). Have it opened for reading and writing, or "
                "set LOCKSTEP_HOME to a folder that is; then do it again."
            )
        return cls(f"{at} cannot be read or written ({why}). Put its disk right, and do it again.")
