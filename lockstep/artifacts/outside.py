"""What a pipeline's code reads from outside, recorded while it is imported and computes.

Files, environment variables, the network and other programs may be different wherever a version is
served: they are no part of it. Most of it shows in Python's audit events (PEP 578), environment
variables in the object that holds them, and files that libraries open by themselves in the
functions that do so (`lockstep.artifacts.readers`). Only what the pipeline's own modules do counts,
by themselves, in their threads or by what they call. What a library reads for itself, such as its
settings or the time zones, belongs to the environment, which is compared separately.
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
"""Audit events that read something outside, and the argument that names it."""
_IMPORTS = ("importlib", "_frozen_importlib", "zipimport")
_RUNNING = (
    *("load_module", "_load_module_shim", "_check_name_wrapper", "_load", "_load_unlocked"),
    *("_exec", "exec_module", "_call_with_frames_removed", "get_code", "get_source", "get_data"),
)
"""Functions of these modules that run a file on behalf of their caller, or import it."""
_TARGETS = ("threading", "concurrent.futures.thread")
"""Modules whose functions `run` call the target of a thread."""
_BETWEEN = (
    *("os", "_collections_abc", "collections.abc", "posixpath", "ntpath", "genericpath"),
    *("pathlib", "pathlib._local", "getpass", "locale", "tempfile", "platform", "subprocess"),
    *("multiprocessing.context", "multiprocessing.process"),
    *("psutil", "psutil._common", "psutil._pslinux"),
    *("ctypes", "numpy.ctypeslib", "numpy.ctypeslib._ctypeslib"),
    *(__name__, __name__.replace("outside", "circumstances")),
)
"""Modules between the code that asks for something and the object that has it."""
_RESOLVING = ("resolve", "realpath")
"""Functions that look at files to resolve a path; that is no reading."""
_SYSTEM = ("/dev/", "/proc/", "/sys/", "/etc/localtime")
_TELLING = ("/proc/", "/sys/", "/dev/random", "/dev/urandom")
"""Files of the system with facts of the machine and the process, or random data."""
_OF_MACHINE = ("lscpu", "sysctl")
"""Programs by which joblib counts the processor's cores for scikit-learn (`loky.cpu_count`)."""
_IN_MEMORY = "/dev/shm/"
"""Ordinary files that are kept in memory."""
_ALL = "(all of them)"
"""Name of the variables where code goes through all of them."""
_MOST = 50
"""Readings that are kept."""


_FILE = (
    "Put it beside the module, in a package of the project's, and have the module read it when it "
    "is imported, by its own place: `Path(__file__).with_name(...)`; then a version carries it. Or "
    "have upstream deliver its content as a field."
)
_FIELD = "Have upstream deliver its answer as a field of the record."
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
        what: The kind of thing.
        name: Its name: a path, a variable, an address, a command.
        where: The line that read it, such as `transforms/flights.py:12`.
        function: The function around that line; empty at a module's top level.
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
        """The code that read it, in words."""
        return (
            f"{self.function} ({self.where})" if self.function else f"{self.where}, when imported,"
        )

    @property
    def told(self) -> str:
        """What that code did, in words."""
        kinds = {"variable": "environment variable"}
        verbs = {"program": "runs the", "module": "imports by its name the"}
        verbs |= dict.fromkeys(("network", "system"), "asks the")
        verb = verbs.get(self.what, "reads the")
        return f"{verb} {kinds.get(self.what, self.what)} {self.name}"

    def __str__(self) -> str:
        return f"{self.by} {self.told}"


@contextmanager
def watching() -> Iterator[list[Reading]]:
    """Record what the code of versions reads from outside in this thread.

    Yields:
        The distinct readings; empty until the context ends.
    """
    _install()
    noted: dict[Reading, None] = {}
    before = getattr(_watch, "readings", None)
    _watch.readings = noted
    readings: list[Reading] = []
    with _objects_watched():
        try:
            yield readings
        finally:
            _watch.readings = before
            readings += noted


_watch = threading.local()
"""The `readings` of this thread; and, where a watched one started it, the frame `by` which."""
_lock = threading.Lock()
_watchers: list[None] = []
"""An item for each watcher."""


@cache
def _install() -> None:
    """Ask Python for its audit events, once and for good."""
    sys.addaudithook(_audit)


def _audit(
    event: str,
    args: tuple[Any, ...],
    events: Mapping[str, tuple[What, Callable[[tuple[Any, ...]], Any]]] = _EVENTS,
    watch: threading.local = _watch,
) -> None:
    """Note what watched code does; `events` and `watch` outlast this module at exit."""
    if event not in events or getattr(watch, "readings", None) is None:
        return
    what, name_of = events[event]
    name = name_of(args)
    if event == "ctypes.dlopen":
        _note_asked(what, name)  # threadpoolctl opens all loaded libraries, wherever they lie
    elif what in ("file", "folder"):
        _note_file(what, name, sys._getframe(1))
    elif what == "program" and str(name).rpartition(os.sep)[-1] in _OF_MACHINE:
        _note_asked(what, name)  # libraries look at what the processor can do
    else:
        _note(what, name, _user_frame(sys._getframe(1)))


def _note_file(what: What, given: Any, frame: FrameType) -> None:
    """Note a file or folder that is opened on behalf of a version's own code."""
    name = _path(given)
    if name is None:
        return
    if name.startswith(_TELLING):  # libraries look at what the processor can do
        _note_asked("system", f"for {name}")
    if not _belongs_to_environment(name):
        _note(what, name, _user_frame(frame))


@contextmanager
def _objects_watched() -> Iterator[None]:
    """Replace the objects for which Python has no audit events by ones that note their use.

    They hold the environment variables, import by a name, start a thread, or are functions of
    libraries that open files by themselves. All are restored when the last watcher ends.
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
"""The attributes that are replaced while anybody watches: owner, name, and original value."""


def _import_module(name: str, package: str | None = None) -> ModuleType:
    """`importlib.import_module`, noting modules of which a version would not get its own copy."""
    frame = _user_frame(sys._getframe(1))
    full = importlib.util.resolve_name(name, package) if name.startswith(".") else name
    if frame is not None and is_of_running_set(full, _module(frame)):
        _note("module", full, frame)
    return _plain_import(name, package)


def _start(thread: threading.Thread) -> None:
    """`threading.Thread.start`, watching the new thread too."""
    readings = getattr(_watch, "readings", None)
    if readings is not None:
        by, run = _user_frame(sys._getframe(1)), thread.run

        def watched() -> None:
            _watch.readings, _watch.by = readings, by
            run()

        thread.run = watched  # type: ignore[method-assign]
    _plain_start(thread)


def _telling(function: Callable[..., Any], owner: Any, parameter: str) -> Callable[..., Any]:
    """A function that opens a file by itself, noting on whose behalf."""
    place = int(isinstance(owner, type))

    @wraps(function)
    def telling(*args: Any, **options: Any) -> Any:
        if getattr(_watch, "readings", None) is not None:
            given = args[place] if len(args) > place else options.get(parameter)
            for file in given if isinstance(given, list | tuple) else [given]:
                _note_file("file", file, sys._getframe(1))
        return _read_by(function, *args, **options)

    return telling


def _read_by(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a library's function: compiled code has no frame of its own that marks what it reads."""
    return function(*args, **options)


_Plain = type(os.environ)
_VARIABLES: tuple[Any, ...] = (os.environ, *([os.environb] if os.supports_bytes_environ else []))
"""The objects that hold the environment variables, as texts and as bytes."""


class _Environ(_Plain):  # type: ignore[misc, valid-type]
    """The environment variables, noting who reads them."""

    def __getitem__(self, key: Any) -> Any:
        _note_asked("variable", os.fsdecode(key))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        _note_asked("variable", _ALL)
        yield from super().__iter__()


def noting(
    what: What, function: Callable[..., Any], name: str | Callable[..., Any]
) -> Callable[..., Any]:
    """A function that notes the calls by a version's own code.

    Args:
        what: The kind of thing that it reads.
        function: The function.
        name: The name of the reading, or a function of the arguments that gives it.
    """

    def noted(*args: Any, **options: Any) -> Any:
        _note_asked(what, name if isinstance(name, str) else name(*args, **options))
        return function(*args, **options)

    return noted


def _note_asked(what: What, name: Any) -> None:
    """Note what a version's own code asks for, not what a library asks for."""
    if getattr(_watch, "readings", None) is None:
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
    """Whether code only hands on what is asked for, as all of Python's own does with variables."""
    module = _module(frame)
    if module in _BETWEEN:
        return True
    top = module.partition(".")[0]
    is_pythons = top in sys.stdlib_module_names and top not in _IMPORTS
    return what == "variable" and is_pythons and module not in _TARGETS


def _note(what: What, name: Any, frame: FrameType | None) -> None:
    readings: dict[Reading, None] | None = getattr(_watch, "readings", None)
    if frame is None or readings is None or len(readings) >= _MOST:
        return
    code = frame.f_code
    where = f"{'/'.join(code.co_filename.replace(chr(92), '/').split('/')[-2:])}:{frame.f_lineno}"
    function = "" if code.co_name == "<module>" else code.co_name
    reading = Reading(what, str(name), where, function)
    if what != "variable" or replace(reading, name=_ALL) not in readings:
        readings[reading] = None


def _user_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of a version's own code, if it is to blame for what happens.

    In a thread without such a frame, it is the frame that started the thread.
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
    """Whether a module is a version's own, running under a private name."""
    return module.startswith("_lockstep_") and "." in module


def _path(given: Any) -> str | None:
    """The real path of a file; None for one that is open already."""
    if not isinstance(given, str | bytes | os.PathLike):
        return None
    path = os.fsdecode(given)
    if path.startswith("file:"):
        path = urlsplit(path).path or ":memory:"
    return None if path.startswith(":memory:") or not path else os.path.realpath(path)


def _library(given: Any) -> Any:
    """The path of a compiled library; None if the system finds it by its name."""
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
