"""The closure of a version's code: installed packages that decide values as its own modules do.

Of public libraries that Lockstep builds on, the versions tell enough. Of other packages that the
code reaches, the environment of a fit holds the files, of all that they reach in turn, and what
they asked for from outside. Wherever the version computes, these have to be the same.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import FunctionType, ModuleType

from lockstep.artifacts.distributions import (
    distributions,
    imported_distributions,
    imported_tops,
    is_public,
)
from lockstep.artifacts.questions import watching
from lockstep.artifacts.reading_guard import ALL
from lockstep.artifacts.snapshot import Snapshot, loaded_modules, module_spec, unload
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import OutsideReadingError, UnprovenError
from lockstep.parity.environment import (
    COMPILED,
    Closure,
    Environment,
    InstalledPackage,
)
from lockstep.parity.golden import GoldenRecords

_CACHED = ".pyc"
_CACHES = "__pycache__"
"""Name of folders of what is computed from sources, by Python and by compilers such as Numba."""
_OF_PROCESS = (
    *("HOME", "PATH", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "TERM", "COLUMNS", "LINES"),
    *("DISPLAY", "TMPDIR", "TEMP", "TMP", "TZ", ALL),
)
_OF_SESSION = ("LANG", "LC_", "PYTHON", "XDG_")
"""Variables, and beginnings of others, that may differ between two processes: the round trip has
other ones, and the environment compares time zone and locale."""
_ABSENT = "none"
_MOST_ANEW = 50
"""Modules of a package that is run anew for each batch."""


def fit_environment(source: Snapshot, golden: GoldenRecords) -> Environment:
    """The environment of a fit, with the closure of its code as it computes golden records."""
    pipeline = source.load()
    try:
        names = _reached(source, pipeline)
    finally:
        unload(pipeline)
    anew = frozenset(filter(_runs_anew, names))
    packages = {name: _package(name, _installers(name), name in anew) for name in names}
    variables, files = _asked(source, golden, names, anew)
    theirs = {name for package in packages.values() for name in package.distributions}
    libraries = {*imported_distributions(source.modules)} - theirs
    return Environment.capture(libraries, Closure(packages, variables, files))


def here(fitted: Environment) -> Environment:
    """This environment, as far as a fit looked at its own."""
    closure = fitted.closure
    if closure is not None:
        closure = Closure(
            {
                name: _package(name, package.distributions, package.runs_anew)
                for name, package in closure.packages.items()
            },
            {name: _variable(name) for name in closure.variables},
            {path: _digest(path) for path in closure.files},
        )
    return Environment.capture(fitted.libraries, closure, fitted.contents)


def demand_code(fitted: Environment, version: int) -> None:
    """Raise UnprovenError, naming the difference, unless the installed code of the fit is here."""
    changed = [difference for difference in fitted.compare(here(fitted)) if difference.is_code]
    if changed:
        raise UnprovenError(
            f"Version {version} would compute with other code here than at the fit: "
            f"{'; '.join(map(str, changed[:4]))}. Install what was installed then, or train and "
            "promote a version anew."
        )


@contextmanager
def running_anew(closure: Closure | None) -> Iterator[None]:
    """Have the packages of a closure run anew when imported, with their state of before any row."""
    packages = closure.packages.items() if closure is not None else ()
    with _imported_anew([name for name, package in packages if package.runs_anew]):
        yield


@contextmanager
def _imported_anew(packages: Collection[str]) -> Iterator[None]:
    before = {name: module for package in packages for name, module in _loaded(package).items()}
    _forget(packages)
    try:
        yield
    finally:
        _forget(packages)
        sys.modules.update(before)
        for package in {*packages} & before.keys():  # a module inside may share a value's name
            around, _, last = package.rpartition(".")
            if around:
                setattr(sys.modules[around], last, before[package])


def _forget(packages: Iterable[str]) -> None:
    for package in packages:
        for name in _loaded(package):
            del sys.modules[name]


def _loaded(package: str) -> dict[str, ModuleType]:
    """A package or module, and those inside it, as far as they have been imported."""
    return {
        name: module
        for name, module in list(sys.modules.items())
        if f"{name}.".startswith(f"{package}.")
    }


def _runs_anew(package: str) -> bool:
    """Whether a package can be imported twice in a process, and at once.

    Few can that hold compiled modules, and few large ones are anything but public libraries.
    """
    modules = _loaded(package)
    _, files = _files(package)
    if len(modules) > _MOST_ANEW or any(file.endswith(COMPILED) for file in files):
        return False
    try:
        with _imported_anew([package]):
            for name in modules:
                importlib.import_module(name)
    except Exception:  # noqa: BLE001 - such as of a name that it registers elsewhere, once
        return False
    return True


def _reached(source: Snapshot, pipeline: Pipeline) -> tuple[str, ...]:
    """Installed packages that code reaches, directly or through others; no public library's."""
    own = {name.partition(".")[0] for name in source.modules}
    waiting = [name for module in loaded_modules(pipeline) for name in _held(module)]
    waiting += [top for text in source.modules.values() for top in imported_tops(text)]
    packages: set[str] = set()
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if top in own or top == "__main__" or top.startswith("_lockstep_") or is_public(top):
            continue
        for package in {*_packages_around(name)} - packages:
            packages.add(package)
            for module in _loaded(package).values():
                tops = (top for top in imported_tops(_source(module)) if top in sys.modules)
                waiting += [*_held(module), *tops]
    return tuple(sorted(packages))


def _held(module: ModuleType) -> Iterator[str]:
    """The modules that a module's values are, or are of."""
    for value in list(vars(module).values()):
        of = value if isinstance(value, type | FunctionType) else type(value)
        name = value.__name__ if isinstance(value, ModuleType) else of.__module__
        if isinstance(name, str):
            yield name


def _packages_around(name: str) -> list[str]:
    """The outermost package with a file around a module; of a mere folder, all that are loaded."""
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        around = ".".join(parts[:count])
        spec = module_spec(around)
        if spec is None:
            return []
        if spec.has_location:
            return [around]
    depth = len(parts) + 1
    inside = {".".join(each.split(".")[:depth]) for each in _loaded(name) if each != name}
    return [package for each in inside for package in _packages_around(each)]


def _source(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return Path(file).read_text(encoding="utf-8") if file and file.endswith(".py") else ""


def _asked(
    source: Snapshot, golden: GoldenRecords, packages: Iterable[str], anew: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Digests of the variables that packages ask for, and of the files that their import reads."""
    # What the code is refused, the checks of training and the round trip tell.
    with (
        suppress(OutsideReadingError),
        _imported_anew(anew),
        watching(packages=frozenset(packages)) as guard,
    ):
        pipeline = source.load()
        try:
            has_outcome = {*pipeline.joint_schema.names} <= golden.records.keys()
            labels = pipeline.graph.labels if has_outcome else ()
            columns = (*pipeline.graph.model_free, *labels)
            golden.bind(pipeline).evaluate(golden.records, columns)
        finally:
            unload(pipeline)
    variables = guard.variables - (os.environ.keys() if ALL in guard.variables else set())
    return (
        {name: _variable(name) for name in sorted(variables) if not _is_of_process(name)},
        {path: _digest(path) for path in sorted(guard.files)},
    )


def _is_of_process(variable: str) -> bool:
    return variable in _OF_PROCESS or variable.startswith(_OF_SESSION)


def _variable(name: str) -> str:
    """A digest of a variable's value, which may be secret."""
    value = os.environ.get(name)
    return _ABSENT if value is None else hashlib.sha256(os.fsencode(value)).hexdigest()


def _installers(package: str) -> tuple[str, ...]:
    return tuple(sorted({*distributions().get(package.partition(".")[0], ())}))


def _package(name: str, installers: Iterable[str], runs_anew: bool) -> InstalledPackage:
    """A package as it is installed now."""
    installed = [found for each in installers if (found := _distribution(each)) is not None]
    recorded = {path: row for each in installed for path, row in _recorded(each)}
    folder, paths = _files(name)
    digests = {
        path.removeprefix(folder): _of_compiled(path, *recorded.get(path, ())) or _digest(path)
        for path in {*paths, *recorded}
    }
    return InstalledPackage(
        distributions=tuple(installers),
        version=", ".join(each.version for each in installed),
        files=_joined({name: of for name, of in digests.items() if not name.endswith(COMPILED)}),
        compiled=_joined({name: of for name, of in digests.items() if name.endswith(COMPILED)}),
        runs_anew=runs_anew,
    )


def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _recorded(distribution: metadata.Distribution) -> Iterator[tuple[str, tuple[str, str]]]:
    """The files that a distribution was installed with, each with its recorded digest and size."""
    folder = os.path.realpath(str(distribution.locate_file("")))
    for row in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
        name, digest, size = (*row, "", "")[:3]
        top = name.partition("/")[0]
        if not name.endswith(_CACHED) and top != ".." and not top.endswith(".dist-info"):
            yield f"{folder}/{name}", (digest, size)


def _files(package: str) -> tuple[str, set[str]]:
    """The folder that a package is imported from, and the real paths of its files."""
    spec = module_spec(package)
    if spec is None or spec.origin is None:
        return "", set()
    origin = Path(os.path.realpath(spec.origin))
    depth = package.count(".") + (spec.submodule_search_locations is not None)
    folder = f"{origin.parents[depth]}/"
    if spec.submodule_search_locations is None:
        return folder, {str(origin)}
    walked = (
        f"{place}/{file}"
        for around in spec.submodule_search_locations
        for place, _, files in os.walk(os.path.realpath(around))
        for file in files
        if not file.endswith(_CACHED) and Path(place).name != _CACHES
    )
    return folder, set(walked)


def _of_compiled(path: str, digest: str = "", size: str = "") -> str | None:
    """The recorded digest of a compiled module of this size; None of other files, which are read.

    Compiled modules are the large ones, and nobody edits them where they are installed.
    """
    is_recorded = digest and path.endswith(COMPILED) and Path(path).exists()
    return digest if is_recorded and str(Path(path).stat().st_size) == size else None


def _digest(path: str) -> str:
    """SHA-256 of a file; a word where there is none that can be read."""
    try:
        state = os.stat(path)  # noqa: PTH116 - a package may have thousands of files
        return _content(path, state.st_size, state.st_mtime_ns)
    except OSError:
        return _ABSENT


@lru_cache(maxsize=65_536)
def _content(path: str, size: int, changed: int) -> str:
    """SHA-256 of a file of that size that was changed at that time, which is read once."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joined(digests: dict[str, str]) -> str:
    """SHA-256 of files by their names and digests; empty of none."""
    if not digests:
        return ""
    lines = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()
