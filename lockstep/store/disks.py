"""Disks: files replaced whole or not at all, and errors of a disk with what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from lockstep.errors import DiskError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
_FAILING = (errno.EIO, errno.ESTALE)

PRIVATE, PRIVATE_FOLDER = 0o600, 0o700
"""Modes of files and folders that nobody but their owner may look into."""


@contextmanager
def at_place(path: Path) -> Iterator[None]:
    """Add this path to errors of the system that name none.

    An error in a library's own words, without the system's number, is left as it is: a path would
    replace its words.
    """
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def is_of_disk(error: Exception) -> bool:
    """Whether a disk is at fault: it is full, may only be read, or fails."""
    at_fault = (*_FULL, *_FAILING, errno.EROFS)
    return isinstance(error, OSError) and error.errno in at_fault


def disk_error(error: OSError, place: Path | str | None = None) -> DiskError | None:
    """The error of a disk, with what to do; None if the error is no disk's."""
    if error.errno not in (*_FULL, *_CLOSED, *_FAILING):
        return None
    # In a copy, the second file is the written one. Libraries have words of their own.
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


def replace_text(path: Path, text: str) -> None:
    """Write a small text file beside its place and move it there whole."""
    replace_file(path, lambda file: Path(file).write_text(text, encoding="utf-8"))


def replace_file(
    path: Path, write: Callable[[str], object], *, is_last: bool = True, by: Path | None = None
) -> None:
    """Write a file beside its place, flush it to disk, and move it there in one step.

    A killed process or a power failure leaves the old file or the new one, never half of one
    (POSIX `rename`).

    Args:
        write: Writes the file of the given name, with the permissions that the umask leaves; in a
            private folder it is private then.
        is_last: Whether its name has to last; no if another file of its folder follows, with which
            names are flushed.
        by: The file that is written first, on the same disk, where only one process at a time
            writes this one: what a killed process leaves there is overwritten. By default a new one
            in its folder.
    """
    make_folder(path.parent)
    temporary = by or path.parent / f".writing-{uuid4().hex}.tmp"
    try:
        with at_place(path):
            write(str(temporary))
            as_private_as_folder(temporary, path.parent)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            if is_last:
                flush_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path, *, private: bool = False) -> None:
    """Make a folder, and those above it, where they are missing.

    Each is private if the folder is that it is in, or if `private`; one that exists stays as it is.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    is_private = private or _is_private(path.parent)
    path.mkdir(mode=PRIVATE_FOLDER if is_private else 0o777, exist_ok=True)


def as_private_as_folder(file: Path, folder: Path) -> None:
    """Make a file private that is in a private folder, or written for it."""
    if _is_private(folder) and not _is_private(file):
        file.chmod(PRIVATE)


def _is_private(path: Path) -> bool:
    """Whether nobody but its owner may look into a file or folder."""
    return not path.stat().st_mode & 0o077


def flush_directory(directory: Path) -> None:
    """Flush a directory, so that a change of names in it lasts."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
