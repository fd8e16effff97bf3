"""Files that are replaced whole or not at all, whatever breaks off in between."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Write a small text file beside its place and move it there whole."""
    replace(path, lambda file: Path(file).write_text(text, encoding="utf-8"))


def replace(path: Path, write: Callable[[str], object]) -> None:
    """Write a file beside its place, flush it to disk, and move it there in one step.

    A killed process or a power failure leaves the old file or the new one, never half of one
    (POSIX `rename`).

    Args:
        path: Its place.
        write: Writes the file of the name that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=".tmp")
    os.close(handle)
    try:
        write(temporary)
        with Path(temporary).open("rb+") as file:
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        _flush_directory(path.parent)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _flush_directory(directory: Path) -> None:
    """Make a change of names in a directory last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
