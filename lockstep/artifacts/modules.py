"""Python modules run from their sources under a private name.

So any number of versions, each with its own code, live in one process: the private package leaves
`sys.modules["transforms.flight_delay"]` alone. An import of the set's top-level packages gets the
set's own copy; every other one is as usual. This file imports only the standard library: the
`python_function` of a version runs it where Lockstep is not installed.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import os
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

_running: dict[str, ModuleSet] = {}
"""By private package, the set whose modules can be imported."""
_lock = threading.Lock()


@dataclass(frozen=True)
class ModuleSet:
    """Modules that run under a private package."""

    root: str  # name of the private package, unique in the process
    sources: Mapping[str, str]  # by original name
    # By name of another package, the one that is imported in its place.
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    # By top-level package or module, the folder that its `__file__` names, so that it finds the
    # data files beside it; without one, the file is nowhere on disk.
    folders: Mapping[str, str] = field(default_factory=dict)
    data: Collection[str] = ()  # files that the modules may read, by their paths in these folders

    @cached_property
    def packages(self) -> frozenset[str]:
        """The set's top-level packages: its modules import nothing of these from elsewhere."""
        return frozenset(name.partition(".")[0] for name in self.sources)

    def load(self, name: str) -> ModuleType:
        """Run a module, by its original name, and those that it imports, unless they have run."""
        with _lock:
            _running.setdefault(self.root, self)
            if _finder not in sys.meta_path:
                sys.meta_path.insert(0, _finder)
        return importlib.import_module(self.private(name))

    def unload(self) -> None:
        """Forget the modules; objects that are still held can go on, but import nothing more."""
        with _lock:
            _running.pop(self.root, None)
            if not _running and _finder in sys.meta_path:
                sys.meta_path.remove(_finder)
            for name in list(sys.modules):  # other threads may import something meanwhile
                if name.partition(".")[0] == self.root:
                    del sys.modules[name]
            for file in map(self.file, self.sources):
                linecache.cache.pop(file, None)

    def private(self, name: str) -> str:
        """The name under which a module of the set runs."""
        return f"{self.root}.{name}"

    def file(self, name: str) -> str:
        """The `__file__` of a module."""
        folder = self.folders.get(name.partition(".")[0], self.root)
        end = "/__init__.py" if is_package(name, self.sources) else ".py"
        return f"{folder}/{name.replace('.', '/')}{end}"

    def carries(self, path: str) -> bool:
        """Whether a real path is a module or data file of the set, or a folder of these."""
        is_inside = any(f"{path}/".startswith(f"{folder}/") for folder in self._places)
        return is_inside and any(f"{file}/".startswith(f"{path}/") for file in self._files)

    @cached_property
    def _places(self) -> frozenset[str]:
        return frozenset(map(os.path.realpath, self.folders.values()))

    @cached_property
    def _files(self) -> frozenset[str]:
        """Real paths of the modules and data files that lie on disk."""
        names = {self.file(name) for name in self.sources if name.partition(".")[0] in self.folders}
        names |= {f"{folder}/{name}" for folder in self.folders.values() for name in self.data}
        return frozenset(map(os.path.realpath, names))

    def place(self, name: str) -> str:
        """The name under which an import of this name by the set's code is looked up."""
        top, dot, rest = name.partition(".")
        if top in self.packages:
            return self.private(name)
        return f"{self.elsewhere.get(top, top)}{dot}{rest}"


def running() -> list[ModuleSet]:
    """The sets whose modules can be imported."""
    return list(_running.values())


def is_package(name: str, sources: Mapping[str, str]) -> bool:
    """Whether there are modules below this name."""
    return any(other.startswith(f"{name}.") for other in sources)


class _ModuleSetFinder(importlib.abc.MetaPathFinder):
    """Finds the modules of the sets that run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        root, _, name = fullname.partition(".")
        modules = _running.get(root)
        if modules is None:
            return None
        if name in modules.sources:
            return importlib.util.spec_from_loader(fullname, _SourceLoader(modules, name))
        if not name or is_package(name, modules.sources):
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        return None


_finder = _ModuleSetFinder()


class _SourceLoader(importlib.abc.ExecutionLoader):
    """Runs one module of a set; its imports see the set's other modules first.

    `inspect` and tracebacks get the source from it, since the file is nowhere on disk.
    """

    def __init__(self, modules: ModuleSet, name: str) -> None:
        self.modules = modules
        self.name = name

    def is_package(self, fullname: str) -> bool:
        return is_package(self.name, self.modules.sources)

    def get_source(self, fullname: str) -> str:
        return self.modules.sources[self.name]

    def get_filename(self, fullname: str) -> str:
        return self.modules.file(self.name)

    def get_data(self, path: str) -> bytes:
        """A data file, for `pkgutil.get_data`."""
        return Path(path).read_bytes()

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {
            **vars(builtins),
            "__import__": _importer(self.modules, self.name, self.is_package(module.__name__)),
        }
        super().exec_module(module)


def _importer(modules: ModuleSet, name: str, is_package: bool) -> Any:
    """What `import` does in a module of a set (see `builtins.__import__`)."""
    package = name if is_package else name.rpartition(".")[0]

    def __import__(  # noqa: N807  stands in for the built-in
        wanted: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level:
            wanted = importlib.util.resolve_name("." * level + wanted, package)
        target = modules.place(wanted)
        if target == wanted:
            return builtins.__import__(wanted, globals, locals, fromlist or (), 0)
        if fromlist:
            return builtins.__import__(target, fromlist=fromlist)
        importlib.import_module(target)
        return importlib.import_module(modules.place(wanted.partition(".")[0]))

    return __import__
