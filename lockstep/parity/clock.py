"""Functions that read the clock: their columns change with the time of scoring.

Computing a column twice shows a clock only if it ticks in between; NumPy's "now" ticks once a
second and a date once a day. So the compiled code is searched for what reads one.
"""

from __future__ import annotations

import dis
import time
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from lockstep.columns.nodes import Node

_READERS = frozenset({"now", "utcnow", "today"})
"""Methods of `datetime`, `date`, and pandas' `Timestamp` and `Period`."""
_PARSERS = frozenset(
    {"datetime64", "Timestamp", "to_datetime", "DatetimeIndex", "date_range", "period_range"}
)
"""They take the words "now" and "today" for the time."""
_OF_TIME = frozenset({"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"})
"""Functions of the module `time` that tell it; others only tell how long something takes."""


def clock_reading(function: Any) -> str | None:
    """The name by which a Python function reads the clock, such as `now`; None if it does not.

    Functions of the same top-level package that it calls are searched too.
    """
    seen: set[CodeType] = set()
    open_functions = [function]
    while open_functions:
        reached = open_functions.pop()
        if not isinstance(reached, FunctionType) or reached.__code__ in seen:
            continue
        seen.add(reached.__code__)
        for code in _codes(reached.__code__):
            reading = _reading(code, reached.__globals__)
            if reading is not None:
                return reading
            open_functions += _called(code, reached)
    return None


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _reading(code: CodeType, module: Mapping[str, Any]) -> str | None:
    """The name by which code reads the clock, given the names of its module."""
    attributes = _names(code, "LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")
    loaded = _names(code, "LOAD_GLOBAL", "LOAD_NAME")
    readers = attributes & _READERS
    if {"now", "today"} & {const for const in code.co_consts if isinstance(const, str)}:
        readers |= (attributes | loaded) & _PARSERS
    is_loaded = any(module.get(name) is time for name in loaded)
    if is_loaded or "time" in _names(code, "IMPORT_NAME"):
        readers |= attributes & _OF_TIME
    readers |= {name for name in loaded if _is_of_time(module.get(name))}
    return min(readers, default=None)


def _names(code: CodeType, *operations: str) -> set[str]:
    """The names that code uses in certain operations of the interpreter."""
    steps = dis.get_instructions(code)
    return {str(step.argval) for step in steps if step.opname in operations}


def _is_of_time(value: Any) -> bool:
    return getattr(value, "__module__", None) == "time" and value.__name__ in _OF_TIME


def _called(code: CodeType, function: FunctionType) -> Iterator[FunctionType]:
    """The functions of its own package that a function may call."""
    package = function.__module__.partition(".")[0]
    for name in code.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            reached = [vars(value).get(member) for member in code.co_names]
        else:
            reached = [value.function if isinstance(value, Node) else value]
        for member in reached:
            if isinstance(member, FunctionType) and member.__module__.partition(".")[0] == package:
                yield member
