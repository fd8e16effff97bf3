"""Multiples: counts of a kind of thing that are several times what that kind ever had.

Numbers of which there are a few kinds, such as the seats of aircraft, lie close together for each
value of some category, such as the maker: all that one has are within a few times of each other.
One that training never had, and that is more than twice as large as any of its category, or less
than half as large, lost its point or gained a digit, however few rows have it. (A compound
conformance constraint of logarithms: Fariha et al., "Conformance constraint discovery: measuring
trust in data-driven systems", SIGMOD 2021.)

Only whole numbers that leave gaps are looked at: what is measured in steps goes on in another
season, and a temperature may be twice another one any day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import counted, show
from lockstep.laws import known
from lockstep.laws.cases import Cases
from lockstep.laws.dependencies import Search
from lockstep.laws.glance import Glancing, as_numbers, glance
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.lookups import MOST_ENTRIES
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, grouped

TIMES = 2.0
"""How many times as large as all of its category a number is that is none of it."""
STAYS = TIMES**0.5
"""How many times as large a number of one half of the training is, at most, as those of the other,
where categories tell what it is in days to come."""
NARROW = 4.0
"""How many times its smallest number the largest one of a category is, at most."""
SHIFTED = 10.0
"""What a number is multiplied with, or divided by, that gained a digit, or lost its point."""
TELLING = 0.5
"""Share of the rows in which either would be told, at least."""
ENOUGH_ROWS = 20
"""Rows of a category, in all of the training and in either half."""
SEVERAL = 2
"""Rows from which on it is an error: one may be the first of its kind."""


class Multiple(Glancing, frozen=True, kw_only=True, tag="multiple"):
    """A number is not several times as large as ever, or as small, for its category.

    Attributes:
        cases: The categories.
        lowest: The smallest number of each.
        highest: The largest one.
        numbers: All that training had.
    """

    binds: ClassVar[bool] = False

    cases: Cases
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    numbers: tuple[float, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        column, category = self.columns
        return (
            f"{column} is never more than {TIMES:g} times as large as any of its {category}, or "
            "half as small"
        )

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        seen = glance(rows)
        numbers = seen.numbers(self.columns[0])
        places = self.cases.places(seen.rows)
        lowest, highest = (np.append(one, np.nan)[places] for one in (self.lowest, self.highest))
        is_off = _is_beyond(numbers, lowest, highest) & ~np.isin(numbers, self.numbers)
        off = np.flatnonzero(is_off)
        if not len(off):
            return None
        first = off[0]
        return Broken(
            law=self,
            columns=self.columns[:1],  # a new number is at fault, whatever its category is
            message=(
                f"{self.says}: {counted(len(off), 'row')} {'is' if len(off) == 1 else 'are'}, such "
                f"as {_plain(numbers[first])} for {self.cases.told(seen.rows, int(first))}, where "
                f"training had {_plain(lowest[first])} to {_plain(highest[first])}"
            ),
            rows=seen.all_positions(is_off),
            strict=self.is_strict and len(off) >= SEVERAL,
            numbers={"rows several times as large or small": float(len(off))},
        )


def _plain(number: float) -> str:
    """A number in a sentence: whole ones without a point."""
    return show(int(number)) if float(number).is_integer() else show(number)


def _is_beyond(numbers: Floats, lowest: Floats, highest: Floats, times: float = TIMES) -> Array:
    """Which numbers are that many times above a range, or below; none where there is no range."""
    found: Array = (numbers > times * highest) | (numbers * times < lowest)
    return found


@dataclass(frozen=True, eq=False)
class _Ends:
    """The smallest and the largest number of groups; NaN of those with too few rows, or too wide.

    Attributes:
        lowest: The smallest one of each.
        highest: The largest one.
    """

    lowest: Floats
    highest: Floats

    @classmethod
    def of(cls, numbers: Floats, groups: Ints, size: int) -> _Ends:
        """The ends of the groups of rows.

        Args:
            numbers: One a row.
            groups: The group of each row.
            size: How many groups there are.
        """
        lowest, highest = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(lowest, groups, numbers)
        np.maximum.at(highest, groups, numbers)
        few = np.bincount(groups, minlength=size) < ENOUGH_ROWS
        is_none = few | ~(highest <= NARROW * lowest)
        return cls(np.where(is_none, np.nan, lowest), np.where(is_none, np.nan, highest))


def discover(training: TrainingRows) -> list[Multiple]:
    """Find the numbers that lie close together for each value of a category.

    Args:
        training: The training rows.
    """
    if training.days < ENOUGH_DAYS:
        return []
    search = Search(training)
    found = (_best(search, law) for law in known.found(training) if _are_counts(law.numbers))
    return [law for law in found if law is not None]


def _are_counts(numbers: tuple[float, ...]) -> bool:
    """Whether numbers are whole, above 0, and leave gaps."""
    values = np.array(numbers)
    return bool(values.min() > 0 and np.all(values == np.round(values))) and known.has_gaps(values)


def _best(search: Search, law: known.KnownNumbers) -> Multiple | None:
    """The category that tells most of a number; None where none does."""
    tried = list(_tried(search, law))
    return max(tried, key=lambda one: one[0], default=(0.0, None))[1]


def _tried(search: Search, law: known.KnownNumbers) -> Iterator[tuple[float, Multiple]]:
    """The categories of which a number stays, each with the share of rows in which it tells."""
    column = law.columns[0]
    everything = as_numbers(search.rows.columns[column])
    for term in search.singles:
        groups = grouped(search.rows, (term,))
        size = int(groups.max(initial=-1)) + 1
        if term.part != "value" or term.column == column or not 1 < size <= MOST_ENTRIES:
            continue
        there = np.isfinite(everything) & (groups >= 0) & (search.day_of >= 0)
        numbers, of = everything[there], groups[there]
        half = search.day_of[there] * 2 // search.days
        if _stays(numbers, of, size, half):
            ends = _Ends.of(numbers, of, size)
            tells = min(
                float(_is_beyond(one, ends.lowest[of], ends.highest[of]).mean())
                for one in (numbers * SHIFTED, numbers / SHIFTED)
            )
            if tells >= TELLING:
                yield tells, _law(search, law, term, ends)


def _stays(numbers: Floats, groups: Ints, size: int, half: Ints) -> bool:
    """Whether numbers of either half are near those of the same category in the other."""
    for one in (0, 1):
        ends, own = _Ends.of(numbers[half != one], groups[half != one], size), half == one
        of = groups[own]
        if np.any(_is_beyond(numbers[own], ends.lowest[of], ends.highest[of], STAYS)):
            return False
    return True


def _law(search: Search, law: known.KnownNumbers, term: Term, ends: _Ends) -> Multiple:
    cases, groups = Cases.of(search.rows, (term,), np.flatnonzero(np.isfinite(ends.lowest)))
    return Multiple(
        columns=(law.columns[0], term.column),
        days=search.days,
        cases=cases,
        lowest=tuple(ends.lowest[groups].tolist()),
        highest=tuple(ends.highest[groups].tolist()),
        numbers=law.numbers,
    )
