"""Places: folders as the files of a home name them, so that a home may be moved or copied."""

from __future__ import annotations

import os
from pathlib import Path


def stored_place(directory: Path, file: Path) -> str:
    """How a file of a home names a folder: relative to itself where both lie in the home.

    Args:
        directory: The folder.
        file: The file, in a folder of the home's.
    """
    place, home = directory.resolve(), file.parent.parent.resolve()
    if place.is_relative_to(home):
        return os.path.relpath(place, file.parent.resolve())
    return str(place)


def place_of(stored: str, file: Path) -> Path:
    """The folder that a file of a home names."""
    return Path(os.path.normpath(file.parent.resolve() / stored))
