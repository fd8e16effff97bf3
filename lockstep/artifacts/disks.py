"""Disks: what one refuses, told with the place and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockstep.errors import DiskError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_FAILING = (errno.EIO, errno.ESTALE)


@contextmanager
def at_place(path: Path) -> Iterator[None]:
    """Have an error of the system that does not tell where it is tell this place.

    One that a library words itself, without the system's number, is left as it is: a place would
    take the place of its words.

    Raises:
        OSError: The same one.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def disk_error(error: OSError, place: Path | str | None = None) -> DiskError | None:
    """What a disk refused; None if the error is another one.

    Args:
        error: What the system raised.
        place: Where, if the error does not say it.
    """
    if error.errno not in (*_FULL, *_CLOSED, *_FAILING):
        return None
    # Of a copy, the second file is the one that was written. Libraries have words of their own.
    at = error.filename2 or error.filename or place or "A file"
    why = os.strerror(error.errno or 0)
    if error.errno in _FULL:
        return DiskError(
            f"{at} cannot be written, since its disk is full ({why}). Make room there, or set "
            "LOCKSTEP_HOME to a folder on another disk; then do it again. What was recorded "
            "before is as it was."
        )
    if error.errno in _CLOSED:
        return DiskError(
            f"{at} is closed to this user ({why}). Have it opened for reading and writing, or "
            "set LOCKSTEP_HOME to a folder that is; then do it again."
        )
    return DiskError(
        f"{at} cannot be read or written ({why}). Put its disk right, and do it again."
    )
