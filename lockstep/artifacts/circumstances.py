"""Circumstances: what differs in the process in which a version is tried, and must not matter.

The clock goes on, each process hashes strings by another seed, and time zone, locale and working
directory are those of whoever starts it.
"""

from __future__ import annotations

import datetime as datetimes
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lockstep.artifacts.questions import in_place_of, noting_clock

_AHEAD = datetimes.timedelta(days=400, hours=7, minutes=13)
"""How far a shifted clock is ahead: another year, month, weekday, hour and minute."""
_ZONES = ("LSA-13:30", "LSB+09:30")
"""Time zones that need no data; in one of them the date differs from any other zone's."""
_LOCALES = ("tr_TR.utf8", "de_DE.utf8", "fr_FR.utf8", "ja_JP.utf8", "C.utf8", "POSIX")


@dataclass(frozen=True)
class Circumstances:
    """How a process differs from this one."""

    words: str  # to follow "computed"
    clock: bool = False  # it is ahead
    hash_seed: int = 0  # 0 for this process's seed
    place: bool = False  # its time zone and locale differ
    closed: bool = False  # the system refuses it all files but installed ones and the version's own

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


_TIMERS = ("monotonic", "perf_counter")
"""Functions of `time` that serve to measure how long something takes; that alone is no reading."""


def shift_clock(seconds: float, *, numpy_too: bool) -> None:
    """Set Python's clock ahead, in this process and for good.

    Call it when all libraries are imported: they keep what they have imported by name. With
    `numpy_too`, another class replaces `datetime64`, which breaks some uses of it.
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
        return real(*args[:at], noting_clock(name, value)()) if is_out else real(*args)

    setattr(time, name, shifted)


def _shift_datetime(ahead: datetimes.timedelta) -> None:
    real = datetimes.datetime
    methods = {
        "now": classmethod(noting_clock("now", lambda cls, tz=None: real.now(tz) + ahead)),
        "utcnow": classmethod(
            noting_clock("utcnow", lambda cls: real.now(datetimes.UTC).replace(tzinfo=None) + ahead)
        ),
    }
    setattr(datetimes, "datetime", in_place_of(real, methods))  # noqa: B010  mypy knows its type


def _shift_numpy(ahead: datetimes.timedelta) -> None:
    real = np.datetime64

    def new(cls: type, *args: Any) -> Any:
        moment: Any = real(*args)
        if not args or args[0] not in ("now", "today"):
            return moment
        asked = noting_clock("datetime64", lambda: moment + np.timedelta64(ahead))
        return asked().astype(moment.dtype)

    setattr(np, "datetime64", in_place_of(real, {"__new__": new}))  # noqa: B010


def _shift_pandas(ahead: datetimes.timedelta) -> None:
    timestamp: Any = pd.Timestamp
    for name in ("now", "today", "utcnow"):
        real = getattr(timestamp, name)
        shifted = noting_clock(name, lambda cls, *tz, real=real: real(*tz) + ahead)
        setattr(timestamp, name, classmethod(shifted))
    parsed: Any = pd.to_datetime

    def to_datetime(arg: Any, *args: Any, **options: Any) -> Any:
        times = parsed(arg, *args, **options)
        is_now = isinstance(arg, str) and arg in ("now", "today")
        return noting_clock("to_datetime", lambda: times + ahead)() if is_now else times

    setattr(pd, "to_datetime", to_datetime)  # noqa: B010
