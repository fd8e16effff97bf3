"""Files that are replaced whole or not at all, whatever breaks off in between."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from lockstep.artifacts.disks import at_place


def replace_text(path: Path, text: str) -> None:
    """Write a small text file beside its place and move it there whole."""
    replace(path, lambda file: Path(file).write_text(text, encoding="utf-8"))


def replace(path: Path, write: Callable[[str], object]) -> None:
    """Write a file beside its place, flush it to disk, and move it there in one step.

    A killed process or a power failure leaves the old file or the new one, never half of one
    (POSIX `rename`).

    Args:
        path: Its place.
        write: Writes the file of the name that it is given. What it makes has the permissions that
            the user's umask leaves.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".writing-{uuid4().hex}.tmp"
    try:
        with at_place(path):
            write(str(temporary))
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            flush_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush_directory(directory: Path) -> None:
    """Make a change of names in a directory last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
