"""Questions: what code asks for, without an audit event by which Python would tell of it.

Many libraries ask for environment variables, the time and the machine for themselves. So here it
counts who asks: what a version's own code asks for, by itself or through Python's own modules, is a
reading. It is noted, not refused: the answer is given.
"""

from __future__ import annotations

import os
import posix
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from lockstep.artifacts.outside_readings import What
from lockstep.artifacts.readers import readers, telling
from lockstep.artifacts.reading_guard import ALL, ReadingGuard, guarded, guarding, note_asked


@contextmanager
def watching(offered: Callable[[str], bool] = lambda path: False) -> Iterator[ReadingGuard]:
    """Be on guard, and note which environment variables code asks for.

    For that, the objects for which Python has no audit events are replaced by ones that tell of
    their use. All are restored when the last watcher ends.

    Args:
        offered: See `lockstep.artifacts.reading_guard.guarding`.

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
        with guarding(offered) as guard:
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
    for owner, name, parameter in readers():
        _replace(owner, name, telling(getattr(owner, name), owner, parameter))


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


_Plain = type(os.environ)


class _Environ(_Plain):  # type: ignore[misc, valid-type]
    """The environment variables, noting who reads them."""

    def __getitem__(self, key: Any) -> Any:
        note_asked("variable", os.fsdecode(key))
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[str]:
        note_asked("variable", ALL)
        yield from super().__iter__()
