"""Writes: what a process changes on disk, counted, and a process that is killed at one of them.

Tests and benchmarks interrupt a process in this way alone: one that is forked for it
(`start`), one of an executor (`Interrupting`), or one that counts by itself (`Writes`).
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event

from benchmarks._rounds import BenchmarkError
from lockstep.artifacts.version import LoadedVersion
from lockstep.scoring.executors import TRIES, Executor, Result, Task, Work

_PATHS = {
    "os.rename": slice(1, 2),
    "os.link": slice(1, 2),
    "os.mkdir": slice(1),
    "os.remove": slice(1),
    "os.rmdir": slice(1),
    "open": slice(1),
}
"""Audit events, and which of their arguments are paths that change."""
_CHANGED = "benchmarks.writes.changed"
"""Set in what is known of a database connection whose transaction has changed something."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Writes:
    """Counts this process's writes below a folder; kills it before the one of a number.

    A write is a file or folder that is made, forced to disk, moved to its place, linked or removed,
    or a commit of changes to a database. A file that is opened to be written to counts twice: the
    process may be killed before it, and when half of the file is written. One that is still hidden,
    on the way to its place, counts once it has content, which is then half of it. Dagster's own
    files do not count: nothing of Lockstep's relies on them.

    Args:
        folder: The folder, such as a home.
        last: Number of the write before which the process is killed, from 1; None for none.
        mark: A file outside of the folder that the kill makes; once it is there, nobody is killed.

    Attributes:
        made: What each write was, in order: a word and the path within the folder.
    """

    def __init__(self, folder: Path, last: int | None = None, mark: Path | None = None) -> None:
        self.made: list[str] = []
        self._folder, self._dagster = f"{folder}{os.sep}", f"{folder / 'dagster'}{os.sep}"
        self._last, self._mark = last, mark

    @property
    def count(self) -> int:
        """Number of writes so far."""
        return len(self.made)

    def watch(self) -> None:
        """Begin; hooks stay for as long as the process lives."""
        os.fsync = partial(self._force, os.fsync)
        sys.addaudithook(self._heed)
        event.listen(sqlalchemy.Engine, "before_cursor_execute", _heed_statement)
        event.listen(sqlalchemy.Engine, "commit", self._heed_commit)

    def _heed(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in _PATHS or (name == "open" and not arguments[2] & _WRITING):
            return
        for path in _changing(name, arguments):
            is_vain = path.is_dir() if name == "os.mkdir" else not os.path.lexists(path)
            if not self._counts(path) or (is_vain and name in ("os.mkdir", "os.remove")):
                continue
            if name != "open":
                self._count(name.removeprefix("os."), path)
                continue
            is_hidden = path.name.startswith(".")
            if not is_hidden:
                self._count("open", path)
            if not is_hidden or (path.exists() and path.stat().st_size):
                is_appended = bool(arguments[2] & os.O_APPEND)  # what was there stays
                self._count("half of", path, half_written=None if is_appended else path)

    def _force(self, force: Callable[[Any], None], file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        path = _opened(number)
        if self._counts(path):
            self._count("fsync", path)
        force(file)

    def _heed_commit(self, connection: sqlalchemy.Connection) -> None:
        has_changed = connection.info.pop(_CHANGED, False)
        database = connection.engine.url.database
        if has_changed and self._counts(database):
            self._count("commit", database)

    def _counts(self, path: object) -> bool:
        if not isinstance(path, str | os.PathLike):
            return False
        text = os.fspath(path)
        return text.startswith(self._folder) and not text.startswith(self._dagster)

    def _count(self, what: str, path: Any, half_written: Path | None = None) -> None:
        self.made.append(f"{what} {os.fspath(path).removeprefix(self._folder)}")
        if self.count != self._last or not self._may_kill():
            return
        if half_written is not None:
            size = half_written.stat().st_size if half_written.exists() else 0
            half_written.touch()
            os.truncate(half_written, size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    def _may_kill(self) -> bool:
        if self._mark is None:
            return True
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def _changing(name: str, arguments: tuple[Any, ...]) -> Iterator[Path]:
    """The paths that an audit event names as those that change."""
    folder = arguments[1] if name in ("os.remove", "os.rmdir") else -1
    for path in arguments[_PATHS[name]]:
        if isinstance(path, str | os.PathLike):
            yield Path(path) if folder < 0 else _opened(folder) / path


def _opened(number: int) -> Path:
    return Path(f"/proc/self/fd/{number}").readlink()


def _heed_statement(connection: sqlalchemy.Connection, _: object, statement: str, *__: Any) -> None:
    if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
        connection.info[_CHANGED] = True


# --- processes that are forked, and may be killed ---


@dataclass(frozen=True)
class Ended:
    """How a forked process ended.

    Attributes:
        status: Its exit status; negative where a signal ended it.
        made: The writes that it made, in order; empty where it was killed.
        value: What its work returned; None where it was killed or failed.
        error: The traceback of what it raised, if it did.
    """

    status: int
    made: Sequence[str] = ()
    value: Any = None
    error: str = ""

    @property
    def was_killed(self) -> bool:
        """Whether it was killed."""
        return self.status == -signal.SIGKILL


class Forked:
    """A forked process at work.

    Args:
        pid: Its number.
        reading: The end of the pipe in which it says how it ended.
    """

    def __init__(self, pid: int, reading: int) -> None:
        self.pid, self._reading = pid, reading

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        os.kill(self.pid, signal.SIGKILL)  # until it is waited for, its number is nobody else's

    def end(self) -> Ended:
        """Wait for its end."""
        with os.fdopen(self._reading, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(self.pid, 0)
        ended = os.waitstatus_to_exitcode(status)
        return Ended(ended, *(pickle.loads(said) if said and ended >= 0 else ()))


def start(
    work: Callable[[], object],
    folder: Path | None = None,
    last: int | None = None,
    *,
    seconds: int = 600,
) -> Forked:
    """Start work in a forked process.

    Args:
        work: The work; what it returns is plain data.
        folder: The folder whose writes are counted; None to count none.
        last: Number of the write before which the process is killed; None to let it live.
        seconds: Seconds after which it ends in any case.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Forked(pid, reading)
    status = 1
    signal.alarm(seconds)
    try:
        os.close(reading)
        writes = Writes(folder or Path(), last)
        if folder is not None:
            writes.watch()
        said: tuple[Any, ...] = (writes.made, work())
        status = 0
    except BaseException:  # noqa: BLE001 - told to whoever waits
        said = ((), None, traceback.format_exc())
    try:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(said, pipe)
    finally:
        os._exit(status)


def carried_out(
    work: Callable[[], object], folder: Path | None = None, last: int | None = None
) -> Ended:
    """Carry work out in a forked process; see `start`."""
    return start(work, folder, last).end()


def demanded(ended: Ended) -> Ended:
    """A process that came to its end.

    Raises:
        BenchmarkError: It did not.
    """
    if ended.status != 0:
        raise BenchmarkError(f"A process ended with status {ended.status}.\n{ended.error}")
    return ended


def each_write(
    work: Callable[[], object], folder: Path, *, first: int = 1, every: int = 1
) -> Iterator[int]:
    """Carry work out again and again, each time killed some writes later, until it goes through.

    Args:
        work: The work.
        folder: The folder whose writes are counted.
        first: Number of the first write at which it is killed.
        every: How many writes later it is killed each time.

    Yields:
        The number of the write at which it was killed, to look at what is left then.

    Raises:
        BenchmarkError: It failed by itself.
    """
    last = first
    while (ended := carried_out(work, folder, last)).was_killed:
        yield last
        last += every
    demanded(ended)


# --- processes of an executor ---


@dataclass(frozen=True)
class _Interrupted:
    """A function of units, whose process counts its writes from its first task on."""

    function: Callable[..., Any]
    folder: Path
    last: int
    mark: Path

    def __call__(self, live: LoadedVersion, task: Any) -> Any:
        _watch(self.folder, self.last, self.mark)
        return self.function(live, task)


@cache
def _watch(folder: Path, last: int, mark: Path) -> None:
    Writes(folder, last, mark).watch()


@dataclass(frozen=True)
class Interrupting:
    """An executor of whose processes one is killed at a write, once.

    Attributes:
        executor: Processes that are not this one.
        folder: The folder whose writes are counted, in each process by itself.
        last: Number of the write.
        mark: A file that the kill makes, outside of the folder.
    """

    executor: Executor
    folder: Path
    last: int
    mark: Path

    def map(
        self,
        function: Work[Task, Result],
        live: LoadedVersion,
        tasks: Sequence[Task],
        tries: int = TRIES,
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        interrupted: Work[Task, Result] = _Interrupted(function, self.folder, self.last, self.mark)
        return self.executor.map(interrupted, live, tasks, tries)


# --- statements to a database ---


def kill_before(is_last: Callable[[str], bool]) -> None:
    """Have this process killed before the first statement to a database of which that is true."""

    @event.listens_for(sqlalchemy.Engine, "before_cursor_execute")
    def look(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if is_last(statement):
            os.kill(os.getpid(), signal.SIGKILL)


def kill_at(number: int) -> None:
    """Have this process killed before its statement of this number."""
    numbers = iter(range(1, number + 1))
    kill_before(lambda _statement: next(numbers) == number)
