"""Writing of projects, and of pipelines in them."""

from __future__ import annotations

import keyword
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template
from types import MappingProxyType

from lockstep.errors import WritingError
from lockstep.project.project import Project
from lockstep.templates.proposal import Proposal, propose
from lockstep.templates.source import assets_source, columns_source
from lockstep.templates.table import read_table
from lockstep.templates.table_proposal import ProposedTable, propose_table

_FILES = Path(__file__).parent / "files"
_SKELETON = Path(__file__).parent / "skeleton"
_NAMED = (".toml", ".yaml", ".md")
"""Files in which `$name` stands for the project's name."""
_HIDDEN = {"gitignore": ".gitignore"}
_LONGEST_NAME = 100
"""Letters of a pipeline's name: files, jobs and tables have it with more behind it."""
_LARGE = 50_000_000
"""Size in bytes above which a table outside of the project is not copied into it."""


def write_project(folder: Path) -> list[Path]:
    """Write a project with a small pipeline that runs at once; return its files.

    Raises:
        WritingError: The folder's name is no name for a project, or the folder is not empty.
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
    texts = {}
    for source in sorted(_FILES.rglob("*")):
        if source.is_dir() or "__pycache__" in source.parts:
            continue
        target = folder / source.relative_to(_FILES)
        target = target.with_name(_HIDDEN.get(target.name, target.name))
        text = source.read_text(encoding="utf-8")
        if source.suffix in _NAMED:
            text = Template(text).substitute(name=name)
        texts[target] = text
    return _write(texts)


def write_pipeline(project: Project, name: str) -> list[Path]:
    """Write a pipeline for a person to edit; return its files.

    Raises:
        WritingError: That is no name for a pipeline, or one of the files exists.
    """
    files = _files(project, name, ("transforms", "expectations", "assets"))
    names = {
        "name": name,
        "title": name.capitalize(),
        "transforms": project.transforms,
        "expectations": project.expectations,
    }
    return _write(
        {
            file: Template((_SKELETON / f"{role}.txt").read_text(encoding="utf-8")).substitute(
                names
            )
            for role, file in files.items()
        }
    )


def write_pipeline_from(
    project: Project,
    name: str,
    table: Path,
    *,
    label: str | None = None,
    key: str | None = None,
    tables: Mapping[str, Path] = MappingProxyType({}),
) -> tuple[Proposal, list[ProposedTable], list[Path]]:
    """Write a pipeline that trains on a table at once; return what was proposed, and the files.

    A table outside of the project is copied into its folder `data`, unless it is large.

    Args:
        tables: Files of tables in which it looks things up, by the name that each is to have.

    Raises:
        WritingError: That is no name for a pipeline, or one of the files exists.
        InputError: The table cannot be read.
        ProposalError: Nothing can be proposed for it.
    """
    files = _files(project, name, ("transforms", "assets"))
    proposal = propose(read_table(table), label=label, key=key)
    proposed = [propose_table(named, file, proposal) for named, file in tables.items()]
    path, copied = _within(project, name, table)
    places = []
    for one in proposed:
        if not one.lacking:
            place, also = _within(project, f"{name}_{one.name}", one.file.path)
            places.append((one, place))
            copied += also
    written = _write(
        {
            files["transforms"]: columns_source(name, proposal, proposed),
            files["assets"]: assets_source(name, proposal, path, project.transforms, places),
        }
    )
    return proposal, proposed, [*written, *copied]


def _files(project: Project, name: str, roles: tuple[str, ...]) -> dict[str, Path]:
    if keyword.iskeyword(name):
        raise WritingError(
            f"{name!r} is a word of Python's, which no module can have for a name: choose another, "
            f"such as {name}_model."
        )
    if len(name) > _LONGEST_NAME:
        raise WritingError(
            f"A name of {len(name)} letters is too long for a pipeline: use up to {_LONGEST_NAME}."
        )
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise WritingError(
            f"{name!r} is no name for a pipeline: use lower-case letters, digits and underscores, "
            "such as flight_delay."
        )
    packages = {
        "transforms": project.transforms,
        "expectations": project.expectations,
        "assets": project.assets,
    }
    files = {
        role: project.root.joinpath(*package.split("."), f"{name}.py")
        for role, package in packages.items()
    }
    for file in files.values():
        if file.exists():
            raise WritingError(f"{file} is there already; choose another name, or delete it.")
    return {role: files[role] for role in roles}


def _within(project: Project, name: str, table: Path) -> tuple[str, list[Path]]:
    """The path of a table for the project's sources, and its copy if one was made."""
    table = table.resolve()
    if table.is_relative_to(project.root):
        return table.relative_to(project.root).as_posix(), []
    if table.stat().st_size > _LARGE:
        return str(table), []
    path = Path("data") / f"{name}{table.suffix.lower()}"
    target = project.root / path
    if target.exists():
        raise WritingError(f"{target} is there already; delete it, or choose another name.")
    try:
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(table, target)
    except OSError as error:
        raise WritingError(
            f"{target} cannot be written ({error.strerror}). Name another place."
        ) from error
    return path.as_posix(), [target]


def _write(texts: dict[Path, str]) -> list[Path]:
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise WritingError(
                f"{path} cannot be written ({error.strerror}). Name another place."
            ) from error
    return list(texts)
