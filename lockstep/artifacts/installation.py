"""What belongs to an installation: files of Python, of installed libraries and of the system."""

from __future__ import annotations

import csv
import importlib.util
import os
import re
import site
import sys
import sysconfig
import tempfile
import zoneinfo
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

from lockstep.artifacts.distributions import distributions

_SHARED = (
    *("/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/fontconfig", "/etc/fonts"),
    *("/usr/share/locale", "/usr/share/i18n", "/usr/lib/locale", "/etc/localtime"),
    *("/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates"),
)
"""Fonts, languages, time and certificates of the system, which libraries share."""
_SYSTEM = ("/dev/", "/proc/", "/sys/", "/etc/mime.types", "/etc/os-release", "/usr/lib/os-release")
_IN_MEMORY = "/dev/shm/"
"""Ordinary files that are kept in memory."""
_WRITTEN = re.compile(r"\.pyc\.\d+\Z")
"""End of the name under which Python writes a compiled module before it is complete."""
_DESCRIPTIONS = (".dist-info", ".egg-info")
"""Ends of folders in which an installed distribution is described."""


def is_installed(path: str, own: frozenset[str]) -> bool:
    """Whether a file or folder is Python's, an installed library's, or shared by libraries.

    It lies where Python and its libraries are installed, or beside the record of its distribution
    (`pip install --target`). What an editable installation or a link leads to is a checkout, and
    none, as is all that the distributions of the project's `own` packages installed.
    """
    path = _source(path)
    folder, top = _import_folder(path, tuple(sys.path))
    if f"{path}/".startswith(_roots()):
        return top not in _installed_with(own)
    if any(part.endswith(_DESCRIPTIONS) for part in Path(path).parts[-3:]):
        return True
    return path in _recorded(folder, own)


def installed_places() -> set[str]:
    """Folders and files of Python, of libraries and of what they share."""
    recorded = (entry for entry in sys.path if any(Path(entry).glob("*.dist-info")))
    return {root.rstrip("/") for root in _roots()} | {*map(os.path.realpath, recorded)}


def is_systems(path: str) -> bool:
    """Whether a file holds facts of the machine or the process, or random data."""
    return path.startswith(_SYSTEM) and not path.startswith(_IN_MEMORY)


def is_temporary(path: str) -> bool:
    """Whether a file or folder lies where programs keep what they need for a while."""
    places = (os.path.realpath(tempfile.gettempdir()) + "/", "/tmp/", _IN_MEMORY)
    return f"{path}/".startswith(places)


def _source(path: str) -> str:
    """The source of a compiled module, or of one that is just written; any other path as it is."""
    compiled = _WRITTEN.sub(".pyc", path)
    try:
        return importlib.util.source_from_cache(compiled)
    except ValueError:
        return path


@lru_cache(maxsize=4_096)
def _import_folder(path: str, entries: tuple[str, ...]) -> tuple[str, str]:
    """The innermost folder around a file where Python looks for modules, and the file's module.

    Both are empty where there is none; of the module it is the name at the top level.
    """
    folders = {os.path.realpath(entry).rstrip("/") + "/" for entry in entries}
    folder = max((each for each in folders if path.startswith(each)), key=len, default="")
    return folder, path[len(folder) :].partition("/")[0].removesuffix(".py") if folder else ""


@lru_cache(maxsize=64)
def _recorded(folder: str, own: frozenset[str]) -> frozenset[str]:
    """Paths of the files, and the folders around them, that were copied into a folder by pip."""
    paths: set[str] = set()
    for distribution in metadata.distributions(path=[folder]) if folder else ():
        if distribution.name not in _installers(own):
            for name, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
                file = Path(os.path.normpath(folder + name))
                paths |= {
                    str(path) for path in (file, *file.parents) if len(str(path)) > len(folder)
                }
    return frozenset(paths)


@cache
def _roots() -> tuple[str, ...]:
    """The folders of Python, of libraries and of what they share."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    users = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    lockstep = str(Path(__file__).parents[1])
    libraries = (sysconfig.get_path(name) for name in names)
    shared = {*zoneinfo.TZPATH, *_SHARED}
    places = {*libraries, *site.getsitepackages(), users, lockstep, *shared}
    return tuple(os.path.realpath(place).rstrip("/") + "/" for place in places if place)


@lru_cache(maxsize=64)
def _installed_with(own: frozenset[str]) -> frozenset[str]:
    """Packages of the project with all that was installed with them, if they were."""
    specs = (importlib.util.find_spec(package) for package in own)
    origins = [os.path.realpath(spec.origin) for spec in specs if spec and spec.origin]
    if not any(origin.startswith(_roots()) for origin in origins):
        return own
    names = _installers(own)
    return own | {top for top, installers in distributions().items() if names & {*installers}}


def _installers(packages: frozenset[str]) -> set[str]:
    """The distributions with which packages are installed."""
    by = distributions()
    return {name for package in packages for name in by.get(package, ())}
