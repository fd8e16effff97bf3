"""Where a declaration stands: the file that declares it, and the project that this is in."""

from __future__ import annotations

import sys
from pathlib import Path

from lockstep.errors import ProjectError
from lockstep.project.project import Project

_NOT_THE_USERS = ("lockstep.", "dataclasses")


def declaring_folder() -> Path:
    """The folder that relative paths of a declaration are seen from.

    It is the root of the project of the file that declares it, wherever a command runs; the
    current folder where that file is in no project, as in a notebook.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    try:
        return Project.find(file).root if file.is_file() else Path.cwd()
    except ProjectError:
        return Path.cwd()


def _is_ours(module: str) -> bool:
    return module.startswith(_NOT_THE_USERS)
