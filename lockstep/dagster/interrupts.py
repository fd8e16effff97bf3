"""Interrupts: a Ctrl-C during a run of Dagster's is not lost."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_SIGNALS = 4096


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise an interrupt at the end, if one arrived within and Dagster forgot it.

    Dagster notes an interrupt and raises it before the next step; it forgets one that arrives after
    the last step. The interpreter writes every signal to the wakeup descriptor, whoever handles it
    (https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd).

    Raises:
        KeyboardInterrupt: An interrupt arrived.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    reading, writing = socket.socketpair()
    with reading, writing:
        for end in (reading, writing):
            end.setblocking(False)
        before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
        writing.close()
        if signal.SIGINT in reading.recv(_MOST_SIGNALS):
            raise KeyboardInterrupt
