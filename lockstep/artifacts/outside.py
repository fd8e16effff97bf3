"""What a pipeline's code reads from outside, seen while it is imported and computes.

Files, environment variables, the network and other programs may be different wherever a version is
served: what comes from there is no part of it. Python tells of most of it by audit events (PEP
578), of environment variables by the object that holds them, and libraries that open files by
themselves by the functions that do (`lockstep.artifacts.readers`). What counts is what the
pipeline's own modules do, by themselves, in threads of theirs or by what they call; what a library
reads of its own, such as its settings or the time zones, belongs to the environment, which is
compared by itself.
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
from dataclasses import asdict, dataclass, replace
from functools import cache, wraps
from types import FrameType, ModuleType
from typing import Any, Literal
from urllib.parse import urlsplit

from lockstep.artifacts.modules import is_of_running_set
from lockstep.artifacts.readers import readers

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
    "os.fork": ("program", lambda args: "that it becomes itself, by a fork"),
    "ctypes.dlopen": ("file", lambda args: _library(args[0])),
}
"""Audit events that tell of something outside, and what of their arguments names it."""
_IMPORTS = ("importlib", "_frozen_importlib", "zipimport")
_RUNNING = (
    *("load_module", "_load_module_shim", "_check_name_wrapper", "_load", "_load_unlocked"),
    *("_exec", "exec_module", "_call_with_frames_removed", "get_code", "get_source", "get_data"),
)
"""Functions of these modules by which a file is run as whoever calls them says, or is imported."""
_TARGETS = ("threading", "concurrent.futures.thread")
"""Modules whose functions `run` call what somebody gave to a thread."""
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
    "subprocess",
    "ctypes",
    "numpy.ctypeslib",
    "numpy.ctypeslib._ctypeslib",
    __name__,
    __name__.replace("outside", "circumstances"),
)
"""Modules between whoever asks for something and what knows it, such as the variables."""
_RESOLVING = ("resolve", "realpath")
"""Functions that look at files to tell where a path leads, which is no part of what is read."""
_SYSTEM = ("/dev/", "/proc/", "/sys/", "/etc/localtime")
_TELLING = ("/proc/", "/sys/", "/dev/random", "/dev/urandom")
"""Those of the system that tell of the machine and the process, or draw at chance."""
_OF_MACHINE = ("lscpu", "sysctl")
"""Programs by which joblib counts the processor's cores for scikit-learn (`loky.cpu_count`)."""
_IN_MEMORY = "/dev/shm/"
"""Files as any others, which are kept in memory."""
_ALL = "(all of them)"
"""Name of the variables where somebody goes through them."""
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
"""What this thread has `found`; and, where another one started it for that, `by` which frame."""
_lock = threading.Lock()
_watchers: list[None] = []
"""One for each that watches now."""


@cache
def _install() -> None:
    """Ask Python for its audit events, once and for good; a thread that watches nothing is left."""
    sys.addaudithook(_audit)


def _audit(
    event: str,
    args: tuple[Any, ...],
    events: Mapping[str, tuple[What, Callable[[tuple[Any, ...]], Any]]] = _EVENTS,
    watch: threading.local = _watch,
) -> None:
    """Note what the code does that is watched; `events` and `watch` outlast this module at exit."""
    if event not in events or getattr(watch, "found", None) is None:
        return
    what, name_of = events[event]
    name = name_of(args)
    if event == "ctypes.dlopen":
        _note_asked(what, name)  # threadpoolctl opens all that are loaded, wherever they lie
    elif what in ("file", "folder"):
        _note_file(what, name, sys._getframe(1))
    elif what == "program" and str(name).rpartition(os.sep)[-1] in _OF_MACHINE:
        _note_asked(what, name)  # libraries look at the processor to see what it can do
    else:
        _note(what, name, _user_frame(sys._getframe(1)))


def _note_file(what: What, given: Any, frame: FrameType) -> None:
    """Note a file or folder that is opened on behalf of a version's own code."""
    name = _path(given)
    if name is None:
        return
    if name.startswith(_TELLING):  # libraries look at the processor to see what it can do
        _note_asked("system", f"for {name}")
    if not _belongs_to_environment(name):
        _note(what, name, _user_frame(frame))


@contextmanager
def _objects_watched() -> Iterator[None]:
    """Have those tell who uses them of which Python tells nothing.

    They are what holds the environment variables, what imports by a name, what starts a thread, and
    the functions of libraries that open files by themselves. Whatever happens meanwhile, all of
    them are what they were once nobody watches any more.
    """
    with _lock:
        _watchers.append(None)
    try:
        with _lock:
            if not _replaced:
                _put_in_place()
        yield
    finally:
        with _lock:
            _watchers.pop()
            while _replaced and not _watchers:
                setattr(*_replaced.pop())


def _put_in_place() -> None:
    for held in _VARIABLES:
        _replace(held, "__class__", _Environ)
    _replace(importlib, "import_module", _import_module)
    _replace(threading.Thread, "start", _start)
    for owner, name, parameter in readers():
        _replace(owner, name, _telling(getattr(owner, name), owner, parameter))


def _replace(owner: Any, name: str, by: Any) -> None:
    _replaced.append((owner, name, getattr(owner, name)))
    setattr(owner, name, by)


_plain_import = importlib.import_module
_plain_start = threading.Thread.start
_replaced: list[tuple[Any, str, Any]] = []
"""What others are in the place of while somebody watches: of what, by which name, and what."""


def _import_module(name: str, package: str | None = None) -> ModuleType:
    """`importlib.import_module`, telling of modules that a version would not get of its own."""
    frame = _user_frame(sys._getframe(1))
    full = importlib.util.resolve_name(name, package) if name.startswith(".") else name
    if frame is not None and is_of_running_set(full, _module(frame)):
        _note("module", full, frame)
    return _plain_import(name, package)


def _start(thread: threading.Thread) -> None:
    """`threading.Thread.start`: what is seen in this thread is seen in the new one as well."""
    found = getattr(_watch, "found", None)
    if found is not None:
        by, run = _user_frame(sys._getframe(1)), thread.run

        def watched() -> None:
            _watch.found, _watch.by = found, by
            run()

        thread.run = watched  # type: ignore[method-assign]
    _plain_start(thread)


def _telling(function: Callable[..., Any], owner: Any, parameter: str) -> Callable[..., Any]:
    """A function that opens a file by itself, telling of whose behalf that is."""
    place = int(isinstance(owner, type))

    @wraps(function)
    def telling(*args: Any, **options: Any) -> Any:
        if getattr(_watch, "found", None) is not None:
            given = args[place] if len(args) > place else options.get(parameter)
            for one in given if isinstance(given, list | tuple) else [given]:
                _note_file("file", one, sys._getframe(1))
        return _read_by(function, *args, **options)

    return telling


def _read_by(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What a library's own function reads: compiled, it has no frame that tells what it asks."""
    return function(*args, **options)


_Plain = type(os.environ)
_VARIABLES: tuple[Any, ...] = (os.environ, *([os.environb] if os.supports_bytes_environ else []))
"""What holds the environment variables, as texts and as bytes."""


class _Environ(_Plain):  # type: ignore[misc, valid-type]
    """The environment variables, telling of who reads them."""

    def __getitem__(self, key: Any) -> Any:
        _note_asked("variable", os.fsdecode(key))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        _note_asked("variable", _ALL)
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
    while frame is not None and _is_between(what, frame):
        if frame.f_code.co_name in _RESOLVING or frame.f_code is _read_by.__code__:
            return
        frame = frame.f_back
    if frame is not None and frame.f_code.co_name == "run" and _module(frame) in _TARGETS:
        frame = getattr(_watch, "by", None)
    if what == "file" and ((name := _path(name)) is None or _belongs_to_environment(name)):
        return
    if frame is not None and _is_users(_module(frame)):
        _note(what, name, frame)


def _is_between(what: What, frame: FrameType) -> bool:
    """Whether code only hands on what is asked for; of variables, all of Python's own does."""
    module = _module(frame)
    if module in _BETWEEN:
        return True
    top = module.partition(".")[0]
    is_pythons = top in sys.stdlib_module_names and top not in _IMPORTS
    return what == "variable" and is_pythons and module not in _TARGETS


def _note(what: What, name: Any, frame: FrameType | None) -> None:
    found: dict[Reading, None] | None = getattr(_watch, "found", None)
    if frame is None or found is None or len(found) >= _MOST:
        return
    code = frame.f_code
    where = f"{'/'.join(code.co_filename.replace(chr(92), '/').split('/')[-2:])}:{frame.f_lineno}"
    function = "" if code.co_name == "<module>" else code.co_name
    reading = Reading(what, str(name), where, function)
    if what != "variable" or replace(reading, name=_ALL) not in found:
        found[reading] = None


def _user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of a version's own code, if what happens does so on its behalf.

    In a thread of its own that is where it was started, if there is none in it.
    """
    while frame is not None:
        module = _module(frame)
        if _is_users(module):
            return frame
        top = module.partition(".")[0]
        is_import = top in _IMPORTS and frame.f_code.co_name not in _RUNNING
        is_ours = top == "lockstep" and module != __name__
        if is_import or is_ours or module.startswith("linecache"):
            return None
        frame = frame.f_back
    by: FrameType | None = getattr(_watch, "by", None)
    return by


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
    if path.startswith("file:"):
        path = urlsplit(path).path or ":memory:"
    return None if path.startswith(":memory:") or not path else os.path.realpath(path)


def _library(given: Any) -> Any:
    """A compiled library by its path; None for one that the system finds by its name."""
    is_path = isinstance(given, str | bytes | os.PathLike) and os.sep in os.fsdecode(given)
    return given if is_path else None


def _belongs_to_environment(path: str) -> bool:
    """Whether a file is Python's, an installed library's or the system's own."""
    is_system = path.startswith(_SYSTEM) and not path.startswith(_IN_MEMORY)
    return is_system or path.startswith(_installed())


@cache
def _installed() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    libraries = (sysconfig.get_path(name) for name in names)
    places = {*libraries, *site.getsitepackages(), *zoneinfo.TZPATH}
    return tuple(os.path.realpath(place).rstrip("/") + "/" for place in places if place)
