"""Locks: one process at a time works on a partition; a killed process holds none.

They hold between machines, too, where these share a file system that hands `flock` on to its
server, as NFS does from version 4 on.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import TextIO

import msgspec

from lockstep.errors import LockedError
from lockstep.store.disks import as_private_as_folder, make_folder
from lockstep.store.processes import Process

WAIT_SECONDS = 60.0
"""Seconds that a second process waits: longer than scoring a day, shorter than one's patience."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    pid: int
    since: str  # in ISO form
    host: str  # the name of its machine

    @classmethod
    def here(cls) -> Holder:
        """This process, from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), since, gethostname())

    def __str__(self) -> str:
        return f"{Process(self.pid, self.host)} since {self.since}"


@contextmanager
def locked(path: Path, what: str, *, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold a lock; the kernel releases it when the process ends in any way (`flock`).

    The file is never removed: that would let in two processes. `what` names the lock's subject in a
    few words, for the LockedError that is raised when another process still holds it after `wait`
    seconds.
    """
    make_folder(path.parent)
    with path.open("a+", encoding="utf-8") as file:
        as_private_as_folder(path, path.parent)
        until = time.monotonic() + wait
        while not _try(file):
            if time.monotonic() >= until:
                raise LockedError(
                    f"{what} is being worked on by {holder(path) or 'another process'}; wait for "
                    "it to end, or end it, and try again."
                )
            time.sleep(_POLL_SECONDS)
        file.truncate(0)
        file.write(json.dumps(asdict(Holder.here())) + "\n")
        file.flush()
        os.fsync(file.fileno())  # other machines see it from now on
        try:
            yield
        finally:
            file.truncate(0)


def holder(path: Path) -> Holder | None:
    """The process that holds a lock now; None without one, or if it has not signed yet."""
    try:
        with path.open("r", encoding="utf-8") as file:
            if _try(file, fcntl.LOCK_SH):
                return None
            signed = file.read()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    with suppress(ValueError):  # it is being signed, or was damaged
        return msgspec.json.decode(signed, type=Holder)  # earlier ones say more
    return None


def is_held(path: Path) -> bool:
    """Whether a process holds a lock now."""
    try:
        with path.open("r", encoding="utf-8") as file:
            return not _try(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _try(file: TextIO, kind: int = fcntl.LOCK_EX) -> bool:
    """Take a lock unless another process has one; to look, a shared one: NFS demands no more."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
