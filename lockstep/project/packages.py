"""Imports of a project's packages from its folder, whatever else has their names.

Projects in one environment have packages of the same names, such as `transforms`, and a process may
work on several projects in turn (as pytest does). A module of another project with the same name is
put aside, and put back when that project's turn comes again: no module runs twice.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_lock = threading.RLock()
_aside: dict[tuple[str, Path], ModuleType] = {}
"""Modules that were put aside, by name and file (or folder, for a package without one)."""


def enter(root: Path, packages: Iterable[str]) -> None:
    """Let imports find a project's packages; Python finds those that are not in its folder."""
    names = {package.partition(".")[0] for package in packages}
    with _lock:
        for name in [module for module in sys.modules if module.partition(".")[0] in names]:
            _put_aside(name, root)
        _put_first(root)
        _FINDER.root, _FINDER.names = root, names
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
        for name, file in sorted(key for key in _aside if key[1].is_relative_to(root)):
            if name.partition(".")[0] in names and name not in sys.modules:
                _set(name, _aside.pop((name, file)))


def _put_first(root: Path) -> None:
    if sys.path[:1] != [str(root)]:
        sys.path[:] = [str(root), *(path for path in sys.path if path != str(root))]
        importlib.invalidate_caches()


def _put_aside(name: str, root: Path) -> None:
    module = sys.modules[name]
    own, place = _file(name, root), _place(module)
    if own is None or place is None or own == place:
        return
    if own.is_dir() and place.is_dir():
        return  # Python looks in all folders for a package without a file of its own
    _set(name, None)
    _aside[name, place] = module


def _place(module: ModuleType) -> Path | None:
    """A module's file; the first folder of a package without one."""
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return Path(file).resolve() if file is not None else None


def _file(name: str, root: Path) -> Path | None:
    """A project's file for the name of a module, or the folder of a package without one."""
    place = root.joinpath(*name.split("."))
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py"), place):
        if file.exists():
            return file.resolve()
    return None


def _set(name: str, module: ModuleType | None) -> None:
    """Set or remove the module of a name, for `import a.b` and `from a import b`."""
    parent, _, last = name.rpartition(".")
    package = sys.modules.get(parent)
    if module is not None:
        sys.modules[name] = module
        if package is not None:
            setattr(package, last, module)
        return
    removed = sys.modules.pop(name, None)
    if package is not None and vars(package).get(last) is removed:
        delattr(package, last)


class _ProjectFinder(MetaPathFinder):
    """Finds a project's package without `__init__.py` before an installed one with it.

    By default Python prefers the one with it, wherever it lies.
    """

    root = Path()
    names: frozenset[str] | set[str] = frozenset()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or fullname not in self.names or not (self.root / fullname).is_dir():
            return None
        usual = PathFinder.find_spec(fullname)
        if usual is None or usual.origin is None or Path(usual.origin).is_relative_to(self.root):
            return None
        return PathFinder.find_spec(fullname, [str(self.root)])


_FINDER = _ProjectFinder()
