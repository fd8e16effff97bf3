"""Processes: which one did something, and whether it lives."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STATE, _STARTED = 0, 19
"""Places in `/proc/PID/stat` after the name of the program."""
_ENDED = ("Z", "X")


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one with its number."""

    pid: int
    host: str  # the name of its machine
    started: int | None = None  # in ticks since its machine did; None where that is not known
    boot: str | None = None  # identifies that start of the machine; None likewise

    @classmethod
    def here(cls) -> Process:
        """This process."""
        pid = os.getpid()
        return cls(pid, gethostname(), _stat(pid)[1], _boot())

    @property
    def lives(self) -> bool | None:
        """Whether it lives; None of a process on another machine."""
        if self.host != gethostname():
            return None
        if self.boot not in (None, _boot()) or not _is_process(self.pid):
            return False
        state, started = _stat(self.pid)
        return state not in _ENDED and self.started in (None, started)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _is_process(pid: int) -> bool:
    """Whether this machine has a process of a number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _boot() -> str | None:
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return None


def _stat(pid: int) -> tuple[str | None, int | None]:
    """The state of a process, and when it started; None twice where the machine does not say."""
    with suppress(OSError, ValueError, IndexError):
        # The name before may hold anything, brackets and spaces included.
        after = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return after[_STATE].decode(), int(after[_STARTED])
    return None, None
