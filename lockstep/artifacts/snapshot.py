"""The source of a pipeline as it was when it was fitted."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import itertools
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from lockstep.artifacts.modules import ModuleSet, is_package
from lockstep.columns.contexts import OwnContext
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.syntax import parse
from lockstep.errors import OutsideReadingError, SnapshotError

_running: dict[str, tuple[Snapshot, ModuleSet]] = {}
"""By private package, what runs under it."""
_temporary: dict[str, tempfile.TemporaryDirectory[str]] = {}
"""By private package, the folder that was written for it."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Snapshot:
    """The source of a pipeline's modules, and their data files.

    A module belongs to the snapshot if the pipeline's module imports it, directly or indirectly,
    anywhere in the code, and it lies in one of the project's packages, whether these are in the
    project's folder or installed. Modules that are imported by a computed name do not belong to it;
    data files do if they lie in these packages and are read by an import.
    """

    module: str
    modules: Mapping[str, str]  # by name, in order of the names, with Unix line ends
    packages: tuple[str, ...] = ()  # the project's, in which modules were looked for
    # By path from the folder of the packages, such as `transforms/rates.csv`.
    data: Mapping[str, bytes] = field(default_factory=dict)
    # A folder that holds these files already, as in the files of a version; without one, they are
    # written into a temporary folder as long as the source is loaded.
    folder: str | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls, pipeline: Pipeline, packages: Iterable[str] = (), data: Iterable[str] = ()
    ) -> Snapshot:
        """Collect the source of a pipeline from its files.

        Args:
            packages: The project's packages (`Project.packages`), of which the top-level ones
                count; the pipeline's own always does.
            data: Data files that belong to it; missing ones are left out.

        Raises:
            SnapshotError: A module has no Python source, its file has changed since it was loaded,
                or it is neither in these packages nor installed.
        """
        if known := _running.get(pipeline.module.partition(".")[0]):
            return known[0]
        packages = tuple(packages)
        modules = _collect(pipeline.module, {_top(name) for name in (pipeline.module, *packages)})
        sources = {name: modules[name] for name in sorted(modules)}
        files = {name: read for name in sorted(data) if (read := _read_data(name, sources))}
        return cls(pipeline.module, sources, packages, files)

    def with_data(self) -> Snapshot:
        """The snapshot with the data files that its modules read when they are imported.

        They are read from beside the modules' files. A source that does not run has none; loading
        it says why.
        """
        from lockstep.artifacts.questions import watching

        folders = _folders(self.modules)
        if self.data or not folders:
            return self
        name_of = partial(_name_of_data, modules=self.modules, folders=folders)
        try:
            with watching(lambda path: name_of(path) is not None) as guard:
                unload(self._load(folders))
        except (SnapshotError, OutsideReadingError):
            return self
        names = {name for path in guard.taken if (name := name_of(path))}
        files = {name: read for name in sorted(names) if (read := _read_data(name, self.modules))}
        return replace(self, data=files)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the names and sources, and of the data files."""
        return digest_of({**self.modules, **self.data})

    def load(self) -> Pipeline:
        """Run the sources under a new private name; the pipeline is unfitted. See `unload`.

        Whoever can write to the registry decides what runs here: digests protect against damage
        and mistakes, access rights against malice.

        Raises:
            SnapshotError: A module raises when it is imported, or defines no pipeline.
        """
        if not self.data:
            return self._load({})
        if self.folder is not None:
            return self._load_beside(self.folder)
        written = tempfile.TemporaryDirectory(prefix="lockstep-data-")
        for name, content in self.data.items():
            path = Path(written.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            pipeline = self._load_beside(written.name)
        except BaseException:
            written.cleanup()
            raise
        _temporary[pipeline.module.partition(".")[0]] = written
        return pipeline

    def _load_beside(self, folder: str) -> Pipeline:
        return self._load({_top(name): folder for name in self.modules})

    def _load(self, folders: Mapping[str, str]) -> Pipeline:
        elsewhere = {"lockstep": _framework}
        if _framework == "lockstep":  # a version that is served without it carries no guard
            elsewhere["datetime"] = "lockstep.artifacts.watched_datetime"
        modules = ModuleSet(self._root(), self.modules, elsewhere, folders, tuple(self.data))
        try:
            context = OwnContext()
            module = context.load(modules.load, self.module)
            pipeline = _pipeline_in(module, self.module)
            pipeline.graph.context = context
        except Exception as error:
            modules.unload()
            if isinstance(error, SnapshotError | OutsideReadingError):
                raise
            raise SnapshotError(
                f"The stored source of {self.module} does not run here: "
                f"{type(error).__name__}: {error}."
            ) from error
        _running[modules.root] = (self, modules)
        return pipeline

    def _root(self) -> str:
        """The name of a new private package, with the one in which Lockstep itself may run."""
        inside = _framework.rpartition(".")[0]
        return f"_lockstep_{self.digest[:12]}_{next(_numbers)}" + (f"_in{inside}" if inside else "")


_framework = __name__.removesuffix(".artifacts.snapshot")
"""The name under which Lockstep itself runs."""


def unload(pipeline: Pipeline) -> None:
    """Forget the modules of a pipeline that `Snapshot.load` made; leave any other alone.

    Only the caller holds the pipeline then. Do not use it any more: its functions can no longer
    import anything.
    """
    root = pipeline.module.partition(".")[0]
    if known := _running.pop(root, None):
        known[1].unload()
    if written := _temporary.pop(root, None):
        written.cleanup()


def folders_of(pipeline: Pipeline) -> list[str]:
    """The folders of the data files of a pipeline that `Snapshot.load` made."""
    known = _running.get(pipeline.module.partition(".")[0])
    return [] if known is None else sorted({*known[1].folders.values()})


def running_modules(pipeline: Pipeline) -> dict[str, str]:
    """By module of the code of a pipeline that `Snapshot.load` made, the name that it runs under.

    Of any other pipeline there are none.
    """
    known = _running.get(pipeline.module.partition(".")[0])
    if known is None:
        return {}
    source, modules = known
    return {name: modules.private(name) for name in source.modules}


def loaded_modules(pipeline: Pipeline) -> list[ModuleType]:
    """The modules of `running_modules` that have run: some are imported by functions alone."""
    names = running_modules(pipeline).values()
    return [module for name in names if (module := sys.modules.get(name)) is not None]


def digest_of(sources: Mapping[str, str | bytes]) -> str:
    """SHA-256 of modules or other files, by name and content, in any order."""
    digest = hashlib.sha256()
    for name in sorted(sources):
        for content in (name, sources[name]):
            data = content.encode() if isinstance(content, str) else content
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
    return digest.hexdigest()


def source_of(name: str) -> str:
    """Source of an importable module; SnapshotError where it has none, as a compiled extension."""
    spec = module_spec(name)
    source = getattr(spec.loader, "get_source", lambda _: None)(name) if spec else None
    if source is None:
        raise SnapshotError(
            f"{name} has no Python source to store with the version. A pipeline's module is a "
            "file, and so is everything of the project's packages that it imports."
        )
    return str(source).rstrip() + "\n"


def _folders(modules: Iterable[str]) -> dict[str, str]:
    """By top-level package, the folder in which it lies; packages without a file are left out."""
    folders = {}
    for name in modules:
        spec = module_spec(name)
        if spec is not None and spec.has_location and spec.origin is not None:
            depth = name.count(".") + (spec.submodule_search_locations is not None)
            folders[_top(name)] = str(Path(spec.origin).resolve().parents[depth])
    return folders


def _name_of_data(path: str, modules: Mapping[str, str], folders: Mapping[str, str]) -> str | None:
    """The name of a data file in a package of the modules, or beside a module without one."""
    file = Path(path)
    for top, folder in folders.items():
        if file.suffix not in (".py", ".pyc") and file.is_relative_to(folder):
            name = file.relative_to(folder)
            if top in modules and not is_package(top, modules) and len(name.parts) <= 1:
                return name.as_posix()
            if name.parts[:1] == (top,):
                return name.as_posix()
    return None


def _read_data(name: str, modules: Mapping[str, str]) -> bytes | None:
    folders = _folders(modules)
    top = name.partition("/")[0]
    folder = folders.get(top) or next(iter(folders.values()), None)
    path = Path(folder, name) if folder is not None else None
    return path.read_bytes() if path is not None and path.is_file() else None


class _Import(NamedTuple):
    """A name that a module imports, and where."""

    name: str
    by: str
    line: int


def _collect(module: str, packages: set[str]) -> dict[str, str]:
    """The sources of a module and of all that it imports of these packages, parents included."""
    _check_file(module)
    sources: dict[str, str] = {}
    wanted = [_Import(module, module, 0)]
    while wanted:
        wish = wanted.pop()
        name = wish.name
        if name in sources or _top(name) == "lockstep":
            continue
        if _top(name) not in packages:
            _check_installed(wish, frozenset(packages))
            continue
        spec = module_spec(name)
        if spec is None or not spec.has_location:  # a name in a module; a folder of modules
            continue
        sources[name] = source_of(name)
        tree = parse(sources[name])
        _check_loaded(name, tree)
        parts = name.split(".")
        around = (".".join(parts[:count]) for count in range(len(parts) - 1, 0, -1))
        wanted += [_Import(each, name, wish.line) for each in around]
        wanted += _imported(name, sources[name], tree)
    return sources


def _check_file(module: str) -> None:
    spec = module_spec(module)
    if spec is None or spec.origin is None or module == "__main__":
        raise SnapshotError(
            f"The pipeline in {module} has no file, so that no version can carry its source. "
            "Move it to a module of its own, such as transforms/my_pipeline.py."
        )


def _check_installed(wish: _Import, own: frozenset[str]) -> None:
    """Check that what no version carries is installed, as wherever one is served."""
    from lockstep.artifacts.installation import is_installed

    for spec in _specs(wish.name):
        files = [spec.origin] if spec.has_location else spec.submodule_search_locations
        places = [os.path.realpath(str(file)) for file in files or ()]
        if places and not any(is_installed(place, own) for place in places):
            raise SnapshotError(
                f"{wish.by} imports {spec.name} in line {wish.line} ({places[0]}), which is "
                "neither a copy that is installed (an editable installation is none) nor in one of "
                "the project's packages, so that no version would carry it: add packages = "
                f'["{_top(spec.name)}"] to [tool.lockstep] in pyproject.toml, so that versions '
                "carry its source; or install it as a copy (`pip install .`, without `-e`)."
            )


def _specs(name: str) -> Iterator[ModuleSpec]:
    """The specs of a module and of the packages around it, outermost first; none of them is run.

    Of a name in a module, those of the module.
    """
    inside: Any = None
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        around = ".".join(parts[:count])
        module = sys.modules.get(around)
        spec = getattr(module, "__spec__", None) or _found(around, inside)
        if spec is None:
            return
        yield spec
        inside = getattr(module, "__path__", spec.submodule_search_locations)
        if inside is None:
            return


def _found(name: str, inside: Any) -> ModuleSpec | None:
    """The spec of a module in a package's folders, as Python's finders look for it."""
    specs = (finder.find_spec(name, inside) for finder in sys.meta_path)
    return next((spec for spec in specs if spec is not None), None)


def module_spec(name: str) -> ModuleSpec | None:
    """The spec of a module, which is not run; only the packages around it are."""
    module = sys.modules.get(name)
    if module is not None and module.__spec__ is not None:
        return module.__spec__
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # not in a package; no spec, as `__main__`
        return None


def _top(name: str) -> str:
    return name.partition(".")[0]


def _imported(name: str, source: str, tree: ast.Module) -> Iterator[_Import]:
    """What a source imports anywhere, which may be modules."""
    spec = module_spec(name)
    is_package = spec is not None and spec.submodule_search_locations is not None
    package = name if is_package else name.rpartition(".")[0]
    for node in _nodes_of_imports(source, tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _Import(alias.name, name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield _Import(base, name, node.lineno)
            for alias in node.names:
                yield _Import(f"{base}.{alias.name}", name, node.lineno)


def _nodes_of_imports(source: str, tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes of the statements whose text mentions an import: most are skipped at once."""
    lines = source.split("\n")
    for statement in tree.body:
        if "import" in "".join(lines[statement.lineno - 1 : statement.end_lineno]):
            yield from ast.walk(statement)


def _check_loaded(name: str, tree: ast.Module) -> None:
    """Check that the loaded functions are those of the file, which may have been edited since."""
    module = sys.modules.get(name)
    if module is None:
        return
    code = compile(tree, name, "exec", dont_inherit=True)
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
