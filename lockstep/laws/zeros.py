"""Zeros: a number is 0 only where another one is, such as the value of what was not sold.

Where 0 stands for none, as a default or after a time-out, or small numbers are told as 0, each 0 is
a value that is there every day, and more of them are not many. What gives them away is that what
goes with 0 does not: a line with a quantity has a value, and calm air has no direction (a
conditional conformance constraint: Fariha et al., "Conformance constraint discovery", SIGMOD 2021).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from lockstep.columns.kinds import Array, Ints
from lockstep.columns.plain import counted
from lockstep.laws.bands import days_like, training_days
from lockstep.laws.copies import is_more
from lockstep.laws.glance import Glance, glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

EXCEPTIONS = 0.1
"""Share of the rows in which one number is 0, in which the other one is not, at most."""
OTHERWISE = 0.5
"""Share of the other rows in which that one is 0, at most: one that mostly is tells nothing."""
ENOUGH = 0.02
"""Share of a day's rows that it takes: fewer may be of one record that was joined to them."""


class ZeroTogether(Law, frozen=True, kw_only=True, tag="zero together"):
    """The first number is 0 only where the second one is.

    Attributes:
        most: In how many rows of a training day it was 0 alone, at most.
        size: Rows of the smallest and of the largest training day.
    """

    most: int
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is 0 only where {self.columns[1]} is"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; the first day on which it is 0 alone in far more rows than ever."""
        for part in days_like(rows, self.size):
            seen = glance(part.rows)
            is_alone = _zero(seen, self.columns[0]) & _other(seen, self.columns[1])
            count = int(np.count_nonzero(is_alone))
            if count < ENOUGH * len(seen) or not is_more(count, max(self.most, 1)):
                continue
            found = seen.all_positions(is_alone)
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{self.says}, but for {counted(self.most, 'row')} of a training day at "
                f"most; today {counted(count, 'row')} of {len(seen):,} have another "
                f"{self.columns[1]}",
                rows=found if part.positions is None else part.positions[found],
                strict=self.is_strict,
                numbers={"0 alone": count},
            )
        return None

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return sum(len(glance(part.rows)) for part in days_like(rows, self.size))


def _zero(seen: Glance, column: str) -> Array:
    """Where a number is 0."""
    return seen.rows.once(("is 0", column), lambda: seen.numbers(column) == 0)


def _other(seen: Glance, column: str) -> Array:
    """Where a number is known, and not 0."""
    return ~_zero(seen, column) & ~seen.missing(column)


def discover(training: TrainingRows) -> list[ZeroTogether]:
    """Find the numbers that are 0 only where others are.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days or not training.has_days:
        return []
    names = number_columns(training.rows.schema)
    seen = [glance(day) for day in days]
    zeros = {name: np.array([_zero(one, name).sum() for one in seen]) for name in names}
    often = [name for name in names if np.count_nonzero(zeros[name]) >= ENOUGH_DAYS]
    return list(_found(seen, often, zeros))


def _found(seen: list[Glance], names: list[str], zeros: dict[str, Ints]) -> Iterator[ZeroTogether]:
    size = (min(map(len, seen)), max(map(len, seen)))
    rows = sum(map(len, seen))
    for first, second in permutations(names, 2):
        alone = np.array([np.sum(_zero(one, first) & _other(one, second)) for one in seen])
        if alone.sum() > EXCEPTIONS * zeros[first].sum():
            continue
        both = sum(int(np.sum(_zero(one, first) & _zero(one, second))) for one in seen)
        others = rows - int(zeros[first].sum())
        is_telling = both >= (1 - EXCEPTIONS) * zeros[first].sum() and (
            int(zeros[second].sum()) - both <= OTHERWISE * others
        )
        if is_telling:
            yield ZeroTogether(
                columns=(first, second), days=len(seen), most=int(alone.max()), size=size
            )
