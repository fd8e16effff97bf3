"""Questions: what code asks for, without an audit event by which Python would tell of it.

Many libraries ask for environment variables, the time and the machine for themselves. So here it
counts who asks: what a version's own code asks for, by itself or through Python's own modules, is a
reading. It is noted, not refused: the answer is given.
"""

from __future__ import annotations

import builtins
import importlib
import os
import posix
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import SimpleNamespace
from typing import Any

from lockstep.artifacts.outside_readings import What
from lockstep.artifacts.reading_guard import ALL, ReadingGuard, guarded, guarding, note_asked


@contextmanager
def watching(
    offered: Callable[[str], bool] = lambda path: False, packages: frozenset[str] = frozenset()
) -> Iterator[ReadingGuard]:
    """Be on guard, and note which environment variables code asks for.

    For that, the objects for which Python has no audit events are replaced by ones that tell of
    their use. All are restored when the last watcher ends.

    Args:
        offered: See `lockstep.artifacts.reading_guard.guarding`.
        packages: See there.

    Yields:
        The guard; its readings may grow until the context ends.

    Raises:
        OutsideReadingError: See `guarding`.
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

    Args:
        what: The kind of thing that it reads.
        function: The function.
        name: The name of the reading, or a function of the arguments that gives it.
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


def _put_in_place() -> None:
    for held in (os.environ, os.environb):
        _replace(held, "__class__", _Environ)
    _replace(posix, "environ", os.environb)
    _replace(threading.Thread, "start", _starting(threading.Thread.start))
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
    """A function that opens or reads files by itself, with the event by which Python tells of it.

    Args:
        function: The function.
        opened: Gives the path or the descriptor from the arguments; None if these name no file.
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
