"""Writes: what a process changes on disk, counted, and a process that is killed at one of them."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event

_PATHS = {
    "os.rename": slice(1, 2),
    "os.link": slice(1, 2),
    "os.mkdir": slice(1),
    "os.remove": slice(1),
    "os.rmdir": slice(1),
    "open": slice(1),
}
"""Audit events, and which of their arguments are paths that change."""
_CHANGED = "tests.stateful.changed"
"""Set in what is known of a database connection whose transaction has changed something."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Writes:
    """Counts this process's writes below a folder; kills it before the one of a number.

    A write is a file or folder that is made, moved to its place, linked or removed, or a commit of
    changes to MLflow's database. A file that is opened to be written to counts twice: the process
    may be killed before it, and when half of the file is written. Files that nobody reads under
    their names (hidden ones, on the way to their place) do not count, nor do Dagster's own:
    nothing of Lockstep's relies on them.

    Args:
        home: The folder.
        last: Number of the write before which the process is killed, from 1; None to let it live.
    """

    def __init__(self, home: Path, last: int | None) -> None:
        self.count = 0
        self._home, self._dagster = f"{home}{os.sep}", f"{home / 'dagster'}{os.sep}"
        self._last = last

    def watch(self) -> None:
        """Begin; an audit hook stays for as long as the process lives."""
        sys.addaudithook(self._heed)
        event.listen(sqlalchemy.Engine, "before_cursor_execute", _heed_statement)
        event.listen(sqlalchemy.Engine, "commit", self._heed_commit)

    def _heed(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name not in _PATHS or (name == "open" and not arguments[2] & _WRITING):
            return
        paths = [path for path in arguments[_PATHS[name]] if self._counts(path)]
        if name == "os.mkdir" and any(map(os.path.isdir, paths)):
            return
        if paths:
            self._count()
        if paths and name == "open":
            self._count(half_written=Path(paths[0]))

    def _heed_commit(self, connection: sqlalchemy.Connection) -> None:
        has_changed = connection.info.pop(_CHANGED, False)
        if has_changed and self._counts(connection.engine.url.database):
            self._count()

    def _counts(self, path: object) -> bool:
        if not isinstance(path, str | os.PathLike):
            return False
        text = os.fspath(path)
        is_ours = text.startswith(self._home) and not text.startswith(self._dagster)
        return is_ours and not Path(text).name.startswith(".")

    def _count(self, *, half_written: Path | None = None) -> None:
        self.count += 1
        if self.count != self._last:
            return
        if half_written is not None:
            size = half_written.stat().st_size if half_written.exists() else 0
            half_written.touch()
            os.truncate(half_written, size // 2)
        os.kill(os.getpid(), signal.SIGKILL)


def _heed_statement(connection: sqlalchemy.Connection, _: object, statement: str, *__: Any) -> None:
    if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
        connection.info[_CHANGED] = True
