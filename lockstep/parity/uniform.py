"""Uniform days: those on which a column has one value in all of its rows.

What a column does as a whole is a fact about the day: its weekday, that it is a holiday, that all
shops are closed. However many rows tell it, it is one observation, and no sample whose distribution
could be compared with those of other days. What can be compared are days: on which of them a column
was uniform, of which values, and how often one was new.

A value that made up a whole day before, or most of one, says nothing new. Another one does. Where a
column varied on every day, that it stands still is a mistake, as of a sensor that is frozen. Where
it had one value on some days as well, so that only the value is new, it may be a holiday of which
training had none: that is unusual. And where new values come again and again, as with months, it is
nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lockstep.parity.profiles import MOST_MISSING, ColumnProfile

FIRST_DAYS = 14
"""Days after which a value that comes for the first time is new: each day of the week was there."""


CHANCE = 0.001
"""How likely it is by chance that a day has one value in all rows, from which that says nothing."""


def by_chance(days: Iterable[ColumnProfile], share: float) -> float:
    """How likely it is that all values of some days are one, independent of each other.

    Args:
        days: The days.
        share: The share of that value on other days.
    """
    return share ** sum(round(day.rows * (1 - day.missing)) for day in days)


@dataclass(frozen=True)
class UniformDays:
    """Of which values a column made up whole days.

    Attributes:
        values: Each value once, in the order in which they came.
        new: How many of them came after the first days.
    """

    values: tuple[str | float, ...] = ()
    new: int = 0

    @classmethod
    def of(cls, days: Sequence[ColumnProfile]) -> UniformDays:
        """Look at a column's days.

        Days of so few rows, of one value together, that these agree by chance do not count: they
        are not what a column does as a whole.

        Args:
            days: Its profiles, the oldest first.
        """
        varied = [day for day in days if day.uniform is None and day.missing < MOST_MISSING]
        found: dict[str | float, list[int]] = {}
        for place, day in enumerate(days):
            if (value := day.uniform) is not None:
                found.setdefault(value, []).append(place)
        first = {}
        for value, places in found.items():
            least = min((day.share(value) for day in varied), default=0.0)
            if by_chance([days[place] for place in places], least) <= CHANCE:
                first[value] = places[0]
        return cls((*first,), sum(place >= FIRST_DAYS for place in first.values()))

    def and_then(self, days: Sequence[ColumnProfile]) -> UniformDays:
        """What is known after some more days, of which each other value is new.

        Args:
            days: The column's profiles on them, the oldest first.
        """
        later = [value for value in UniformDays.of(days).values if value not in self.values]
        first = 0 if self.values else 1
        return UniformDays((*self.values, *later), self.new + max(len(later) - first, 0))

    @property
    def renew(self) -> bool:
        """Whether new values come again and again, so that another one says nothing."""
        return self.new > 1

    def to_json(self) -> dict[str, Any]:
        """As a dict for JSON."""
        return asdict(self)
