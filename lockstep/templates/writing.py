"""Writing a project: the files below `files/`, with its name put in."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from lockstep.columns.errors import LockstepError

_FILES = Path(__file__).parent / "files"
_NAMED = (".toml", ".yaml", ".md")
"""Files in which `$name` stands for the project's name."""
_HIDDEN = {"gitignore": ".gitignore"}


class WritingError(LockstepError):
    """A project or pipeline cannot be written where it should be."""


def write_project(folder: Path) -> list[Path]:
    """Write a project with a small pipeline that runs at once.

    Args:
        folder: Where to; it is made, and the project has its name.

    Returns:
        The files, in order.

    Raises:
        WritingError: The folder's name is no name for a project, or there is something in it.
    """
    folder = folder.resolve()
    name = folder.name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise WritingError(
            f"{name!r} is no name for a project: use letters, digits, hyphens and underscores."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WritingError(
            f"{folder} is there already, and not empty; choose another name. A pipeline is added "
            "to a project with `lockstep new --pipeline NAME`."
        )
    written = []
    for source in sorted(_FILES.rglob("*")):
        if source.is_dir() or "__pycache__" in source.parts:
            continue
        target = folder / source.relative_to(_FILES)
        target = target.with_name(_HIDDEN.get(target.name, target.name))
        text = source.read_text(encoding="utf-8")
        if source.suffix in _NAMED:
            text = Template(text).substitute(name=name)
        write_file(target, text)
        written.append(target)
    return written


def write_file(path: Path, text: str) -> None:
    """Write a file, and the folders that it is in.

    Raises:
        WritingError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WritingError(f"{path} cannot be written ({error.strerror}).") from error
