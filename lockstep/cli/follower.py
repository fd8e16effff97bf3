"""The follower of a server: a process beside it that reads the registry.

A server loads no MLflow: it reads what this process writes, the listing of versions and, once
another home has let a version serve and it is proven here, the file of the live one. The process
ends when its standard input does: when the server is gone, however that ended.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.cli.process import prepare_process
from lockstep.columns.address import Address
from lockstep.errors import LockstepError
from lockstep.serving.pauses import FIRST_PAUSE, Pauses

if TYPE_CHECKING:
    from lockstep.registry.live import Live

_LOOK_SECONDS = 0.1
"""How often to look whether the server answers."""
_ANSWER_SECONDS = 1.0
"""How long to wait for its answer."""
_LATEST_SECONDS = 60.0
"""Seconds after which the process is started even if the server does not answer."""
_ASKED = b"GET /ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
_log = logging.getLogger(__name__)


@contextmanager
def followed(
    pipeline: str,
    home: Path,
    seconds: float,
    address: tuple[str, int],
    trusted: Iterable[str] = (),
    registry: Address | None = None,
) -> Iterator[None]:
    """Run a follower of the registry for as long as the context lasts.

    It is started once the server answers, whatever it answers: until then it would only take the
    processor from the server. It ends with this process, even if this one is killed.

    Args:
        seconds: How often it reads the registry.
    """
    arguments = (pipeline, str(home), str(seconds), *trusted)
    follower = Follower(
        [sys.executable, "-m", "lockstep.cli.follower", *arguments],
        is_due=partial(answers, address),
        environment={} if registry is None else {"MLFLOW_TRACKING_URI": registry.full},
    )
    follower.start()
    try:
        yield
    finally:
        follower.stop()


def answers(address: tuple[str, int]) -> bool:
    """Whether a server answers at a host and port, even with a refusal."""
    try:
        with socket.create_connection(address, _ANSWER_SECONDS) as connection:
            connection.sendall(_ASKED)
            return bool(connection.recv(1))
    except OSError:
        return False


class Follower:
    """A process that is started again when it ends.

    It has to end when its standard input does. It is started again once `is_due` says so, and after
    a minute in any case.
    """

    def __init__(
        self,
        command: list[str],
        first_wait: float = FIRST_PAUSE,
        is_due: Callable[[], bool] = lambda: True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._is_due = command, is_due
        self._environment = {**os.environ, **(environment or {})}
        self._pauses = Pauses(first_wait)
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="follower", daemon=True)

    @property
    def pid(self) -> int | None:
        """The id of the process; None while none runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it, and look after it in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it at once, by a signal that cannot be ignored."""
        self._stopping.set()
        if self._process is not None:
            self._process.kill()
        self._thread.join()

    def _await(self) -> None:
        latest = time.monotonic() + _LATEST_SECONDS
        while time.monotonic() < latest and not self._is_due():
            if self._stopping.wait(_LOOK_SECONDS):
                return

    def _keep(self) -> None:
        self._await()
        while not self._stopping.is_set():
            begun = time.monotonic()
            with subprocess.Popen(
                self._command, stdin=subprocess.PIPE, env=self._environment
            ) as self._process:
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


def follow(pipeline: str, path: Path, seconds: float, trusted: Iterable[str] = ()) -> None:
    """Follow the registry, again and again after so many seconds.

    Each time, write the listing of the pipeline's versions, and take over the one that another home
    has let serve.
    """
    from lockstep.project.home import Home
    from lockstep.registry.listing import update_listing
    from lockstep.registry.live import Live

    home = Home(path, tuple(trusted))
    registry, listing = home.registry(), home.listing(pipeline)
    live = Live(registry, pipeline, home.live(pipeline))
    log, failing = logging.getLogger("lockstep.registry.follow"), ""
    while True:
        trouble = ""
        try:
            if update_listing(registry, pipeline, listing).trouble is None:
                trouble = _refusal(live)
        except OSError as error:  # a full disk, or a home that may only be read
            trouble = f"{listing} cannot be written: {error}"
        except LockstepError as error:
            trouble = str(error)
        if trouble and trouble != failing:
            log.error("%s", trouble)
        failing = trouble
        time.sleep(seconds)


def _refusal(live: Live) -> str:
    """Take over what was decided; why that cannot be, or nothing."""
    state = live.take_over()
    if state.refused is None or state.decided is None:
        return ""
    return (
        f"version {state.decided.version} was let serve by the gate of {state.decided.site}, but "
        f"is not proven here, and this home goes on as before: {state.refused}"
    )


def end_with_input() -> None:
    """End this process as soon as nobody can write to its standard input any more."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Follow the registry as the arguments of the process say."""
    from lockstep.serving.logs import log_to_stderr

    prepare_process()
    os.nice(5)  # answering requests comes first
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its server ends it
    log_to_stderr("lockstep.registry")
    threading.Thread(target=end_with_input, daemon=True).start()
    pipeline, home, seconds, *trusted = sys.argv[1:]
    follow(pipeline, Path(home), float(seconds), trusted)


if __name__ == "__main__":
    main()
