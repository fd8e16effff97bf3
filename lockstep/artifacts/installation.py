"""What belongs to an installation: files of Python, of installed libraries and of the system."""

from __future__ import annotations

import importlib.util
import os
import site
import sys
import sysconfig
import tempfile
import zoneinfo
from functools import cache, lru_cache
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
_DESCRIPTIONS = (".dist-info", ".egg-info")
"""Ends of folders in which an installed distribution is described."""


def is_installed(path: str, own: frozenset[str]) -> bool:
    """Whether a file or folder is Python's, an installed library's, or shared by libraries.

    Args:
        path: Its real path.
        own: Top-level packages of the project, which may be installed too: they are none of it,
            with all that is installed by the same distribution.
    """
    top = _top_level(path, tuple(sys.path))
    if f"{path}/".startswith(_roots(sys.pycache_prefix)):
        return top not in _installed_with(own)
    if any(part.endswith(_DESCRIPTIONS) for part in Path(path).parts[-3:]):
        return True
    by = distributions()
    top = top or _loaded_from(path)
    if any(Path(root, top).exists() for root in _roots(sys.pycache_prefix)):
        return False  # what is installed of this name lies there
    return top in by and _installers(own).isdisjoint(by[top])


def is_systems(path: str) -> bool:
    """Whether a file holds facts of the machine or the process, or random data."""
    return path.startswith(_SYSTEM) and not path.startswith(_IN_MEMORY)


def is_temporary(path: str) -> bool:
    """Whether a file or folder lies where programs keep what they need for a while."""
    places = (os.path.realpath(tempfile.gettempdir()) + "/", "/tmp/", _IN_MEMORY)
    return f"{path}/".startswith(places)


@lru_cache(maxsize=4_096)
def _top_level(path: str, entries: tuple[str, ...]) -> str:
    """The top-level module to which a file belongs, by where Python looks for modules."""
    folders = {os.path.realpath(entry).rstrip("/") + "/" for entry in entries}
    folder = max((each for each in folders if path.startswith(each)), key=len, default=None)
    return path[len(folder) :].partition("/")[0].removesuffix(".py") if folder is not None else ""


def _loaded_from(path: str) -> str:
    """The loaded package around a file that lies where Python does not look by itself."""
    for name, module in list(sys.modules.items()):
        for place in getattr(module, "__path__", None) or () if "." not in name else ():
            if path.startswith(os.path.realpath(place) + "/"):
                return name
    return ""


@cache
def _roots(compiled: str | None) -> tuple[str, ...]:
    """The folders of Python, of libraries and of what they share, and of compiled modules."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    users = site.getusersitepackages() if site.ENABLE_USER_SITE else None
    lockstep = str(Path(__file__).parents[1])
    libraries = (sysconfig.get_path(name) for name in names)
    shared = {*zoneinfo.TZPATH, *_SHARED}
    places = {*libraries, *site.getsitepackages(), users, compiled, lockstep, *shared}
    return tuple(os.path.realpath(place).rstrip("/") + "/" for place in places if place)


@lru_cache(maxsize=64)
def _installed_with(own: frozenset[str]) -> frozenset[str]:
    """Packages of the project with all that was installed with them, if they were."""
    specs = (importlib.util.find_spec(package) for package in own)
    origins = [os.path.realpath(spec.origin) for spec in specs if spec and spec.origin]
    if not any(origin.startswith(_roots(sys.pycache_prefix)) for origin in origins):
        return own
    names = _installers(own)
    return own | {top for top, installers in distributions().items() if names & {*installers}}


def _installers(packages: frozenset[str]) -> set[str]:
    """The distributions with which packages are installed."""
    by = distributions()
    return {name for package in packages for name in by.get(package, ())}
