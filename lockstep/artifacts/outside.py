"""What a pipeline's code reads from outside, seen while it is imported and computes.

Files, environment variables, the network and other programs may be different wherever a version is
served: what comes from there is no part of it. Python tells of most of it by audit events (PEP
578), and of environment variables by the object that holds them. What counts is what the
pipeline's own modules do, by themselves or by what they call; what a library reads of its own, such
as its settings or the time zones, belongs to the environment, which is compared by itself.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import site
import sys
import sysconfig
import threading
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from types import FrameType, ModuleType
from typing import Any, Literal

from lockstep.artifacts.modules import is_of_running_set

What = Literal["file", "folder", "variable", "network", "program", "module", "system", "clock"]

_EVENTS: Mapping[str, tuple[What, Callable[[tuple[Any, ...]], Any]]] = {
    "open": ("file", lambda args: args[0]),
    "sqlite3.connect": ("file", lambda args: args[0]),
    "os.listdir": ("folder", lambda args: args[0] or "."),
    "os.scandir": ("folder", lambda args: args[0] or "."),
    "socket.connect": ("network", lambda args: args[1]),
    "socket.getaddrinfo": ("network", lambda args: args[0]),
    "socket.gethostbyname": ("network", lambda args: args[0]),
    "socket.gethostbyaddr": ("network", lambda args: args[0]),
    "socket.gethostname": ("network", lambda args: "this machine's name"),
    "socket.sendto": ("network", lambda args: args[1]),
    "urllib.Request": ("network", lambda args: args[0]),
    "subprocess.Popen": ("program", lambda args: args[0] or args[1]),
    "os.system": ("program", lambda args: args[0]),
    "os.posix_spawn": ("program", lambda args: args[0]),
    "os.exec": ("program", lambda args: args[0]),
}
"""Audit events that tell of something outside, and what of their arguments names it."""
_IMPORTS = ("importlib", "_frozen_importlib", "zipimport")
_BETWEEN = (
    "os",
    "_collections_abc",
    "collections.abc",
    "posixpath",
    "ntpath",
    "genericpath",
    "pathlib",
    "pathlib._local",
    "getpass",
    "locale",
    "tempfile",
    "platform",
    "multiprocessing.context",
    "multiprocessing.process",
    "psutil",
    "psutil._common",
    "psutil._pslinux",
    __name__,
    __name__.replace("outside", "circumstances"),
)
"""Modules between whoever asks for something and what knows it, such as the variables."""
_RESOLVING = ("resolve", "realpath")
"""Functions that look at files to tell where a path leads, which is no part of what is read."""
_SYSTEM = ("/dev/", "/proc/", "/sys/", "/etc/localtime")
_TELLING = ("/proc/", "/sys/", "/dev/random", "/dev/urandom")
"""Those of the system that tell of the machine and the process, or draw at chance."""
_IN_MEMORY = "/dev/shm/"
"""Files as any others, which are kept in memory."""
_MOST = 50
"""Readings that are kept."""


_FILE = (
    "Put it beside the module, in a package of the project's, and have the module read it when it "
    "is imported, by its own place: `Path(__file__).with_name(...)`; then a version carries it. Or "
    "have upstream deliver what it says as a field."
)
_FIELD = "Have upstream deliver what it tells as a field of the record."
_REMEDIES: Mapping[What, str] = {
    "file": _FILE,
    "folder": _FILE,
    "variable": "Write what it decides as a constant into the module, so that another value is "
    "another version; or have upstream deliver it as a field of the record.",
    "network": _FIELD,
    "program": _FIELD,
    "module": "Import it by a statement (`from ... import ...`), so that a version carries it.",
    "system": "Leave it out, or write what it decides as a constant into the module.",
    "clock": "Leave it out, or have upstream deliver the time that counts as a field.",
}


@dataclass(frozen=True)
class Reading:
    """Something that code read from outside.

    Attributes:
        what: What sort of thing it is.
        name: Its name: a path, a variable, an address, a command.
        where: The line that read it, such as `transforms/flights.py:12`.
        function: The function that line is in; empty for one at a module's top level.
    """

    what: What
    name: str
    where: str
    function: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _REMEDIES[self.what]

    def to_json(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)

    def is_in(self, folder: str) -> bool:
        """Whether it is a file or folder in this folder."""
        inside = os.path.realpath(folder)
        return self.what in ("file", "folder") and (self.name + "/").startswith(inside + "/")

    @property
    def by(self) -> str:
        """Who read it."""
        return (
            f"{self.function} ({self.where})" if self.function else f"{self.where}, when imported,"
        )

    @property
    def told(self) -> str:
        """What they did."""
        kinds = {"variable": "environment variable"}
        verbs = {"program": "runs the", "module": "imports by its name the"}
        verbs |= dict.fromkeys(("network", "system"), "asks the")
        verb = verbs.get(self.what, "reads the")
        return f"{verb} {kinds.get(self.what, self.what)} {self.name}"

    def __str__(self) -> str:
        return f"{self.by} {self.told}"


@contextmanager
def watching() -> Iterator[list[Reading]]:
    """See what the code of versions reads from outside, in this thread, as long as this lasts.

    Yields:
        What was read so far, each once.
    """
    _install()
    found: dict[Reading, None] = {}
    before = getattr(_watch, "found", None)
    _watch.found = found
    readings: list[Reading] = []
    with _objects_watched():
        try:
            yield readings
        finally:
            _watch.found = before
            readings += found


_watch = threading.local()
_lock = threading.Lock()
_watchers: list[None] = []
"""One for each that watches now."""


@cache
def _install() -> None:
    """Ask Python for its audit events, once and for good; a thread that watches nothing is left."""
    sys.addaudithook(_audit)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event not in _EVENTS or getattr(_watch, "found", None) is None:
        return
    what, name_of = _EVENTS[event]
    name = name_of(args)
    if what in ("file", "folder"):
        name = _path(name)
        if name is None:
            return
        if name.startswith(_TELLING):  # libraries look at the processor to see what it can do
            _note_asked("system", f"for {name}")
        if _belongs_to_environment(name):
            return
    _note(what, name, _user_frame(sys._getframe(1)))


@contextmanager
def _objects_watched() -> Iterator[None]:
    """Have what holds the environment variables, and what imports by a name, tell who uses it."""
    with _lock:
        _watchers.append(None)
        for held in _VARIABLES:
            held.__class__ = _Environ
        importlib.import_module = _import_module
    try:
        yield
    finally:
        with _lock:
            _watchers.pop()
            if not _watchers:
                importlib.import_module = _plain_import
                for held in _VARIABLES:
                    held.__class__ = _Plain


_plain_import = importlib.import_module


def _import_module(name: str, package: str | None = None) -> ModuleType:
    """`importlib.import_module`, telling of modules that a version would not get of its own."""
    frame = sys._getframe(1)
    full = importlib.util.resolve_name(name, package) if name.startswith(".") else name
    if _is_users(_module(frame)) and is_of_running_set(full, _module(frame)):
        _note("module", full, frame)
    return _plain_import(name, package)


_Plain = type(os.environ)
_VARIABLES: tuple[Any, ...] = (os.environ, *([os.environb] if os.supports_bytes_environ else []))
"""What holds the environment variables, as texts and as bytes."""


class _Environ(_Plain):  # type: ignore[misc, valid-type]
    """The environment variables, telling of who reads them."""

    def __getitem__(self, key: Any) -> Any:
        _note_asked("variable", os.fsdecode(key))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        _note_asked("variable", "(all of them)")
        yield from super().__iter__()


def noting(
    what: What, function: Callable[..., Any], name: str | Callable[..., Any]
) -> Callable[..., Any]:
    """A function that tells of a version's own code that calls it.

    Args:
        what: What it tells of the world.
        function: The function.
        name: What is told then, or how that follows from the arguments.
    """

    def noted(*args: Any, **options: Any) -> Any:
        _note_asked(what, name if isinstance(name, str) else name(*args, **options))
        return function(*args, **options)

    return noted


def _note_asked(what: What, name: Any) -> None:
    """Note what is asked for by code of a version itself, not by a library that it uses."""
    if getattr(_watch, "found", None) is None:
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _module(frame) in _BETWEEN:
        if frame.f_code.co_name in _RESOLVING:
            return
        frame = frame.f_back
    if what == "file" and ((name := _path(name)) is None or _belongs_to_environment(name)):
        return
    if frame is not None and _is_users(_module(frame)):
        _note(what, name, frame)


def _note(what: What, name: Any, frame: FrameType | None) -> None:
    found: dict[Reading, None] | None = getattr(_watch, "found", None)
    if frame is None or found is None or len(found) >= _MOST:
        return
    code = frame.f_code
    where = f"{'/'.join(code.co_filename.replace(chr(92), '/').split('/')[-2:])}:{frame.f_lineno}"
    function = "" if code.co_name == "<module>" else code.co_name
    found[Reading(what, str(name), where, function)] = None


def _user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of a version's own code, if what happens does so on its behalf."""
    while frame is not None:
        module = _module(frame)
        if _is_users(module):
            return frame
        if module.partition(".")[0] in (*_IMPORTS, "lockstep") or module.startswith("linecache"):
            return None
        frame = frame.f_back
    return None


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_users(module: str) -> bool:
    """Whether a module is one of a version's own, which run under a private name."""
    return module.startswith("_lockstep_") and "." in module


def _path(given: Any) -> str | None:
    """Where a file is; None for one that is open already."""
    if not isinstance(given, str | bytes | os.PathLike):
        return None
    path = os.fsdecode(given)
    return None if path.startswith((":memory:", "file:")) else os.path.realpath(path)


def _belongs_to_environment(path: str) -> bool:
    """Whether a file is Python's, an installed library's or the system's own."""
    is_system = path.startswith(_SYSTEM) and not path.startswith(_IN_MEMORY)
    return is_system or path.endswith(".pyc") or path.startswith(_installed())


@cache
def _installed() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    libraries = (sysconfig.get_path(name) for name in names)
    places = {*libraries, *site.getsitepackages(), *zoneinfo.TZPATH}
    return tuple(os.path.realpath(place).rstrip("/") + "/" for place in places if place)
