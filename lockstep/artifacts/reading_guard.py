"""The guard: what a pipeline's code may open while it is imported and its columns are computed.

Nothing but modules and files of the installation, and the files that its version carries: all else
may be different where it is served, and is refused with the line that led there. What is opened
decides, not who opens it; only imports of installed libraries and threads that the code has not
started are their own affair. Python tells of it in audit events (PEP 578). This guards against
mistakes. It is no sandbox: code that wants to get around it can.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from lockstep.artifacts.installation import (
    is_installed,
    is_systems,
    is_temporary,
)
from lockstep.artifacts.modules import running
from lockstep.artifacts.outside_readings import Reading, What
from lockstep.errors import OutsideReadingError

_OPENINGS: Mapping[What, str] = {
    "file": "open os.getxattr os.listxattr mmap.__new__ import",
    "folder": "os.listdir os.scandir os.mkdir",
    "library": "ctypes.dlopen ctypes.dlsym",
    "database": "sqlite3 lockstep.query",
    "network": "socket urllib http ftplib imaplib nntplib poplib smtplib telnetlib webbrowser "
    "lockstep.store",
    "program": "subprocess pty os.system os.posix_spawn os.exec os.spawn os.fork os.forkpty",
    "system": "socket.gethostname",
}
"""Audit events by what they open, or whole families of events by what these are about."""
_TRIED = ("socket.__new__", "socket.bind")
"""Events of these families by which libraries only try what this system has."""
_WHAT: Mapping[str, What | None] = {
    **{event: what for what, events in _OPENINGS.items() for event in events.split()},
    **dict.fromkeys(_TRIED),
}
_OF_MACHINE = ("lscpu", "sysctl", "uname", "ldconfig")
"""Programs by which libraries learn what the machine can do, such as joblib its cores."""
_MOST = 50
"""Readings that are kept."""
ALL = "(all of them)"
"""Name of the variables where code goes through all of them."""

_MODULES = (".py", ".pyc", ".so")
_COMPILED = re.compile(r"/__pycache__/([^/.]+)\.[^/]*\.pyc\Z")
_FRESH = os.O_TRUNC | os.O_EXCL
"""Flags of a file that holds nothing of before it is opened."""
_IMPORTS = ("_frozen_importlib", "importlib._bootstrap", "importlib.metadata")
"""Modules that look for modules."""
_TARGETS = ("threading", "concurrent.futures.thread")
"""Modules whose functions `run` call the target of a thread."""
_TELLERS = (
    *("psutil", "numpy.ctypeslib", "lockstep.artifacts.circumstances"),
    *("lockstep.artifacts.questions", __name__),
)
"""Other modules that only hand on what they are asked for, as all of Python's own do."""
_BETWEEN = (
    *("os", "posixpath", "genericpath", "pathlib", "pathlib._local", "pathlib._abc", "getpass"),
    *("locale", "platform", "subprocess", "multiprocessing.context", "multiprocessing.process"),
)
"""Modules of Python's that ask for time and machine on behalf of their callers alone."""
_RESOLVING = ("resolve", "realpath")
"""Functions that look at files to resolve a path; that is no reading."""
_OTHERS = frozenset({("logging", "callHandlers"), ("warnings", "_showwarnmsg")})
"""Functions that work for the process, whoever calls them; and so do finalizers."""


@dataclass(eq=False)
class ReadingGuard:
    """What was done while it was on guard."""

    # Decides of files beyond the carried ones whether they may be read.
    offered: Callable[[str], bool]
    before: frozenset[tuple[int, int, int]]  # what was open before, by descriptor
    noted: dict[Reading, None] = field(default_factory=dict)  # the readings, in order, each once
    taken: set[str] = field(default_factory=set)  # real paths of offered files that were read
    # Temporary files and folders that were made meanwhile.
    made: set[str] = field(default_factory=set)
    packages: frozenset[str] = frozenset()  # installed ones whose own questions are kept
    variables: set[str] = field(default_factory=set)  # environment variables that these asked for
    # Real paths of files that they opened when they were imported.
    files: set[str] = field(default_factory=set)
    is_on: bool = True  # threads may outlast it
    temporary: str | None = None  # folder for temporary files of code; None for the system's

    @property
    def readings(self) -> list[Reading]:
        """What code read from outside, or was refused."""
        return list(self.noted)

    def is_of_packages(self, module: str) -> bool:
        """Whether a module is of a package whose own questions are kept."""
        return any(f"{module}.".startswith(f"{package}.") for package in self.packages)

    def note(self, what: What, name: object, frame: FrameType) -> Reading:
        """Note a reading by a line of a version's own code."""
        code = frame.f_code
        file = "/".join(code.co_filename.replace("\\", "/").split("/")[-2:])
        function = "" if code.co_name == "<module>" else code.co_name
        reading = Reading(what, str(name), f"{file}:{frame.f_lineno}", function)
        is_known = what == "variable" and replace(reading, name=ALL) in self.noted
        if len(self.noted) < _MOST and not is_known:
            self.noted[reading] = None
        return reading


class _GuardedThread(threading.local):
    """What is known of a thread."""

    guard: ReadingGuard | None = None  # None where there is none, or while that is thinking
    by: FrameType | None = None  # the frame of a version's own code that started the thread


_thread = _GuardedThread()


@contextmanager
def guarding(
    offered: Callable[[str], bool] = lambda path: False, packages: frozenset[str] = frozenset()
) -> Iterator[ReadingGuard]:
    """Refuse what the code of versions opens in this thread, and in those that it starts.

    Args:
        offered: Decides of files beyond the carried ones whether they may be read.
        packages: Installed packages whose own questions are kept: they are answered.

    Yields:
        The guard; the one that is on guard already, if any.

    Raises:
        OutsideReadingError: Code was refused something, and failed, by that error or another.
    """
    _install()
    if (above := on_guard()) is not None:
        yield above
        return
    guard = _thread.guard = ReadingGuard(offered, _open_descriptors(), packages=packages)
    try:
        yield guard
    except Exception as error:
        if isinstance(error, OutsideReadingError) or not guard.noted:
            raise
        raise _refusal(guard.readings[0]) from error
    finally:
        guard.is_on, _thread.guard = False, None


def guarded(function: Callable[[], None]) -> Callable[[], None]:
    """A function that runs in another thread under the guard of this one, if there is any."""
    if (guard := on_guard()) is None:
        return function
    by = _user_frame(sys._getframe(1))

    def run() -> None:
        _thread.guard, _thread.by = guard, by
        function()

    return run


def note_asked(what: What, name: Any) -> None:
    """Note what a version's own code asks for, not what a library asks for."""
    if (guard := on_guard()) is None:
        return
    frame = _asker(sys._getframe(1), _hands_on if what == "variable" else _hands_on_facts)
    if frame is None:
        if what == "variable" and _asks_itself(guard, sys._getframe(1)):
            guard.variables.add(os.fsdecode(name))
        return
    _thread.guard = None
    try:
        path = _path(name) if what == "file" else None
        if path is None or not _is_known(guard, path):
            guard.note(what, path or name, frame)
    finally:
        _thread.guard = guard


def on_guard() -> ReadingGuard | None:
    """The guard of this thread; None if there is none."""
    guard = _thread.guard
    return guard if guard is not None and guard.is_on else None


def _user_frame(frame: FrameType | None, *, imports_too: bool = False) -> FrameType | None:
    """The innermost frame of a version's own code that led to a frame, or started its thread.

    None if it is an installed library's own affair, which does something when it is imported
    (that counts with `imports_too`), or the process's, which logs, or clears up after any code.
    """
    while frame is not None:
        module, name = _module_of(frame), frame.f_code.co_name
        if _is_users(module):
            return frame
        if (module, name) in _OTHERS or name == "__del__" or module == "weakref":
            return None
        if name == "<module>" and not imports_too and _is_installed(frame.f_code.co_filename):
            return None
        frame = frame.f_back
    return _thread.by


def _asker(
    frame: FrameType | None, hands_on: Callable[[str], bool] | None = None
) -> FrameType | None:
    """The frame of a version's own code that asks for something itself; None if a library does.

    `hands_on` tells whether a module only hands on what it is asked for: all of Python's own do.
    """
    while frame is not None:
        module, name = _module_of(frame), frame.f_code.co_name
        if name == "run" and module in _TARGETS:
            return _thread.by
        if not (hands_on or _hands_on)(module):
            return frame if _is_users(module) else None
        if module.startswith(_IMPORTS) or name in _RESOLVING:
            return None
        frame = frame.f_back
    return None


def _asks_itself(guard: ReadingGuard, frame: FrameType | None) -> bool:
    """Whether one of the packages asks, whose own questions are kept."""
    while guard.packages and frame is not None and _hands_on(_module_of(frame)):
        frame = frame.f_back
    return frame is not None and guard.is_of_packages(_module_of(frame))


def _imports_itself(guard: ReadingGuard, frame: FrameType | None) -> bool:
    """Whether one of these packages does something when it is imported."""
    while guard.packages and frame is not None:
        if frame.f_code.co_name == "<module>" and _is_installed(frame.f_code.co_filename):
            return guard.is_of_packages(_module_of(frame))
        frame = frame.f_back
    return False


def _hands_on(module: str) -> bool:
    return _is_pythons(module) or module.startswith(_TELLERS)


def _hands_on_facts(module: str) -> bool:
    """The same of time and machine, for which Python's modules ask for themselves, too."""
    return module in _BETWEEN or module.startswith(_TELLERS)


def _module_of(frame: FrameType) -> str:
    """The name of the module whose code runs in a frame."""
    return str(frame.f_globals.get("__name__", ""))


def _is_users(module: str) -> bool:
    """Whether a module is a version's own, running under a private name."""
    root, _, name = module.partition(".")
    return root.startswith("_lockstep_") and name.partition(".")[0] not in ("", "lockstep")


def _is_pythons(module: str) -> bool:
    """Whether a module is of the standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names


@cache
def _install() -> None:
    """Ask Python for its audit events, once and for good."""
    sys.addaudithook(_audit)


def _audit(
    event: str,
    args: tuple[Any, ...],
    state: _GuardedThread = _thread,
    kinds: Mapping[str, What | None] = _WHAT,
) -> None:
    """Look at what happens in this thread; what it needs outlasts this module at exit."""
    guard = state.guard
    if guard is None or not guard.is_on:
        return
    what = kinds[event] if event in kinds else kinds.get(event.partition(".")[0])
    if what is None:
        return
    state.guard = None  # what it opens itself, to tell, is its own affair
    try:
        _judge(guard, what, event, args, sys._getframe(1))
    finally:
        state.guard = guard


def _judge(
    guard: ReadingGuard, what: What, event: str, args: tuple[Any, ...], frame: FrameType
) -> None:
    """Refuse what is of no installation and of no version, where a version's code led to it."""
    name = next((str(arg) for arg in args if _is_name(arg)), event)
    if what in ("file", "folder"):
        path = _opened(guard, event, args)
        if path is None or _may_open(guard, path, event, args, frame):
            return
        what = "system" if is_systems(path) else "module" if path.endswith(_MODULES) else what
        name = _COMPILED.sub(r"/\1.py", path)
    is_librarys = what in ("library", "system") or (what == "program" and _is_of_machine(name))
    by = _asker(frame) if is_librarys else _user_frame(frame, imports_too=what == "module")
    if by is not None:
        raise _refusal(guard.note(what, name, by))
    if what == "file" and _imports_itself(guard, frame):
        guard.files.add(str(name))


def _may_open(
    guard: ReadingGuard, path: str, event: str, args: tuple[Any, ...], frame: FrameType
) -> bool:
    """Whether a file or folder may be opened, or made, by what it is."""
    if _is_known(guard, path):
        return True
    is_new = event == "open" and bool(args[2] & _FRESH)  # of path, mode and flags
    is_new |= event == "os.mkdir" and not Path(path).exists()
    if is_new and is_temporary(path):
        if not Path(path).is_dir():  # as where a file without a name is made there
            guard.made.add(path)
        return True
    return event == "os.mkdir" or _is_lookup(path, event, frame) or _is_removal(frame)


def _is_known(guard: ReadingGuard, path: str) -> bool:
    """Whether a file or folder is carried, installed, or was made meanwhile."""
    if any(f"{path}/".startswith(f"{made}/") for made in guard.made) or _is_installed(path):
        return True
    if any(modules.carries(path) for modules in running()):
        return True
    if guard.offered(path):
        guard.taken.add(path)
        return True
    return False


def _is_lookup(path: str, event: str, frame: FrameType) -> bool:
    """Whether modules are looked for there; what is loaded then is looked at by itself."""
    if _asker(frame) is not None:
        return False
    is_listing = event == "os.listdir" and _module_of(frame).startswith(_IMPORTS)
    return is_listing or path in map(os.path.realpath, sys.path)


def _is_removal(frame: FrameType) -> bool:
    return _module_of(frame) == "shutil" and frame.f_code.co_name.startswith("_rmtree")


def _is_of_machine(program: str) -> bool:
    """Whether libraries run a program to learn of the machine, or Python itself to compute."""
    return program == sys.executable or program.rpartition(os.sep)[-1] in _OF_MACHINE


def _is_installed(path: str) -> bool:
    return path.startswith("<frozen ") or is_installed(os.path.realpath(path), _packages())


def _packages() -> frozenset[str]:
    """The projects' top-level packages; versions carry Lockstep itself, too."""
    return frozenset().union(*(modules.packages for modules in running())) - {"lockstep"}


def _is_name(value: object) -> bool:
    return isinstance(value, str | bytes | os.PathLike | list | tuple)


def _path(given: Any) -> str | None:
    """The real path of a file; None for one that is open already."""
    is_path = isinstance(given, str | bytes | os.PathLike)
    return os.path.realpath(os.fsdecode(given)) if is_path else None


def _opened(guard: ReadingGuard, event: str, args: tuple[Any, ...]) -> str | None:
    """The real path of what is opened; None for what the code may well have opened itself."""
    given = args[1] if event == "import" else args[0]  # an extension's file; of others, None
    if isinstance(given, int):
        is_before = given >= 0 and _identity(given) in guard.before
        return f"/dev/fd/{given}" if is_before else None
    return _path("." if given is None and event != "import" else given)


def _open_descriptors() -> frozenset[tuple[int, int, int]]:
    """What is open, by descriptor, as far as the system tells; at least the standard input.

    The streams of output are left out: libraries copy them to silence others.
    """
    folder = Path("/dev/fd")
    numbers = (int(path.name) for path in folder.iterdir()) if folder.is_dir() else range(1)
    return frozenset(filter(None, (_identity(each) for each in numbers if each not in (1, 2))))


def _identity(descriptor: int) -> tuple[int, int, int] | None:
    """A descriptor with what it is open for; None if it is closed."""
    try:
        state = os.fstat(descriptor)
    except OSError:
        return None
    return descriptor, state.st_dev, state.st_ino


def _refusal(reading: Reading) -> OutsideReadingError:
    return OutsideReadingError(f"{reading}, which is no part of the version. {reading.remedy}")
