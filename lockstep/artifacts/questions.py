"""Questions: what code asks for without an audit event of Python: variables, time, machine.

Libraries ask for these for themselves, so it counts who asks: what a version's own code asks for,
by itself or through Python's own modules, is a reading. It is noted, not refused.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import os
import posix
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from lockstep.artifacts.outside_readings import What
from lockstep.artifacts.reading_guard import (
    ALL,
    ReadingGuard,
    guarded,
    guarding,
    note_asked,
    on_guard,
)


@contextmanager
def watching(
    offered: Callable[[str], bool] = lambda path: False, packages: frozenset[str] = frozenset()
) -> Iterator[ReadingGuard]:
    """Be on guard (see `guarding`), and note which environment variables code asks for.

    For that, the objects for which Python has no audit events are replaced by ones that tell of
    their use. All are restored when the last watcher ends. The guard's readings may grow until
    then.
    """
    with _lock:
        _watchers.append(None)
    try:
        with _lock:
            if not _replaced:
                _put_in_place()
        with guarding(offered, packages) as guard:
            yield guard
    finally:
        with _lock:
            _watchers.pop()
            while _replaced and not _watchers:
                setattr(*_replaced.pop())


def noting(
    what: What, function: Callable[..., Any], name: str | Callable[..., Any]
) -> Callable[..., Any]:
    """A function that notes the calls by a version's own code.

    `name` is the name of the reading, or a function of the arguments that gives it.
    """

    def noted(*args: Any, **options: Any) -> Any:
        note_asked(what, name if isinstance(name, str) else name(*args, **options))
        return function(*args, **options)

    return noted


_lock = threading.Lock()
_watchers: list[None] = []
"""An item for each watcher."""
_replaced: list[tuple[Any, str, Any]] = []
"""The attributes that are replaced while anybody watches: owner, name, and original value."""


_SYSTEM: Mapping[str, tuple[str, ...]] = {
    "asyncio": ("get_running_loop", "get_event_loop", "current_task"),
    "gc": ("get_objects", "get_count", "get_stats"),
    "grp": ("getgrall", "getgrgid", "getgrnam"),
    "locale": (
        *("getlocale", "setlocale", "localeconv", "strcoll", "strxfrm"),
        *("getencoding", "getpreferredencoding", "nl_langinfo"),
    ),
    "os": (
        *("getpid", "getppid", "getpgrp", "getpgid", "getsid", "getpriority", "times"),
        *("getlogin", "getuid", "geteuid", "getgid", "getegid", "getgroups"),
        *("uname", "cpu_count", "process_cpu_count", "sched_getaffinity", "getloadavg"),
        *("sysconf", "confstr", "get_terminal_size", "getcwd", "getcwdb", "urandom", "getrandom"),
    ),
    "platform": ("uname",),
    "pwd": ("getpwall", "getpwnam", "getpwuid"),
    "resource": ("getrusage", "getrlimit", "getpagesize"),
    "secrets": (
        *("choice", "randbelow", "randbits"),
        *("token_bytes", "token_hex", "token_urlsafe"),
    ),
    "threading": (
        *("current_thread", "main_thread", "get_ident", "get_native_id"),
        *("active_count", "enumerate"),
    ),
    "uuid": ("getnode", "uuid1", "uuid4"),
}
"""Functions that return facts of the machine, its language, user or process, or random data.

A fact that stays as long as the process runs, such as its number, is the same in all rows, and may
by chance be the same in another process: comparing values does not show it.
"""
_TICKS = ("time", "time_ns", "clock_gettime", "clock_gettime_ns")
"""Functions of `time` that return the time."""


def _put_in_place() -> None:
    tempfile.gettempdir()  # found once, under a lock; a guard that asks within would wait for ever
    for held in (os.environ, os.environb):
        _replace(held, "__class__", _Environ)
    _replace(posix, "environ", os.environb)
    _replace(threading.Thread, "start", _starting(threading.Thread.start))
    _note_questions()
    for name in _OF_DESCRIPTORS:
        _replace(os, name, _telling(getattr(os, name), lambda descriptor, *_: descriptor))
    for name in ("stdin", "__stdin__"):
        _replace(sys, name, _StandardInput(getattr(sys, name)))
    _replace(builtins, "input", _telling(input, lambda *_: _INPUT))
    arrow = importlib.import_module("pyarrow.lib")
    _replace(arrow, "threading", _ARROWS_THREADS)
    _replace(arrow, "os", SimpleNamespace(**{**vars(os), "environ": dict(os.environ)}))
    for module, name in _OF_ARROW:
        owner = importlib.import_module(module)
        _replace(owner, name, _telling(getattr(owner, name), _arrows_path))


def _replace(owner: Any, name: str, by: Any) -> None:
    _replaced.append((owner, name, getattr(owner, name)))
    setattr(owner, name, by)


def _note_questions() -> None:
    """Replace the functions that tell of the time, the machine, or whether a file is there."""
    for module, names in ((_imported(name), names) for name, names in _SYSTEM.items()):
        for name in names if module is not None else ():
            _replace_function(module, name, partial(_noting_system, name))
    for name in ("stack", "currentframe"):
        _replace_function(inspect, name, partial(_noting_frames, name))
    for name in ("stat", "lstat", "access", "readlink", "statvfs"):
        _replace_function(os, name, _noting_path)
    for name in _TICKS:
        _replace_function(time, name, partial(noting_clock, name))
    _replace_function(np.random, "default_rng", _noting_unseeded)
    for name in ("now", "today", "utcnow"):
        told = getattr(pd.Timestamp, name)
        _replace(pd.Timestamp, name, noting_clock(f"Timestamp.{name}", told))
    _replace_function(pd, "to_datetime", _noting_undated)
    _replace_function(tempfile, "gettempdir", _own_folder_first)


def _replace_function(owner: Any, name: str, of: Callable[[Any], Any]) -> None:
    """Replace a function by one made of it, where this system has it."""
    if (function := getattr(owner, name, None)) is not None:
        _replace(owner, name, _made(of, function))


_makings: dict[int, tuple[Any, Any]] = {}
"""By function, by its identity: itself and what was made of it."""


def _made(of: Callable[[Any], Any], function: Any) -> Any:
    """What is made of a function, once: modules keep what they import by its name."""
    known = _makings.get(id(function))
    if known is None:
        known = _makings[id(function)] = function, of(function)
        for supporting in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if function in supporting:  # `shutil` asks whether these functions are among them
                supporting.add(known[1])
    return known[1]


def _imported(name: str) -> ModuleType | None:
    """A module of the standard library; None where this system lacks it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _noting_system(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    return noting("system", function, f"for `{name}`")


def _noting_frames(name: str, _: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns the frames below it, and records its caller.

    Libraries look up names of their callers by it, so they must get the same frames.
    """
    noted = _noting_system(name, lambda: None)

    def telling(*args: Any, **options: Any) -> Any:
        noted()
        caller = sys._getframe(1)
        if name == "currentframe":
            return caller
        return inspect.getouterframes(caller, *args, **options)

    return telling


def _noting_unseeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A maker of generators, which records functions that have the system seed one.

    A generator that a module makes shows when it is drawn from (`lockstep.parity.locality`).
    """
    noted = _noting_system("default_rng()", function)

    def making(*args: Any, **options: Any) -> Any:
        is_seeded = any(seed is not None for seed in (*args, *options.values()))
        is_of_module = sys._getframe(1).f_code.co_name == "<module>"
        return (function if is_seeded or is_of_module else noted)(*args, **options)

    return making


def noting_clock(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that notes the calls by a version's own code as readings of the clock."""
    return noting("clock", function, f"(by `{name}`)")


def _noting_path(function: Callable[..., Any]) -> Callable[..., Any]:
    return noting("file", function, lambda path, *_, **__: path)


_UNDATED = re.compile(r"\s*(now|today|\d{1,2}:\d{2}.*)\s*\Z", re.DOTALL)
"""Texts that name no day: pandas takes them for a time of today."""


def _noting_undated(function: Callable[..., Any]) -> Callable[..., Any]:
    """`pandas.to_datetime`, which records who gives it a time without a day."""
    asked = noting_clock("to_datetime", lambda: None)

    def to_datetime(arg: Any, *args: Any, **options: Any) -> Any:
        given = [arg] if isinstance(arg, str) else arg
        is_of_texts = isinstance(given, list) or getattr(given, "dtype", None) in ("O", "str")
        has_format = options.get("format") is not None or len(args) > 3
        texts = given if is_of_texts and not has_format else ()
        if any(isinstance(each, str) and _UNDATED.match(each) for each in texts):
            asked()
        return function(arg, *args, **options)

    return to_datetime


def _own_folder_first(function: Callable[[], str]) -> Callable[[], str]:
    """`tempfile.gettempdir`, which names a closed thread's own folder there."""

    def gettempdir() -> str:
        guard = on_guard()
        return function() if guard is None or guard.temporary is None else guard.temporary

    return gettempdir


def _starting(function: Callable[[threading.Thread], None]) -> Callable[..., None]:
    """A method that starts a thread, under the guard of the one that starts it."""

    @wraps(function)
    def start(thread: threading.Thread) -> None:
        thread.run = guarded(thread.run)  # type: ignore[method-assign]
        function(thread)

    return start


_INPUT = 0
"""The descriptor of the standard input."""
_OF_DESCRIPTORS = ("read", "readv", "pread", "preadv", "dup")
"""Functions of `os` that read what is open already, by its descriptor."""
_OF_ARROW = (
    ("pyarrow.lib", "encode_file_path"),
    ("pyarrow._fs", "tobytes"),
    ("pyarrow._dataset", "_stringify_path"),
)
"""The functions through which Arrow hands paths and addresses to its C++, which opens files."""


_ARROWS_THREADS = SimpleNamespace(
    Thread=threading.Thread,
    current_thread=threading.current_thread,
    main_thread=threading.main_thread,
)
"""What Arrow asks for itself, in C++: no frame of it lies between its question and the code. The
same holds for variables of the environment."""


def _telling(function: Callable[..., Any], opened: Callable[..., Any]) -> Callable[..., Any]:
    """A function that opens or reads files, with the event by which Python tells of it.

    `opened` gives the path or the descriptor from the arguments; None if these name no file.
    """

    @wraps(function)
    def telling(*args: Any, **options: Any) -> Any:
        if (file := opened(*args, **options)) is not None:
            sys.audit("open", file, "rb", os.O_RDONLY)
        return function(*args, **options)

    return telling


def _arrows_path(given: Any) -> Any:
    """What Arrow opens by a path or an address; None for the options of a file system."""
    text = os.fsdecode(given) if isinstance(given, str | bytes | os.PathLike) else ""
    is_file = text and not text.startswith("file:///_?")
    return text.removeprefix("file://") if is_file else None


class _StandardInput:
    """The standard input, telling when something is read from it."""

    def __init__(self, held: Any) -> None:
        self._held = held

    def __getattr__(self, name: str) -> Any:
        if name.startswith("read") or name == "buffer":
            sys.audit("open", _INPUT, "r", os.O_RDONLY)
        return getattr(self._held, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.readline, "")


_Plain = type(os.environ)


class _Environ(_Plain):  # type: ignore[misc, valid-type]
    """The environment variables, noting who reads them."""

    def __getitem__(self, key: Any) -> Any:
        note_asked("variable", os.fsdecode(key))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        note_asked("variable", ALL)
        yield from super().__iter__()


def in_place_of(real: type, methods: Mapping[str, Any]) -> type:
    """A subclass with other methods, whose instances and subclasses are all those of the class.

    It equals the class too, and what that takes the place of itself, so that it can be looked up in
    its place, as the type of a field.
    """
    like = type(
        "Like",
        (type(real),),
        {
            "__instancecheck__": lambda cls, value: isinstance(value, real),
            "__subclasscheck__": lambda cls, kind: issubclass(kind, real),
            "__eq__": lambda cls, other: other is cls or other == real,
            "__hash__": lambda cls: hash(real),
        },
    )
    subclass: type = like(real.__name__, (real,), dict(methods))
    return subclass
