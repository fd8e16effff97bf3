"""The follower of a server: the process that asks the registry, kept running beside it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockstep.serving.pauses import FIRST_PAUSE, Pauses

_log = logging.getLogger(__name__)


@contextmanager
def followed(pipeline: str, home: Path, seconds: float) -> Iterator[None]:
    """Have the registry asked, for as long as the context lasts, by a process of its own.

    The process ends with this one also where this one is killed.

    Args:
        pipeline: Name of the pipeline.
        home: The home.
        seconds: How often.
    """
    follower = Follower(
        [sys.executable, "-m", "lockstep.cli.follow", pipeline, str(home), str(seconds)]
    )
    follower.start()
    try:
        yield
    finally:
        follower.stop()


class Follower:
    """A process that is started again when it ends.

    Args:
        command: What to run. It has to end when its standard input does.
        first_wait: Seconds before it is started again the first time.
    """

    def __init__(self, command: list[str], first_wait: float = FIRST_PAUSE) -> None:
        self._command = command
        self._pauses = Pauses(first_wait)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="follower", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it, and look after it in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it at once, which SIGTERM would not where the environment ignores it."""
        self._stopping.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            with subprocess.Popen(self._command, stdin=subprocess.PIPE) as self._process:
                if self._stopping.is_set():
                    self._process.kill()
                status = self._process.wait()
            self._process = None
            wait = self._pauses.after(time.monotonic() - begun)
            if self._stopping.wait(0):
                return
            _log.error(
                "the process that asks the registry ended with status %s; it is started again in "
                "%g s",
                status,
                wait,
            )
            self._stopping.wait(wait)
