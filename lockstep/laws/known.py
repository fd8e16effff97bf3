"""Known numbers: a column of few different numbers, of which training had nearly all.

Numbers of things that there are a few kinds of (seats, routes, years, compass points) come again
day after day. How many rows of a day have one that no day before it had is small then, and what
was multiplied, moved or made of other units is new in far more of them, wherever it lies. Numbers
without gaps, such as of the wind in whole knots, may go on in another season.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array
from lockstep.columns.plain import show
from lockstep.laws.bands import Band, Banded, Reading, had_before, share, training_days, with_bands
from lockstep.laws.glance import glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.rows import Rows, TrainingRows

MOST_NUMBERS = 2_000
"""Different numbers that are known one by one."""
ENOUGH_NUMBERS = 20
"""Different numbers that it takes: of a few, such as the offsets of clocks, another one may be that
of a season."""
MOST_NEW = 0.05
"""Share of any training day that was new from which on what is new tells nothing."""
ENOUGH_ROWS = 20
"""Rows with a number that their share takes."""
FILLED = 0.9
"""Share of the steps between the least and the largest number from which on they have no gap."""
OFF = 0.02
"""How far off a step a number may be, in steps."""
FAR_TIMES = 10.0
FAR_BEYOND = 0.02
"""How many times the largest share of a training day, and what share of the rows beyond, no new
kind of thing explains."""
_NEW = "new numbers"


class KnownNumbers(Banded, frozen=True, kw_only=True, tag="known numbers"):
    """Numbers of a column are those that training had.

    Attributes:
        numbers: These, in order.
    """

    binds: ClassVar[bool] = False

    only_above: ClassVar[bool] = True

    numbers: tuple[float, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Numbers of {self.columns[0]} are those that there were."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        return _read(rows, self.columns[0], self._new(rows))

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        found = glance(rows).rows.values(self.columns[0]).found[self._new(rows)]
        return (
            f"{reading.value:.1%} of {self.columns[0]} are numbers that training never had, such "
            f"as {show(found[0])}; on training days at most {usual.highest:.1%} were new"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        return seen.all_positions(
            np.r_[self._new(rows), False][seen.rows.values(self.columns[0]).places]
        )

    def find(self, rows: Rows) -> Broken | None:
        """See `Banded.find`; what is unusual, and more than comes into the world, cannot be."""
        found = super().find(rows)
        if found is None or found.strict:
            return found
        most = FAR_TIMES * self.bands[_NEW].highest + FAR_BEYOND
        return replace(found, strict=self.days >= ENOUGH_DAYS and found.numbers[_NEW] > most)

    def _new(self, rows: Rows) -> Array:
        """Which of the numbers there are were not in training, nor go on where these end."""
        numbers, known = _numbers(rows, self.columns[0]), np.array(self.numbers)
        return ~np.isin(numbers, known) & ~_go_on(numbers, known)


def _numbers(rows: Rows, column: str) -> Array:
    """The numbers that there are, each once."""
    return glance(rows).rows.values(column).found.astype(np.float64)


def _go_on(numbers: Array, known: Array) -> Array:
    """Which numbers lie beyond others, on their steps and no farther than these reach.

    Where others have hardly a gap, as what is measured in steps, another season goes on with them.
    """
    if has_gaps(known):
        return np.zeros(len(numbers), dtype=bool)
    step, reach = float(np.diff(known).min()), float(known[-1] - known[0])
    is_beyond = (numbers < known[0]) | (numbers > known[-1])
    is_near = (numbers >= known[0] - reach) & (numbers <= known[-1] + reach)
    places = (numbers - known[0]) / step
    found: Array = is_beyond & is_near & (np.abs(places - np.round(places)) < OFF)
    return found


def has_gaps(known: Array) -> bool:
    """Whether numbers, in order, leave out many of the steps from the least to the largest."""
    reach = float(known[-1] - known[0])
    return len(known) < FILLED * (reach / float(np.diff(known).min()) + 1)


def _read(rows: Rows, column: str, is_new: Array) -> dict[str, Reading]:
    counts = glance(rows).counts(column)
    total = int(counts.sum())
    return {_NEW: share(float(counts[is_new].sum()), total)} if total >= ENOUGH_ROWS else {}


def discover(training: TrainingRows) -> list[KnownNumbers]:
    """Find the columns of few different numbers.

    Args:
        training: The training rows.
    """
    return list(found(training))


def found(training: TrainingRows) -> tuple[KnownNumbers, ...]:
    """The columns of few different numbers; looked for once.

    Args:
        training: The training rows.
    """
    return training.rows.once("known numbers", lambda: tuple(_found(training)))


def _found(training: TrainingRows) -> Iterator[KnownNumbers]:
    days = training_days(training)
    for name in number_columns(training.rows.schema) if days else ():
        law = _law(name, training, days)
        if law is not None:
            yield law


def _law(column: str, training: TrainingRows, days: list[Rows]) -> KnownNumbers | None:
    numbers = np.unique(training.rows.values(column).found.astype(np.float64))
    if not ENOUGH_NUMBERS <= len(numbers) <= MOST_NUMBERS:
        return None
    there = [_numbers(day, column).tolist() for day in days]
    occurs = Counter(number for of_day in there for number in of_day)
    only_there = frozenset(number for number, times in occurs.items() if times == 1)
    measured = []
    for day, of_day, before in zip(days, there, had_before(there), strict=True):
        new = only_there if before is None else frozenset(of_day) - before
        measured.append(_read(day, column, np.array([one in new for one in of_day], dtype=bool)))
    if any(one.value > MOST_NEW for told in measured for one in told.values()):
        return None
    law = KnownNumbers(columns=(column,), days=0, numbers=tuple(numbers.tolist()))
    return with_bands(law, measured, days)
