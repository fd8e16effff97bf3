"""A thread that may read only installed files and some folders: Linux itself refuses the others.

A library that opens files or connections in its own C++ tells nobody, so that no guard in Python
sees it. Landlock (Linux 5.13; connections since 6.7) refuses it to a thread that asks for that, and
to those that it starts, for good.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar

from lockstep.artifacts.installation import installed_places
from lockstep.artifacts.reading_guard import guarded, on_guard

T = TypeVar("T")

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, which are the same on all processors."""
_READ_FILE = 1 << 2
_CONNECT_TCP = 1 << 1
_NETWORK_SINCE = 4
"""The version of Landlock that can refuse connections."""
_BENEATH_PATH = 1
_NO_NEW_PRIVILEGES = 38
_SYSTEMS = (
    *("/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/nix/store"),
    *("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share"),
    *("/usr/local/bin", "/usr/local/lib", "/usr/local/share"),
)
"""Folders of the system, in which no project lies."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def can_close_files() -> bool:
    """Whether this system can refuse files to a process."""
    return _version() > 0


def closed(function: Callable[[], T], folders: Iterable[str]) -> T:
    """Call a function in a thread to which the system refuses files outside of some folders.

    Threads of libraries that it starts are refused the same. Its temporary files lie in a folder
    of its own. Where the system cannot refuse, it is called in this thread.
    """
    if (guard := on_guard()) is None or not can_close_files():
        return function()
    done: Future[T] = Future()

    def call() -> None:
        try:
            close_files([*folders, own])
            done.set_result(function())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            done.set_exception(error)

    with tempfile.TemporaryDirectory(prefix="lockstep-") as own, _pools:
        outer, guard.temporary = guard.temporary, own
        thread = Thread(target=guarded(call), daemon=True)
        thread.start()
        try:
            return done.result()
        finally:
            guard.temporary = outer


class _Pools:
    """Pools of libraries, whose threads outlast the one that begins them: none is begun meanwhile.

    A thread that began in a closed one would be refused the files of whoever it works for later.
    """

    def __init__(self) -> None:
        self._lock, self._within, self._sizes = Lock(), 0, (1, 1)

    def __enter__(self) -> None:
        import pyarrow as pa
        from pyarrow import csv

        with self._lock:
            self._within += 1
            if self._within > 1:
                return
            if (polars := sys.modules.get("polars")) is not None:
                polars.thread_pool_size()  # begins all threads of the pool
            if (duckdb := sys.modules.get("duckdb")) is not None:
                duckdb.default_connection()
            csv.read_csv(pa.BufferReader(b"a\n1\n"))  # begins one thread of both pools of Arrow
            self._sizes = pa.cpu_count(), pa.io_thread_count()
            pa.set_cpu_count(1)
            pa.set_io_thread_count(1)

    def __exit__(self, *_: object) -> None:
        import pyarrow as pa

        with self._lock:
            self._within -= 1
            if not self._within:
                pa.set_cpu_count(self._sizes[0])
                pa.set_io_thread_count(self._sizes[1])


_pools = _Pools()


def close_files(folders: Iterable[str]) -> None:
    """Have the system refuse this thread files outside of some folders, and TCP, for good.

    Folders of the system and of installations stay readable. Does nothing where the system cannot
    (`can_close_files`); raises OSError where it refuses.
    """
    if (version := _version()) <= 0:
        return
    handled = _Ruleset(_READ_FILE, _CONNECT_TCP)
    size = ctypes.sizeof(handled) if version >= _NETWORK_SINCE else _Ruleset.network.offset
    rules = _done(_call(_CREATE_RULESET, ctypes.byref(handled), size, 0))
    for place in {*folders, *_SYSTEMS, *_of_python(), *installed_places()}:
        if Path(place).exists():
            _allow(rules, place)
    _done(ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _done(_call(_RESTRICT_SELF, rules, 0))
    os.close(rules)


def _version() -> int:
    """The version of Landlock; 0 or less for none."""
    return _call(_CREATE_RULESET, None, 0, 1) if sys.platform == "linux" else 0


def _of_python() -> list[str]:
    """Where Python's programs and shared libraries lie."""
    names = ("bin", "lib", "lib64", "pyvenv.cfg")
    prefixes = {sys.prefix, sys.base_prefix, os.path.realpath(sys.base_prefix)}
    linked = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    return [f"{prefix}/{name}" for prefix in prefixes for name in names] + [*filter(None, linked)]


def _allow(rules: int, place: str) -> None:
    parent = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        beneath = _Beneath(_READ_FILE, parent)
        _done(_call(_ADD_RULE, rules, _BENEATH_PATH, ctypes.byref(beneath), 0))
    finally:
        os.close(parent)


def _call(number: int, *args: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *args))


def _done(returned: int) -> int:
    """What a system call returned."""
    if returned < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return returned
