"""Runs: what is known of the progress of those whose attempts are not through."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from lockstep.overview.background import Question
from lockstep.store.status import RunProgress, Runs, nobody_knows

ReadRuns: TypeAlias = Callable[[Collection[str]], Mapping[str, RunProgress]]
"""Reads the progress of runs where they are recorded; it leaves out those that are not."""
_PATIENCE_SECONDS = 60.0
"""How long the last answer holds where no other comes; to import Dagster may take half of that."""


class AskedRuns:
    """The progress of runs, asked in the background."""

    def __init__(self, read: ReadRuns) -> None:
        self._read = read
        self._wanted: frozenset[str] = frozenset()
        self._question: Question[Mapping[str, RunProgress]] = Question(self._ask)

    def ask(self, runs: Collection[str], until: float) -> Runs:
        """Ask for the progress of runs, and wait until a time of the monotonic clock.

        Nobody is asked where none is wanted.
        """
        if not runs:
            return nobody_knows
        self._wanted = frozenset(runs)
        self._question.begin()
        seconds = self._question.seconds  # before: it may be answered from now on
        answer = self._question.answer(until)
        if seconds > _PATIENCE_SECONDS or (answer.trouble is not None and answer.at is not None):
            return nobody_knows
        if answer.value is None:
            return _not_asked if seconds else nobody_knows
        known = answer.value
        return lambda run: known.get(run, "not_asked")

    def _ask(self) -> Mapping[str, RunProgress]:
        wanted = self._wanted
        known = self._read(wanted)
        return {run: known.get(run, "unknown") for run in wanted}


def _not_asked(run: str) -> RunProgress:
    return "not_asked"
