"""Supervision: programs that run beside this process, end with it, and are started again.

Log files keep their output.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import IO

from lockstep.cli.guard import STOP_SECONDS, Guard, signal_group
from lockstep.serving.pauses import FIRST_PAUSE, Pauses

_LAST_WORDS_SECONDS = 0.3
"""How long to wait for their last output: their children may hold it open."""
_LOG_BYTES = 5_000_000
_LOG_FILES = 3
"""Older files that are kept of each log."""
_LAST_LINES = 15


@dataclass(frozen=True)
class Program:
    """A program that runs beside this process."""

    name: str  # its name for people, such as `"MLflow"`
    command: Sequence[str]
    log: Path

    @property
    def last_words(self) -> str:
        """The last lines of its output."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_LAST_LINES:])


class Processes:
    """Programs that run, each the head of a group of processes of its own."""

    def __init__(self, environment: Mapping[str, str], root: Path, guard: Guard) -> None:
        self._environment, self._root, self._guard = environment, root, guard
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._keepers: dict[str, threading.Thread] = {}

    def start(self, program: Program) -> None:
        """Start a program, once the group of its earlier process is killed."""
        before = self._running.get(program.name)
        if before is not None:
            signal_group(before.pid, signal.SIGKILL)
            before.wait()
            self._guard.leave(before.pid)
        process = subprocess.Popen(
            program.command,
            cwd=self._root,
            env=self._environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=self._guard.enter,  # noqa: PLW1509 - one system call, which takes no lock of another thread
        )
        self._running[program.name] = process
        self._keepers[program.name] = _keep(process, program.log)

    def status(self, program: Program) -> int | None:
        """The exit status of a program that stopped; None while it runs."""
        return self._running[program.name].poll()

    def await_last_words(self, program: Program) -> None:
        """Wait a moment until the last output of a program is in its log."""
        self._keepers[program.name].join(_LAST_WORDS_SECONDS)

    def end(self) -> None:
        """Interrupt all programs, and kill those that do not end in time."""
        running = self._running.values()
        for process in running:
            signal_group(process.pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in running:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        for keeper in self._keepers.values():
            keeper.join(max(0.0, deadline - time.monotonic()))


@contextmanager
def ending_together(environment: Mapping[str, str], root: Path) -> Iterator[Processes]:
    """Processes that end with the context, or when this process is killed.

    SIGINT and SIGTERM interrupt the context.
    """
    guard = Guard()
    processes = Processes(environment, root, guard)
    # A shell starts what it runs in the background with SIGINT ignored.
    with _handled(_interrupt):
        try:
            yield processes
        finally:
            with _handled(signal.SIG_IGN):  # a second Ctrl-C would leave some behind
                processes.end()
                guard.close()


@dataclass
class _State:
    """A program's last start, its pauses, and its next start, which is None while it runs."""

    since: float
    pauses: Pauses = field(default_factory=Pauses)
    due: float | None = None


class Supervisor:
    """Starts programs again that stopped, after pauses that double while they keep stopping."""

    def __init__(
        self,
        processes: Processes,
        programs: Sequence[Program],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes, self._clock = processes, clock
        self._states = [(program, _State(clock())) for program in programs]

    def lines(self) -> Iterator[str]:
        """Look after all programs; yields messages about them, in lines for a console."""
        for program, state in self._states:
            if state.due is not None:
                self._start_if_due(program, state)
                continue
            status = self._processes.status(program)
            if status is not None:
                yield from self._stopped(program, state, status)

    def start_anew(self, names: Collection[str]) -> Iterator[str]:
        """Start programs by their names at once, those that run but hang too; yields lines."""
        for program, state in self._states:
            if program.name in names:
                state.since, state.due = self._clock(), None
                self._processes.start(program)
                yield f"{datetime.now().astimezone():%H:%M:%S}  {program.name} is started anew."

    def _start_if_due(self, program: Program, state: _State) -> None:
        now = self._clock()
        if state.due is not None and now >= state.due:
            state.since, state.due = now, None
            self._processes.start(program)

    def _stopped(self, program: Program, state: _State, status: int) -> Iterator[str]:
        now = self._clock()
        pause = state.pauses.after(now - state.since)
        state.due = now + pause
        time_of_day = f"{datetime.now().astimezone():%H:%M:%S}"
        yield (
            f"{time_of_day}  {program.name} stopped ({ending(status)}); it starts again in "
            f"{pause:.0f} s. Its log: {program.log}"
        )
        if pause == FIRST_PAUSE:
            self._processes.await_last_words(program)
            yield program.last_words


def ending(status: int) -> str:
    """The exit status of a process, in words."""
    return f"status {status}" if status >= 0 else f"signal {-status}"


def _keep(process: subprocess.Popen[bytes], file: Path) -> threading.Thread:
    """Append the output of a process to a file, which is rotated when it is large."""
    thread = threading.Thread(target=_copy_lines, args=(process.stdout, file), daemon=True)
    thread.start()
    return thread


def _copy_lines(output: IO[bytes], file: Path) -> None:
    log = RotatingFileHandler(
        file, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", errors="replace"
    )
    with output:
        for line in output:
            text = line.decode(errors="replace").rstrip("\n")
            log.emit(logging.makeLogRecord({"msg": text}))
    log.close()


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
