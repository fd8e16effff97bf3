"""The process of the challenger, in which nothing that it does harms a request.

A server starts it, with one end of a pair of sockets:

    python -c "from lockstep.serving.shadow.challenger_process import main; main()" HANDLE TABLES

It ends when the other end is closed, which is when the server is gone, however that ended.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lockstep.artifacts.pointers import ListedVersion
from lockstep.columns.schema import Schema
from lockstep.errors import GoneError, LockstepError, NotStoredError, RefusedChallengerError
from lockstep.serving.shadow.challenger_comparison import ComparedRows, Rows, compare_rows
from lockstep.serving.versions.proving import load
from lockstep.serving.versions.request_scorer import Scorer
from lockstep.serving.versions.served_tables import ServedTable, ServedTables
from lockstep.store.ledgers import Ledger
from lockstep.tables.layered import LayeredRows

_PROGRAM = "from lockstep.serving.shadow.challenger_process import main; main()"
_LONGEST_SECONDS = 120.0
"""How long the process may take for an answer."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contract:
    """The inputs and outputs of the challenger."""

    record: Schema
    outputs: tuple[str, ...]


class ChallengerProcess:
    """A process with a challenger. Its methods block; call them in a thread of their own.

    They raise GoneError where the process has ended, or does not answer.
    """

    def __init__(self, tables: ServedTables | None = None) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            handle = theirs.fileno()
            named = () if tables is None else (str(tables.root), *tables.on_disk)
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(handle), *named],
                stdin=subprocess.DEVNULL,
                pass_fds=(handle,),
            )
        self._connection: Connection[Any, Any] = Connection(ours.detach())

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def load(self, stored: ListedVersion) -> Contract:
        """Have it load and prove a version; RefusedChallengerError says why it cannot be used."""
        response = self._ask(stored)
        if isinstance(response, Contract):
            return response
        raise RefusedChallengerError(str(response))

    def compare(self, parts: Sequence[Rows]) -> ComparedRows:
        """Have it score and compare rows."""
        response = self._ask(Rows.together(parts))
        assert isinstance(response, ComparedRows), response
        return response

    def stop(self) -> None:
        """End it at once; waiting calls raise GoneError."""
        self._process.kill()
        self._process.wait()

    def _ask(self, asked: ListedVersion | Rows) -> Any:
        try:
            self._connection.send(asked)
            if not self._connection.poll(_LONGEST_SECONDS):
                raise GoneError(f"The challenger takes more than {_LONGEST_SECONDS:g} seconds.")
            return self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.kill()
            status = self._process.wait()
            raise GoneError(f"The process of the challenger ended with {status}.") from error


def answer(connection: Connection[Any, Any], tables: ServedTables | None) -> None:
    """Answer the server until it is gone."""
    scorer: Scorer | None = None
    with suppress(EOFError, ConnectionError):
        while True:
            asked = connection.recv()
            if isinstance(asked, ListedVersion):
                scorer, response = _loaded(asked, tables)
                connection.send(response)
            else:
                assert scorer is not None, "a challenger is loaded before it is asked"
                connection.send(_compared(scorer, asked))


def _loaded(
    stored: ListedVersion, tables: ServedTables | None
) -> tuple[Scorer | None, Contract | str]:
    try:
        scorer = load(stored, tables=tables)
    except LockstepError as error:
        return None, str(error)
    pipeline = scorer.pipeline
    return scorer, Contract(pipeline.record_schema, tuple(pipeline.graph.outputs))


def _compared(scorer: Scorer, rows: Rows) -> ComparedRows:
    try:
        with _as_answered(scorer, rows):
            return compare_rows(scorer, rows)
    except Exception:
        log.exception("the challenger, version %s, cannot score rows", scorer.loaded.version)
        return ComparedRows(rows=0, refused=0, failed=len(rows), seconds=0.0)


def _as_answered(scorer: Scorer, rows: Rows) -> AbstractContextManager[object]:
    """Have a challenger read the tables as they were when the live version answered rows.

    A table of which it has another ledger, since it declares it otherwise, is read as it is now.
    """
    if scorer.tables is None:
        return nullcontext()
    read = {
        name: _read(table, rows.tables.get(name)) for name, table in scorer.tables.tables.items()
    }
    return scorer.tables.batch(read)


def _read(table: ServedTable, version: str | None) -> LayeredRows:
    table.follow()
    rows = table.look()
    if version in (None, rows.version):
        return rows
    try:
        return _rows_at(table.ledger, version)
    except NotStoredError:
        return rows


@lru_cache(maxsize=8)
def _rows_at(ledger: Ledger, version: str) -> LayeredRows:
    return LayeredRows(ledger.rows(version))


def main() -> None:
    """Run the process of a challenger."""
    from lockstep.columns.threads import set_blas_threads
    from lockstep.serving.logs import log_to_stderr

    os.nice(10)  # answering requests comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    set_blas_threads()
    log_to_stderr()
    _, handle, *named = sys.argv
    answer(Connection(int(handle)), ServedTables(Path(named[0]), named[1:]) if named else None)
