"""Zeros: a number is 0 just where another one is, such as the value of what was not sold.

Where 0 stands for none, as a default or after a time-out, or small numbers are told as 0, each 0 is
a value that is there every day, and more of them are not many. What gives them away is that what
goes with 0 does not: a line with a quantity has a value, and calm air has no direction (a
conditional conformance constraint: Fariha et al., "Conformance constraint discovery", SIGMOD 2021).

A season makes zeros, too: it freezes in daylight, or little is sold of what there is. So both
numbers have to be 0 in the same rows, and it is an error only of a number whose zeros lie apart
from its other values: wind below a threshold is calm, and no line is worth a hundredth.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import counted
from lockstep.laws.bands import ERROR_RATE, days_like, training_days
from lockstep.laws.copies import is_more
from lockstep.laws.glance import Glance, glance, grain_of, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

EXCEPTIONS = 0.05
"""Share of the rows in which either number is 0, in which the other one is not, at most."""
ENOUGH = 0.02
"""Share of a day's rows that it takes: fewer may be of one record that was joined to them."""
NEAREST = 20
"""Values nearest to 0 that tell how far from each other such are."""
APART = 1.5
"""How many times as far as these are from each other the nearest one is from 0, so that 0 is no
value like others: next to it, or as a count is next to 1, a season makes them."""
ALIKE = 0.9
"""Share of the rows that break the law, and of the others, that a third number tells apart by 0."""


class ZeroTogether(Law, frozen=True, kw_only=True, tag="zero together"):
    """The first number is 0 only where the second one is.

    Attributes:
        most: In how many rows of a training day it was 0 alone, at most.
        is_apart: Whether its other values are farther from 0 than from each other.
        size: Rows of the smallest and of the largest training day.
    """

    most: int
    is_apart: bool = False
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is 0 only where {self.columns[1]} is"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; the first day on which it is 0 alone in far more rows than ever.

        Where a third number is 0 in just these rows, they are of another sort, such as samples,
        which have no price: a warning.
        """
        first, second = self.columns
        for part in days_like(rows, self.size):
            seen = glance(part.rows)
            is_alone = _zero(seen, first) & _other(seen, second)
            count = int(np.count_nonzero(is_alone))
            if count < ENOUGH * len(seen) or not is_more(count, max(self.most, 1)):
                continue
            found = seen.all_positions(is_alone)
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{self.says}, but today {first} is 0 in {counted(count, 'row')} of "
                f"{len(seen):,} where {second} is not; on training days in {self.most or 'none'}"
                f"{' at most' if self.most else ''}",
                rows=part.in_batch(found),
                strict=self.is_strict and self.is_apart and not self._is_of_a_sort(seen, is_alone),
                numbers={"0 alone": count},
            )
        return None

    def _is_of_a_sort(self, seen: Glance, is_alone: Array) -> bool:
        names = (name for name in number_columns(seen.rows.schema) if name not in self.columns)
        return any(
            _zero(seen, name)[is_alone].mean() >= ALIKE
            and _zero(seen, name)[~is_alone].sum() <= (1 - ALIKE) * (~is_alone).sum()
            for name in names
        )

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
    """Find the numbers that are 0 just where others are, each with the one that tells most.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days or not training.has_days:
        return []
    seen = [glance(day) for day in days]
    names = [
        name
        for name in number_columns(training.rows.schema)
        if sum(bool(_zero(one, name).any()) for one in seen) >= ENOUGH_DAYS
    ]
    if len(names) < 2:
        return []
    size = (min(map(len, seen)), max(map(len, seen)))
    counts = _Counts.of(seen, names)
    found = []
    for first, second in counts.pairs():
        is_apart = _is_apart(glance(training.rows).numbers(names[first]))
        if is_apart or not counts.alone[first, second]:
            found.append(
                ZeroTogether(
                    columns=(names[first], names[second]),
                    days=len(seen),
                    most=int(counts.most[first, second]),
                    is_apart=is_apart,
                    size=size,
                )
            )
    return found


@dataclass(frozen=True, eq=False)
class _Counts:
    """How often numbers are 0 alone and together, on training days.

    Attributes:
        zeros: In how many rows each number is 0.
        days: On how many days it is in any.
        others: In which share of all rows it is known, and not 0.
        alone: In how many rows the first number is 0 and the second one is not: first by second.
        most: In how many of a day, at most.
        kept: On how many days it is in hardly any of those in which the first one is 0.
    """

    zeros: Ints
    days: Ints
    others: Floats
    alone: Ints
    most: Ints
    kept: Ints

    @classmethod
    def of(cls, seen: list[Glance], names: list[str]) -> _Counts:
        """Those of some numbers, of all pairs of a day at once.

        Args:
            seen: The training days.
            names: The numbers.
        """
        zeros, days, others = (np.zeros(len(names), dtype=np.int64) for _ in range(3))
        alone, most, kept = (np.zeros((len(names),) * 2, dtype=np.int64) for _ in range(3))
        for one in seen:
            zero = np.array([_zero(one, name) for name in names], dtype=np.float32)
            other = np.array([_other(one, name) for name in names], dtype=np.float32)
            today = (zero @ other.T).astype(np.int64)
            of_day = zero.sum(axis=1).astype(np.int64)
            zeros += of_day
            days += of_day > 0
            others += other.sum(axis=1).astype(np.int64)
            alone += today
            most = np.maximum(most, today)
            kept += (of_day > 0)[:, None] & (today <= EXCEPTIONS * of_day[:, None])
        return cls(zeros, days, others / sum(map(len, seen)), alone, most, kept)

    def pairs(self) -> list[tuple[int, int]]:
        """Of each number the one that is 0 in the same rows, if any is and not by chance."""
        few = self.alone <= EXCEPTIONS * self.zeros[:, None]
        found = few & few.T & ~np.eye(len(self.zeros), dtype=bool)
        exceptions = np.where(found, self.alone + self.alone.T, np.iinfo(np.int64).max)
        best = exceptions.argmin(axis=1).tolist()
        return [
            (first, second)
            for first, second in enumerate(best)
            if found[first, second] and not self._is_by_chance(first, second)
        ]

    def _is_by_chance(self, first: int, second: int) -> bool:
        """Whether a number that is 0 as often would be on as many days in the rows of the first.

        A day's rows tell no more than one does, since zeros come together. The chance is bounded
        by Chernoff ("A measure of asymptotic efficiency", 1952), for all pairs (Bonferroni).
        """
        days, kept = int(self.days[first]), int(self.kept[first, second])
        chance, share = 1 - float(self.others[second]), kept / days
        if share <= chance:
            return True
        far = share * log(share / chance)
        if share < 1:
            far += (1 - share) * log((1 - share) / (1 - chance))
        return exp(-days * far) * len(self.zeros) ** 2 > ERROR_RATE


def _is_apart(numbers: Floats) -> bool:
    """Whether the value nearest to 0 is farther from it than such values are from each other.

    Whole numbers are taken for counts, which a season that is calm enough brings down to 0.
    """
    grain = grain_of(numbers)
    known = np.abs(numbers[np.isfinite(numbers)])
    if np.array_equal(known, np.round(known)):
        return False
    values = np.unique(np.round(known[known > grain] / grain))[:NEAREST] if grain else known[:0]
    return len(values) > 1 and bool(values[0] > APART * np.median(np.diff(values)))
