"""Discovery of a project's pipelines, and of those that cannot be imported."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sysconfig
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

from lockstep.columns.plain import did_you_mean
from lockstep.errors import LockstepError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.project import Project

_OURS = Path(__file__).parents[1]
_CALL = re.compile(rb"^\w+(?:\s*:[^=\n]*)?\s*=\s*(?:\w+\.)?Pipeline\(", re.MULTILINE)
"""A line of a module that makes a pipeline."""


@dataclass(frozen=True)
class Broken:
    """A pipeline whose modules cannot be imported."""

    name: str
    error: str  # what went wrong and where, in a line
    details: str  # the traceback


@dataclass(frozen=True)
class Pipelines:
    """The pipelines of a project, imported.

    Attributes:
        broken: Pipelines that cannot be imported, by name; they do not stop the others.
        undeclared: Names of modules with columns that no module of `assets` declares a pipeline;
            some are shared by pipelines.
        lacking: Of those that make a `Pipeline`, what to do, in a line.
    """

    declared: dict[str, PipelineAssets]
    broken: dict[str, Broken]
    undeclared: frozenset[str] = frozenset()
    lacking: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of all pipelines, the broken ones too, in order."""
        return sorted((*self.declared, *self.broken))

    def get(self, name: str) -> PipelineAssets:
        """A pipeline by name.

        Raises:
            LockstepError: There is none, or it cannot be imported.
        """
        if name in self.broken:
            raise LockstepError(self.broken[name].error)
        if name in self.undeclared:
            raise LockstepError(_undeclared(name))
        if name not in self.declared:
            hint = did_you_mean(name, self.names)
            raise LockstepError(
                f"There is no pipeline {name!r}; there are: {', '.join(self.names) or 'none'}."
                f"{hint} A pipeline is a file of that name in transforms/, expectations/ and "
                "assets/."
            )
        return self.declared[name]


def pipelines(project: Project) -> Pipelines:
    """Import all pipelines, once; a broken one does not stop the others."""
    project.activate()
    return _imported(project)


def pipeline(project: Project, name: str) -> PipelineAssets:
    """Import one pipeline, and none of the others.

    Raises:
        LockstepError: There is none of that name, or it cannot be imported.
    """
    project.activate()
    if name not in _names(project, project.assets):
        return pipelines(project).get(name)  # raises with the names that exist
    imported = _import(project, name)
    if isinstance(imported, Broken):
        raise LockstepError(imported.error)
    return imported


@cache
def _imported(project: Project) -> Pipelines:
    names = _names(project, project.assets)
    imported = {name: _import(project, name) for name in names}
    undeclared = frozenset(_names(project, project.transforms)) - {*names}
    folder = project.root.joinpath(*project.transforms.split("."))
    lacking = [name for name in sorted(undeclared) if _makes_pipeline(folder / f"{name}.py")]
    return Pipelines(
        {name: declared for name, declared in imported.items() if not isinstance(declared, Broken)},
        {name: declared for name, declared in imported.items() if isinstance(declared, Broken)},
        undeclared,
        {name: _undeclared(name) for name in lacking},
    )


def _undeclared(name: str) -> str:
    return (
        f"{name} has a file with columns, and none in assets/ declares it a pipeline: add "
        f"assets/{name}.py with ASSETS = PipelineAssets(...)."
    )


def _makes_pipeline(file: Path) -> bool:
    """Whether a module, which may be broken, calls `Pipeline`, rather than being shared by some."""
    return file.is_file() and bool(_CALL.search(file.read_bytes()))


def _import(project: Project, name: str) -> PipelineAssets | Broken:
    try:
        return _declaration(importlib.import_module(f"{project.assets}.{name}"))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may raise anything
        return _broken(name, error)


def _names(project: Project, package: str) -> list[str]:
    """Names of a package's public modules: in the project's folder, or installed."""
    folder = project.root.joinpath(*package.split("."))
    path = [str(folder)]
    if not folder.is_dir():
        try:
            path = list(importlib.import_module(package).__path__)
        except ModuleNotFoundError:
            return []  # the project has no such package yet
    names = [module.name for module in pkgutil.iter_modules(path)]
    return [name for name in names if not name.startswith("_")]


def _declaration(module: ModuleType) -> PipelineAssets:
    declared = getattr(module, "ASSETS", None)
    if not isinstance(declared, PipelineAssets):
        raise LockstepError(f"{module.__file__} has no ASSETS = PipelineAssets(...); add it.")
    name = module.__name__.rpartition(".")[2]
    if declared.name != name:
        raise LockstepError(
            f"{module.__file__} declares the pipeline {declared.name!r}; the file and the pipeline "
            "have one name."
        )
    return declared


def _broken(name: str, error: BaseException) -> Broken:
    cause = str(error) if isinstance(error, LockstepError) else f"{type(error).__name__}: {error}"
    return Broken(
        name=name,
        error=f"Pipeline {name} cannot be imported ({_where(name, error)}): {cause}",
        details="".join(traceback.format_exception(error)),
    )


def _where(name: str, error: BaseException) -> str:
    """The user's file and line that an error comes from."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else f"assets/{name}.py"


def _is_users(file: str) -> bool:
    path = Path(file)
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    return path.is_file() and not (
        path.is_relative_to(_OURS) or any(path.is_relative_to(place) for place in installed)
    )
