"""Draining: how a server that is told to stop leaves without a request lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def draining(begin: Callable[[], None], seconds: float) -> Iterator[None]:
    """Leave in two steps where the process is told to stop.

    On the first signal the server says that it is not ready and goes on to answer, for as long as
    a load balancer takes to notice. Then whoever handled the signal before gets it, which closes
    the port. Ctrl-C, or a second signal, closes it at once.

    It is entered in the event loop of the main thread, after the server has set its own handlers.

    Args:
        begin: Makes the server say that it is not ready.
        seconds: For how long it goes on to answer.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stops: dict[int, Handler] = {number: stop for number, stop in before.items() if callable(stop)}
    is_told = False

    def leave(number: int, frame: FrameType | None) -> None:
        nonlocal is_told
        waits = seconds > 0 and number == signal.SIGTERM and not is_told
        is_told = True
        begin()
        if waits:
            loop.call_soon_threadsafe(loop.call_later, seconds, stops[number], number, None)
        else:
            stops[number](number, frame)

    for number in stops:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, stop in stops.items():
            signal.signal(number, stop)
