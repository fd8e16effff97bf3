"""Circumstances: what differs in the process in which a version is tried, and must not matter.

A version is fitted at one time and place, and served at another: the clock goes on, each process
hashes strings by another seed, and time zone, locale and working directory are those of whoever
starts it.
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

from lockstep.artifacts.questions import noting

_AHEAD = datetimes.timedelta(days=400, hours=7, minutes=13)
"""How far a shifted clock is ahead: another year, month, weekday, hour and minute."""
_ZONES = ("LSA-13:30", "LSB+09:30")
"""Time zones that need no data; in one of them the date differs from any other zone's."""
_LOCALES = ("tr_TR.utf8", "de_DE.utf8", "fr_FR.utf8", "ja_JP.utf8", "C.utf8", "POSIX")


@dataclass(frozen=True)
class Circumstances:
    """How a process differs from this one.

    Attributes:
        words: The difference in words, to follow "computed".
        clock: Whether its clock is ahead.
        hash_seed: The seed by which it hashes strings; 0 for this process's seed.
        place: Whether its time zone and locale differ.
        closed: Whether the system refuses it all files but installed ones and the version's own.
    """

    words: str
    clock: bool = False
    hash_seed: int = 0
    place: bool = False
    closed: bool = False

    def environment(self, here: Mapping[str, str]) -> dict[str, str]:
        """The environment variables of the process, made from those of this one."""
        variables = dict(here)
        if self.hash_seed:
            is_own = here.get("PYTHONHASHSEED") == str(self.hash_seed)
            variables["PYTHONHASHSEED"] = str(self.hash_seed + _SEEDS if is_own else self.hash_seed)
        if self.place:
            variables["TZ"] = _ZONES[here.get("TZ") == _ZONES[0]]
            variables["LC_ALL"] = _another_locale(here)
        return variables

    @property
    def ahead(self) -> float:
        """Seconds by which its clock is ahead."""
        return _AHEAD.total_seconds() if self.clock else 0.0


_SEED, _SEEDS = 8, 7
_HASHED = "with another hash seed (PYTHONHASHSEED)"
USUAL = Circumstances("in a new process, few rows first")
_ALONE = "with no files but installed ones and its own"
STRANGE = Circumstances(
    f"{USUAL.words}, at another time and place, {_ALONE}",
    clock=True,
    hash_seed=_SEED,
    place=True,
    closed=True,
)
ONE_BY_ONE = (
    USUAL,
    Circumstances(_HASHED, hash_seed=_SEED),
    Circumstances(f"with a clock that is {_AHEAD.days} days ahead", clock=True),
    Circumstances("in another time zone and locale (TZ, LC_ALL)", place=True),
    Circumstances(_ALONE, closed=True),
)
"""Circumstances to try where `STRANGE` gives other values, to learn what these depend on."""
SEEDS = tuple(Circumstances(_HASHED, hash_seed=_SEED + more) for more in range(1, _SEEDS))
"""Circumstances to try where code may depend on the order of a set. Two texts have the same order
with another seed in every other case, and with all of these and `STRANGE` in 1 of 128 cases."""


def _another_locale(here: Mapping[str, str]) -> str:
    """A locale of this system other than the one that is set."""
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
"""Functions that return facts of the machine, its language, user or process, or random data.

A fact that stays as long as the process runs, such as its number, is the same in all rows, and may
by chance be the same in another process: comparing values does not show it.
"""
_TICKS = ("time", "time_ns", "clock_gettime", "clock_gettime_ns")
"""Functions of `time` that return the time."""
_TIMERS = ("monotonic", "perf_counter")
"""Functions of `time` that serve to measure how long something takes; that alone is no reading."""


def note_questions() -> None:
    """Record who asks for the time, the machine or whether a file is there, for good.

    Python has no audit events for these. See `lockstep.artifacts.questions.watching`; call this
    after `shift_clock`.
    """
    for module, names in ((_imported(name), names) for name, names in _SYSTEM.items()):
        if module is None:
            continue
        for name in names:
            _replace(module, name, partial(_noting_system, name))
    for name in ("stack", "currentframe"):
        _replace(inspect, name, partial(_noting_frames, name))
    for name in ("stat", "lstat", "access", "readlink", "statvfs"):
        _replace(os, name, lambda function: noting("file", function, lambda path, *_, **__: path))
    for name in _TICKS:
        _replace(time, name, partial(_noting, name))
    _replace(np.random, "default_rng", _noting_unseeded)


def _imported(name: str) -> ModuleType | None:
    """A module of the standard library; None where this system lacks it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _replace(module: ModuleType, name: str, of: Callable[[Any], Any]) -> None:
    """Replace a function of a module by one made of it, where this system has it."""
    if (function := getattr(module, name, None)) is not None:
        setattr(module, name, of(function))


def shift_clock(seconds: float, *, numpy_too: bool) -> None:
    """Set Python's clock ahead, in this process and for good.

    Call it when all libraries are imported: they keep what they have imported by name.

    Args:
        seconds: The shift.
        numpy_too: Whether NumPy's "now" is shifted too: another class then replaces `datetime64`,
            which breaks some uses of it.
    """
    ahead = datetimes.timedelta(seconds=seconds)
    _shift_time(seconds)
    _shift_datetime(ahead)
    _shift_pandas(ahead)
    if numpy_too:
        _shift_numpy(ahead)


def _shift_time(seconds: float) -> None:
    for name in ("time", *_TIMERS):  # `date.today` asks `time` too
        _shift(name, seconds)
        _shift(f"{name}_ns", int(seconds * 1e9))
    for name in ("localtime", "gmtime", "ctime"):
        _default(name, time.time)
    for name, default in (("asctime", 0), ("strftime", 1)):
        _default(name, time.localtime, at=default)


def _shift(name: str, by: float) -> None:
    real = getattr(time, name)
    setattr(time, name, lambda: real() + by)


def _default(name: str, value: Any, at: int = 0) -> None:
    """Set the value that a function of `time` takes where its argument is left out."""
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
        moment: Any = real(*args)
        if not args or args[0] not in ("now", "today"):
            return moment
        return _noting("datetime64", lambda: moment + np.timedelta64(ahead))().astype(moment.dtype)

    setattr(np, "datetime64", _in_place_of(real, {"__new__": new}))  # noqa: B010


def _shift_pandas(ahead: datetimes.timedelta) -> None:
    timestamp: Any = pd.Timestamp
    for name in ("now", "today", "utcnow"):
        real = getattr(timestamp, name)
        shifted = _noting(name, lambda cls, *tz, real=real: real(*tz) + ahead)
        setattr(timestamp, name, classmethod(shifted))
    parsed: Any = pd.to_datetime

    def to_datetime(arg: Any, *args: Any, **options: Any) -> Any:
        times = parsed(arg, *args, **options)
        is_now = isinstance(arg, str) and arg in ("now", "today")
        return _noting("to_datetime", lambda: times + ahead)() if is_now else times

    setattr(pd, "to_datetime", to_datetime)  # noqa: B010


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

    A generator that a module makes shows when it is drawn from (`lockstep.parity.chance`).
    """
    noted = _noting_system("default_rng()", function)

    def making(*args: Any, **options: Any) -> Any:
        is_seeded = any(seed is not None for seed in (*args, *options.values()))
        is_of_module = sys._getframe(1).f_code.co_name == "<module>"
        return (function if is_seeded or is_of_module else noted)(*args, **options)

    return making


def _noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    return noting("clock", function, f"(by `{name}`)")


def _in_place_of(real: type, methods: Mapping[str, Any]) -> type:
    """A subclass with other methods, whose instances and subclasses are all those of the class.

    It equals the class too, so that it can be looked up in its place, as the type of a field.
    """
    like = type(
        "Like",
        (type(real),),
        {
            "__instancecheck__": lambda cls, value: isinstance(value, real),
            "__subclasscheck__": lambda cls, kind: issubclass(kind, real),
            "__eq__": lambda cls, other: other is cls or other is real,
            "__hash__": lambda cls: hash(real),
        },
    )
    subclass: type = like(real.__name__, (real,), dict(methods))
    return subclass
