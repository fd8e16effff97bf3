"""The guard: ends groups of processes when the process that started them is gone.

It is a process of its own. Its standard input is a pipe with the numbers of the groups to end. The
process that starts the groups holds the other end, and so does each group's head until it has sent
its number: the input ends when nobody is left who could start another group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection

STOP_SECONDS = 2.0
"""Seconds that processes have to end by themselves."""
_LOOK_SECONDS = 0.05


class Guard:
    """A guard that runs until this process is gone, or closes it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._pipe = self._process.stdin.fileno()

    def enter(self) -> None:
        """Have the group of this process ended; called in its head before that runs its program."""
        self._tell(f"+{os.getpid()}")

    def leave(self, group: int) -> None:
        """Leave a group alone: it has ended, and its number may be given to another."""
        self._tell(f"-{group}")

    def close(self) -> None:
        """End the guard, and leave all groups alone."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> None:
        os.write(self._pipe, f"{line}\n".encode())  # so short a write to a pipe is atomic


def signal_group(group: int, number: int) -> bool:
    """Signal all processes of a group; 0 is no signal. Returns whether the group has a process."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _end(groups: Collection[int]) -> None:
    """Interrupt groups of processes, and kill those that do not end in time."""
    for group in groups:
        signal_group(group, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while any(signal_group(group, 0) for group in groups) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    for group in groups:
        signal_group(group, signal.SIGKILL)


def _watch() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    _end(groups)


if __name__ == "__main__":
    _watch()
