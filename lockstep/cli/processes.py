"""Processes that start together and end together, and what they say, kept in files."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import IO

Processes = Mapping[str, "subprocess.Popen[bytes]"]

_STOP_SECONDS = 2.0
"""How long they are given to end by themselves."""
_LAST_WORDS_SECONDS = 0.3
"""How long it is waited for what they said last; what they started may hold their output open."""
_LOG_BYTES = 5_000_000
_LOG_FILES = 3
"""Older files that are kept of each log."""
_SIGNAL_AT_PARENTS_END = 1
"""`PR_SET_PDEATHSIG` of Linux."""


@contextmanager
def running(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], root: Path, logs: Path
) -> Iterator[Processes]:
    """Start processes, each the head of a group of its own, and end all groups at the end.

    SIGINT and SIGTERM interrupt what is done meanwhile. On Linux the processes end also when this
    one is killed.

    Args:
        commands: What to run, by a name that is that of the log, too.
        environment: Their environment.
        root: The folder that they run in.
        logs: Folder of the files that keep what they say.
    """
    logs.mkdir(parents=True, exist_ok=True)
    started: dict[str, subprocess.Popen[bytes]] = {}
    keepers: list[threading.Thread] = []
    # A shell starts what it runs in the background with SIGINT ignored.
    with _handled(_interrupt):
        try:
            for name, command in commands.items():
                started[name] = _start(command, environment, root)
            for name, process in started.items():
                keepers.append(_keep(process, log_file(logs, name)))
            yield started
        finally:
            with _handled(signal.SIG_IGN):  # one who is impatient would leave some behind
                _end(list(started.values()))
                _await_last_words(keepers)


def log_file(logs: Path, name: str) -> Path:
    """The file that keeps what a process says."""
    return logs / f"{name.lower()}.log"


def _start(
    command: Sequence[str], environment: Mapping[str, str], root: Path
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no thread yet
    )


def _end_with_parent() -> None:
    """Have Linux end this process when the one that started it is gone, however that ended."""
    ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_END, signal.SIGTERM)


def _keep(process: subprocess.Popen[bytes], file: Path) -> threading.Thread:
    """Append what a process says to a file, which is put aside when it is large."""
    thread = threading.Thread(target=_copy_lines, args=(process.stdout, file), daemon=True)
    thread.start()
    return thread


def _copy_lines(said: IO[bytes], file: Path) -> None:
    log = RotatingFileHandler(
        file, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", errors="replace"
    )
    with said:
        for line in said:
            text = line.decode(errors="replace").rstrip("\n")
            log.emit(logging.makeLogRecord({"msg": text}))
    log.close()


def _await_last_words(keepers: Sequence[threading.Thread]) -> None:
    deadline = time.monotonic() + _LAST_WORDS_SECONDS
    for keeper in keepers:
        keeper.join(max(0.0, deadline - time.monotonic()))


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt groups of processes, and kill what is left of them after some time."""
    for process in processes:
        _signal_group(process, signal.SIGINT)
    deadline = time.monotonic() + _STOP_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
    for process in processes:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, handled in zip(numbers, before, strict=True):
            signal.signal(number, handled)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
