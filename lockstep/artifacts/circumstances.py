"""Circumstances: what is another in the process in which a version is tried, and must not matter.

A version is computed with at one time and place, and served at another: the clock goes on, strings
are hashed by another seed in each process, and time zone, locale and working directory are those
of whoever starts it.
"""

from __future__ import annotations

import datetime as datetimes
import importlib
import inspect
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from lockstep.artifacts.outside import noting

_AHEAD = datetimes.timedelta(days=400, hours=7, minutes=13)
"""How far a shifted clock is ahead: another year, month, weekday, hour and minute."""
_ZONES = ("LSA-13:30", "LSB+09:30")
"""Time zones that need no data: in one of them it is another day than anywhere else."""
_LOCALES = ("tr_TR.utf8", "de_DE.utf8", "fr_FR.utf8", "ja_JP.utf8", "C.utf8", "POSIX")


@dataclass(frozen=True)
class Circumstances:
    """In what a process differs from this one.

    Attributes:
        words: How that is told, to go after "computed".
        clock: Whether its clock is ahead.
        hash_seed: By which seed its strings are hashed; 0 by that of this process.
        place: Whether time zone and locale are others.
    """

    words: str
    clock: bool = False
    hash_seed: int = 0
    place: bool = False

    def environment(self, here: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of the process, made of those that there are here."""
        found = dict(here)
        if self.hash_seed:
            is_own = here.get("PYTHONHASHSEED") == str(self.hash_seed)
            found["PYTHONHASHSEED"] = str(self.hash_seed + _SEEDS if is_own else self.hash_seed)
        if self.place:
            found["TZ"] = _ZONES[here.get("TZ") == _ZONES[0]]
            found["LC_ALL"] = _another_locale(here)
        return found

    @property
    def ahead(self) -> float:
        """Seconds by which its clock is ahead."""
        return _AHEAD.total_seconds() if self.clock else 0.0


_SEED, _SEEDS = 8, 7
_HASHED = "with another hash seed (PYTHONHASHSEED)"
USUAL = Circumstances("in a new process, few rows first")
STRANGE = Circumstances(
    "in a new process, few rows first, at another time and place",
    clock=True,
    hash_seed=_SEED,
    place=True,
)
ONE_BY_ONE = (
    USUAL,
    Circumstances(_HASHED, hash_seed=_SEED),
    Circumstances(f"with a clock that is {_AHEAD.days} days ahead", clock=True),
    Circumstances("in another time zone and locale (TZ, LC_ALL)", place=True),
)
"""What to try where `STRANGE` gives other values, to tell what they depend on."""
SEEDS = tuple(Circumstances(_HASHED, hash_seed=_SEED + more) for more in range(1, _SEEDS))
"""What to try, too, where code may depend on the order of a set: that of two texts is the same with
one other seed as often as not, and with all of these and that of `STRANGE` in 1 of 128 cases."""


def _another_locale(here: Mapping[str, str]) -> str:
    """A locale that this system has, and that is not the one that is set."""
    now = next((here[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if here.get(name)), "C")
    try:
        listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
        known = set(listed.stdout.split())
    except OSError:  # a system without that program
        known = set()
    others = (name for name in _LOCALES if name in known and name != now)
    return next(others, "POSIX" if now in ("C", "POSIX") else "C")


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
"""Functions that tell of the machine, its language, the user and the process, or draw at chance.

What the process has for as long as it runs, such as its number, may agree with that of another by
chance, and what does so for all rows is no difference between them.
"""
_TICKS = (
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("process_time", "process_time_ns", "thread_time", "thread_time_ns"),
    *("clock_gettime", "clock_gettime_ns"),
)
"""Functions of `time` that tell it."""


def note_questions() -> None:
    """Have Python tell who asks for the time, the machine or whether a file is there, for good.

    It tells of none of these by an audit event. See `lockstep.artifacts.outside.watching`; to be
    called after `shift_clock`.
    """
    for module, names in ((_imported(name), names) for name, names in _SYSTEM.items()):
        if module is None:
            continue
        for name in names:
            _replace(module, name, partial(_noting_system, name))
    for name in ("stack", "currentframe"):
        _replace(inspect, name, partial(_noting_frames, name))
    for name in ("stat", "lstat", "access", "readlink", "statvfs"):
        _replace(os, name, lambda one: noting("file", one, lambda path, *_, **__: path))
    for name in _TICKS:
        _replace(time, name, partial(_noting, name))
    _replace(np.random, "default_rng", partial(_noting_unseeded, "default_rng"))


def _imported(name: str) -> ModuleType | None:
    """A module of the standard library; None where this system has none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _replace(module: ModuleType, name: str, of: Callable[[Any], Any]) -> None:
    """Put something made of a module's function into its place, where this system has it."""
    if (function := getattr(module, name, None)) is not None:
        setattr(module, name, of(function))


def shift_clock(seconds: float, *, numpy_too: bool) -> None:
    """Set what Python tells of the time ahead, in this process and for good.

    To be called when all libraries are imported: these keep what they have taken by name.

    Args:
        seconds: By how much.
        numpy_too: Whether what NumPy takes for now is shifted too. Another class takes the place of
            its `datetime64` then, which not every use of that bears.
    """
    ahead = datetimes.timedelta(seconds=seconds)
    _shift_time(seconds)
    _shift_datetime(ahead)
    _shift_pandas(ahead)
    if numpy_too:
        _shift_numpy(ahead)


def _shift_time(seconds: float) -> None:
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds  # `date.today` asks it too
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)
    for name in ("localtime", "gmtime", "ctime"):
        _default(name, time.time)
    for name, default in (("asctime", 0), ("strftime", 1)):
        _default(name, time.localtime, at=default)


def _default(name: str, value: Any, at: int = 0) -> None:
    """Give a function of `time` what it takes where its argument is left out."""
    real = getattr(time, name)

    def shifted(*args: Any) -> Any:
        is_out = len(args) <= at or args[at] is None
        return real(*args[:at], _noting(name, value)()) if is_out else real(*args)

    setattr(time, name, shifted)


def _shift_datetime(ahead: datetimes.timedelta) -> None:
    real = datetimes.datetime
    methods = {
        "now": classmethod(_noting("now", lambda cls, tz=None: real.now(tz) + ahead)),
        "utcnow": classmethod(
            _noting("utcnow", lambda cls: real.now(datetimes.UTC).replace(tzinfo=None) + ahead)
        ),
    }
    setattr(datetimes, "datetime", _in_place_of(real, methods))  # noqa: B010  mypy knows its type


def _shift_numpy(ahead: datetimes.timedelta) -> None:
    real = np.datetime64

    def new(cls: type, *args: Any) -> Any:
        found: Any = real(*args)
        if not args or args[0] not in ("now", "today"):
            return found
        return _noting("datetime64", lambda: found + np.timedelta64(ahead))().astype(found.dtype)

    setattr(np, "datetime64", _in_place_of(real, {"__new__": new}))  # noqa: B010


def _shift_pandas(ahead: datetimes.timedelta) -> None:
    timestamp: Any = pd.Timestamp
    for name in ("now", "today", "utcnow"):
        real = getattr(timestamp, name)
        shifted = _noting(name, lambda cls, *tz, real=real: real(*tz) + ahead)
        setattr(timestamp, name, classmethod(shifted))
    parsed: Any = pd.to_datetime

    def to_datetime(arg: Any, *args: Any, **options: Any) -> Any:
        found = parsed(arg, *args, **options)
        is_now = isinstance(arg, str) and arg in ("now", "today")
        return _noting("to_datetime", lambda: found + ahead)() if is_now else found

    setattr(pd, "to_datetime", to_datetime)  # noqa: B010


def _noting_system(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the system that tells who calls it."""
    return noting("system", function, f"for `{name}`")


def _noting_frames(name: str, _: Callable[..., Any]) -> Callable[..., Any]:
    """A function that tells of the frames below it, and of whoever calls it.

    Libraries find by it what their caller has, so that they have to be told of the same frames.
    """
    noted = _noting_system(name, lambda: None)

    def telling(*args: Any, **options: Any) -> Any:
        noted()
        caller = sys._getframe(1)
        if name == "currentframe":
            return caller
        return inspect.getouterframes(caller, *args, **options)

    return telling


def _noting_unseeded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a generator, telling of functions that have one seeded by the system.

    One that a module makes for all of them shows in what is drawn of it (`lockstep.parity.chance`).
    """
    noted = _noting_system(f"{name}()", function)

    def making(*args: Any, **options: Any) -> Any:
        is_seeded = any(one is not None for one in (*args, *options.values()))
        is_of_module = sys._getframe(1).f_code.co_name == "<module>"
        return (function if is_seeded or is_of_module else noted)(*args, **options)

    return making


def _noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the clock that tells who calls it."""
    return noting("clock", function, f"(by `{name}`)")


def _in_place_of(real: type, methods: Mapping[str, Any]) -> type:
    """A subclass with other methods, whose instances and subclasses are all those of the class.

    It is equal to the class too: who looks up what a type means, such as that of a declared field,
    finds the same.
    """
    like = type(
        "Like",
        (type(real),),
        {
            "__instancecheck__": lambda cls, one: isinstance(one, real),
            "__subclasscheck__": lambda cls, one: issubclass(one, real),
            "__eq__": lambda cls, other: other is cls or other is real,
            "__hash__": lambda cls: hash(real),
        },
    )
    found: type = like(real.__name__, (real,), dict(methods))
    return found
