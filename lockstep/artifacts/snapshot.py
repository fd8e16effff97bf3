"""The source of a pipeline as it was when it was fitted."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import pkgutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import lockstep.columns
from lockstep.artifacts.errors import SnapshotError
from lockstep.artifacts.modules import ModuleSet
from lockstep.columns.pipeline import Pipeline

_loaded: dict[str, Snapshot] = {}


@dataclass(frozen=True)
class Snapshot:
    """The modules that a pipeline is made of.

    A module belongs to the snapshot if the pipeline's module imports it, at whatever remove and
    wherever in the code, and it is the user's own: a file in
    the same checkout (below the directory that holds the pipeline's top-level package) that is
    neither installed (`site-packages`) nor part of the standard library. Lockstep's own modules
    that evaluate columns do not belong to it; `framework` tells which they were. Data files that a
    module reads, and modules that it imports by a computed name, are not carried.

    Attributes:
        module: Name of the pipeline's module.
        modules: Source by module name, in order of the names, with Unix line ends.
        framework: SHA-256 of Lockstep's own modules that evaluate columns.
    """

    module: str
    modules: Mapping[str, str]
    framework: str

    @classmethod
    def of(cls, pipeline: Pipeline) -> Snapshot:
        """Collect the source of a pipeline from its files.

        Raises:
            SnapshotError: A module has no Python source, or its file is no longer the code that
                is loaded.
        """
        known = _loaded.get(pipeline.module)
        if known is not None:
            return known
        modules = _collect(pipeline.module)
        return cls(
            module=pipeline.module,
            modules={name: modules[name] for name in sorted(modules)},
            framework=digest_of(framework_sources()),
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the names and sources."""
        return digest_of(self.modules)

    def load(self) -> Pipeline:
        """Run the sources under a private name, once in a process.

        Whoever can write to the registry decides what runs here: digests protect against damage
        and mistakes, access rights against malice.

        Returns:
            The pipeline, not fitted, computing with these sources and nothing else of the user's.

        Raises:
            SnapshotError: A module raises when it is imported, or defines no pipeline.
        """
        modules = ModuleSet(self._root, self.modules, {"lockstep": lockstep.__name__})
        try:
            module = modules.load(self.module)
        except Exception as error:
            raise SnapshotError(
                f"The stored source of {self.module} does not run here: "
                f"{type(error).__name__}: {error}."
            ) from error
        pipeline = _pipeline_in(module, self.module)
        _loaded[module.__name__] = self
        return pipeline

    @property
    def _root(self) -> str:
        """The private package; another one where Lockstep itself runs under a private name."""
        framework = lockstep.__name__.rpartition(".")[0]
        return f"_lockstep_{self.digest[:12]}" + (f"_in{framework}" if framework else "")


def digest_of(sources: Mapping[str, str]) -> str:
    """SHA-256 of module names and their sources, whatever their order."""
    digest = hashlib.sha256()
    for name in sorted(sources):
        for text in (name, sources[name]):
            data = text.encode()
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
    return digest.hexdigest()


def framework_sources() -> dict[str, str]:
    """Source of Lockstep's own modules that evaluate columns."""
    columns = [
        f"lockstep.columns.{module.name}"
        for module in pkgutil.iter_modules(lockstep.columns.__path__)
    ]
    return {name: source_of(name) for name in ("lockstep", "lockstep.columns", *columns)}


def source_of(name: str) -> str:
    """Source of an importable module.

    Raises:
        SnapshotError: There is none, as in a compiled extension.
    """
    spec = _spec(name)
    source = getattr(spec.loader, "get_source", lambda _: None)(name) if spec else None
    if source is None:
        raise SnapshotError(
            f"{name} has no Python source to store with the version. A pipeline's module is a "
            "file, and so is everything in its checkout that it imports."
        )
    return "\n".join(source.splitlines()).rstrip() + "\n"


def _collect(module: str) -> dict[str, str]:
    """The module and all of the user's modules that it imports, with the packages around them."""
    checkout = _checkout(module)
    found: dict[str, str] = {}
    open_names = [module]
    while open_names:
        name = open_names.pop()
        if name in found or not _is_users(name, checkout):
            continue
        found[name] = source_of(name)
        _check_loaded(name, found[name])
        open_names += [*_packages_of(name), *_imported(name, found[name])]
    return found


def _checkout(module: str) -> Path:
    """The directory that the module's import path starts from."""
    spec = _spec(module)
    if spec is None or spec.origin is None or module == "__main__":
        raise SnapshotError(
            f"The pipeline in {module} has no file, so that no version can carry its source. "
            "Move it to a module of its own, such as transforms/my_pipeline.py."
        )
    levels = module.count(".") + (spec.submodule_search_locations is not None)
    return Path(spec.origin).resolve().parents[levels]


def _is_users(name: str, checkout: Path) -> bool:
    top, _, _ = name.partition(".")
    if top == "lockstep":
        return False
    spec = _spec(top)
    if spec is None or not _is_users_file(spec, checkout):
        return False
    spec = _spec(name)
    return spec is not None and spec.has_location


def _is_users_file(spec: ModuleSpec, checkout: Path) -> bool:
    own = [spec.origin] if spec.has_location and spec.origin else []
    places = spec.submodule_search_locations or own
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    for place in places:
        path = Path(place).resolve()
        inside = path.is_relative_to(checkout) and not path.is_relative_to(stdlib)
        if inside and not {"site-packages", "dist-packages"} & set(path.parts):
            return True
    return False


def _spec(name: str) -> ModuleSpec | None:
    """Where a module comes from; importing it does not run it, only the packages around it."""
    module = sys.modules.get(name)
    if module is not None and module.__spec__ is not None:
        return module.__spec__
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # not in a package; no spec, as `__main__`
        return None


def _packages_of(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _imported(name: str, source: str) -> Iterator[str]:
    """Names that may be modules which a source imports, wherever in it."""
    spec = _spec(name)
    is_package = spec is not None and spec.submodule_search_locations is not None
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield base
            for alias in node.names:
                yield f"{base}.{alias.name}"


def _check_loaded(name: str, source: str) -> None:
    """Make sure that what is loaded is what the file says: it may have been edited since."""
    module = sys.modules.get(name)
    if module is None:
        return
    code = compile(source, name, "exec", dont_inherit=True)
    written = {each for each in code.co_consts if isinstance(each, CodeType)}
    for attribute, value in vars(module).items():
        function: Any = inspect.unwrap(value) if callable(value) else None
        if not inspect.isfunction(function) or function.__module__ != name:
            continue
        if "<locals>" not in function.__qualname__ and function.__code__ not in written:
            raise SnapshotError(
                f"{name}.{attribute} is no longer what {name}'s file says: the file has been "
                "edited since it was imported. Start a new process (in a notebook, restart the "
                "kernel), so that the version carries the code that it was fitted with."
            )


def _pipeline_in(module: ModuleType, name: str) -> Pipeline:
    pipelines = {
        id(value): value
        for value in vars(module).values()
        if isinstance(value, Pipeline) and value.module == module.__name__
    }
    if len(pipelines) != 1:
        raise SnapshotError(
            f"{name} defines {len(pipelines) or 'no'} pipelines; it must define one, as "
            "PIPELINE = Pipeline(__name__, record=..., outcome=...)."
        )
    return next(iter(pipelines.values()))
