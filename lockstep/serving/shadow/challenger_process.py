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
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lockstep.artifacts.listing import ListedVersion
from lockstep.columns.schema import Schema
from lockstep.errors import GoneError, LockstepError, RefusedChallengerError
from lockstep.serving.shadow.challenger_comparison import ComparedRows, Rows, compare_rows
from lockstep.serving.versions.proving import load
from lockstep.serving.versions.request_scorer import Scorer
from lockstep.serving.versions.served_tables import ServedTables

_PROGRAM = "from lockstep.serving.shadow.challenger_process import main; main()"
_LONGEST_SECONDS = 120.0
"""How long the process may take for an answer."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contract:
    """The inputs and outputs of the challenger.

    Attributes:
        record: The schema of its record.
        outputs: Names of its outputs.
    """

    record: Schema
    outputs: tuple[str, ...]


class ChallengerProcess:
    """A process with a challenger. Its methods block; call them in a thread of their own.

    Args:
        tables: The tables that it reads, as the server has them; None for none.
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
        """Have it load and prove a version.

        Raises:
            RefusedChallengerError: The version cannot be used; with the reason.
            GoneError: The process has ended, or does not answer.
        """
        response = self._ask(stored)
        if isinstance(response, Contract):
            return response
        raise RefusedChallengerError(str(response))

    def compare(self, parts: Sequence[Rows]) -> ComparedRows:
        """Have it score and compare rows.

        Raises:
            GoneError: The process has ended, or does not answer.
        """
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
    """Answer the server until it is gone.

    Args:
        connection: The connection to it.
        tables: The tables that challengers read, each as of the moment in which they score.
    """
    scorer: Scorer | None = None
    with suppress(EOFError, ConnectionError):
        while True:
            asked = connection.recv()
            if isinstance(asked, ListedVersion):
                scorer, response = _loaded(asked, tables)
                connection.send(response)
            else:
                assert scorer is not None, "a challenger is loaded before it is asked"
                for table in scorer.tables.tables.values() if scorer.tables is not None else ():
                    table.follow()
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
        return compare_rows(scorer, rows)
    except Exception:
        log.exception("the challenger, version %s, cannot score rows", scorer.loaded.version)
        return ComparedRows(rows=0, refused=0, failed=len(rows), seconds=0.0)


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
