"""The progress of a command, on a terminal only."""

from __future__ import annotations

import os
import sys
from io import UnsupportedOperation
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lockstep.cli.console import OUT, PlainConsole


class Bar:
    """A bar over the steps of one run or of several; it disappears at the end."""

    def __init__(self, runs: int, steps: int, *, shown: bool = True) -> None:
        self._runs, self._steps = runs, steps
        self._run = self._step = 0
        self._title = ""
        self._shown = shown and sys.stdout.isatty() and not OUT.is_dumb_terminal
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            console=_outside_of_steps(),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not self._shown,
        )
        self._task = self._progress.add_task("loading", total=runs * steps)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, title: str) -> None:
        """Show that the next run begins, even if the last one broke off."""
        self._run += 1
        self._step = 0
        count = f" ({self._run} of {self._runs})" if self._runs > 1 else ""
        self._title = f"{title}{count}"
        self._show(self._title)

    def step(self, asset: str) -> None:
        """Show that the next step of the run begins."""
        self._step += 1
        self._show(f"{self._title}: {asset}")

    def say(self, text: str) -> None:
        """Print a line of plain text above the bar."""
        self._progress.console.print(text, soft_wrap=True, markup=False)

    def _show(self, description: str) -> None:
        done = (self._run - 1) * self._steps + max(0, self._step - 1)
        self._progress.update(self._task, description=description, completed=done, refresh=True)


def _outside_of_steps() -> Console:
    """Standard output itself: while a step runs, what goes to it is Dagster's to log."""
    try:
        copy = os.dup(sys.stdout.fileno())
    except UnsupportedOperation:  # no file: something in this process reads it
        return OUT
    stream = os.fdopen(copy, "w", encoding=sys.stdout.encoding)
    return PlainConsole(file=stream, width=OUT.width, height=OUT.height, highlight=False)
