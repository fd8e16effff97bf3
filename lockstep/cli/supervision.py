"""Supervision: a program that stops by itself is told, and started again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lockstep.cli.processes import Processes, Program
from lockstep.serving.pauses import FIRST_PAUSE, Pauses


@dataclass
class _State:
    """How a program has been doing.

    Attributes:
        since: When it was started last.
        pauses: How long it is waited each time that it has stopped.
        due: When it is to be started again; None while it runs.
    """

    since: float
    pauses: Pauses = field(default_factory=Pauses)
    due: float | None = None


class Supervisor:
    """Starts programs again that stopped, after pauses that double as long as they keep stopping.

    Args:
        processes: Where they run; they have been started.
        programs: The programs.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        processes: Processes,
        programs: Sequence[Program],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes, self._clock = processes, clock
        self._states = [(program, _State(clock())) for program in programs]

    def lines(self) -> Iterator[str]:
        """Look after all of them: what there is to tell, in lines for a console."""
        for program, state in self._states:
            if state.due is not None:
                self._start_if_due(program, state)
                continue
            status = self._processes.status(program)
            if status is not None:
                yield from self._stopped(program, state, status)

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
            f"{time_of_day}  {program.name} stopped ({told(status)}); it starts again in "
            f"{pause:.0f} s. Its log: {program.log}"
        )
        if pause == FIRST_PAUSE:
            self._processes.await_last_words(program)
            yield program.last_words


def told(status: int) -> str:
    """The exit status of a process, for people."""
    return f"status {status}" if status >= 0 else f"signal {-status}"
