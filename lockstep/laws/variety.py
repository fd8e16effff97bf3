"""Variety: numbers that are measured of each row are not the same in far more rows than ever.

A place that was looked up by its neighborhood, a value that was filled with the mean of its group,
coordinates that were rounded: each is a number that there may be, where it may be, and goes with
what it went with. What is gone is that nearly each row has one of its own. So it is of numbers that
are fine, by the day on which they lie closest together: of others, such as degrees in whole ones,
many are the same on a calm day. The commonest number of a day says nothing: at night there is no
sun. Nor does one that goes on from row to row, as that of a meter: it stays where it is when
nothing happens (see `order`).

Moments are told to the second, so that hardly any two rows of a day have the same: when each car is
to leave. Many do where they were capped at an hour, filled, or rounded, and those that were capped
are the commonest one: so of moments all that are the same are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Ints, Kind
from lockstep.columns.plain import counted
from lockstep.laws.bands import SELDOM, days_like, training_days
from lockstep.laws.copies import MORE, still_chance
from lockstep.laws.glance import Glancing, dated_columns, glance
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.recalled import rounding_of
from lockstep.laws.rows import Rows, TrainingRows

LEAST = 0.5
"""Different numbers of each training day, by its rows, at least."""
FEWER = 0.7
"""Share of the fewest of any training day below which numbers are not those of rows."""
ENOUGH_ROWS = 20
"""Rows with another number than the commonest one that it takes."""
FINE = 10.0
"""Steps of the last digit between the quartiles of each training day, for each of its rows: so that
hardly any two rows have the same number by chance, nor where they lie ten times as close."""
ONE_MOMENT = 0.1
"""Share of a day's rows with the moment of a row before them that is unusual."""

_LOOKED_AT = 10
"""Training days on which it is seen whether a number goes on."""
_ALIKE = 1.0
"""Von Neumann's ratio below which it does: 2 where the order of rows tells nothing."""


class Varied(Glancing, frozen=True, kw_only=True, tag="varied"):
    """Nearly each row has a number of its own, but for those of the commonest one.

    Attributes:
        fewest: The fewest different numbers of a training day, by its rows.
        size: Rows of the smallest and of the largest training day.
    """

    binds: ClassVar[bool] = False

    fewest: float
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Rows have as many different numbers as {self.columns[0]} as they always had."

    def find(self, rows: Rows) -> Broken | None:
        """The first day of which far fewer numbers are different; see `Law.find`."""
        for part in days_like(rows, self.size):
            different, known = _different(part.rows, self.columns[0])
            if known < ENOUGH_ROWS or not self._are_fewer(different, known):
                continue
            share = different / known
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{counted(known, 'row')} have {different:,} different numbers as "
                f"{self.columns[0]}, {share:.0%}, where every training day had "
                f"{self.fewest:.0%} or more: they are those of groups, or rounded",
                rows=part.in_batch(_again(part.rows, self.columns[0])),
                strict=self.is_strict,
                numbers={"share of numbers that are different": share},
                cases={"fewer": 1 / share},
            )
        return None

    def _are_fewer(self, different: int, known: int) -> bool:
        """Whether so few are different as no day has by chance: see `segments.BY_CHANCE`."""
        share, usual = different / known, self.fewest
        if share >= FEWER * usual:
            return False
        sides = ((share, usual), (1 - share, 1 - min(usual, 1 - 1 / known)))
        far = sum(one * log(one / other) for one, other in sides if one)
        return known * far > log(1 / SELDOM)


class Apart(Glancing, frozen=True, kw_only=True, tag="apart"):
    """Hardly any two rows of a day have the same moment.

    Attributes:
        ever: How many rows of a training day had that of a row before them, at most.
        size: Rows of the smallest and of the largest training day.
    """

    binds: ClassVar[bool] = False

    ever: int
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Hardly any two rows of a day have the same {self.columns[0]}."

    def find(self, rows: Rows) -> Broken | None:
        """The first day on which far more rows than ever have one; see `Law.find`."""
        for part in days_like(rows, self.size):
            same, known = _same(part.rows, self.columns[0])
            if same <= max(still_chance(self.ever), MORE, ONE_MOMENT * known):
                continue
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{counted(same, 'row')} of {known:,} have the same {self.columns[0]} as a "
                f"row before them, on training days {self.ever:,} at most: they were capped or "
                "rounded, or are those of other rows",
                rows=part.in_batch(_again(part.rows, self.columns[0])),
                strict=self.is_strict and same > (1 - FEWER) * known,
                numbers={f"rows of the same {self.columns[0]}": same},
                cases={"rows": same / known},
            )
        return None


def _same(rows: Rows, column: str) -> tuple[int, int]:
    """How many rows have the value of a row before them, and how many have one."""
    counts = glance(rows).counts(column)
    return int((counts[counts > 0] - 1).sum()), int(counts.sum())


def _different(rows: Rows, column: str) -> tuple[int, int]:
    """How many different numbers rows have, and how many rows have one, without the commonest."""
    counts = glance(rows).counts(column)
    counts = counts[counts > 0]
    if not len(counts):
        return 0, 0
    return len(counts) - 1, int(counts.sum() - counts.max())


def _again(rows: Rows, column: str) -> Ints:
    """Positions of rows whose number another row has, too."""
    seen = glance(rows)
    places = seen.rows.values(column).places
    return seen.all_positions((places >= 0) & (seen.counts(column)[places] > 1))


def discover(training: TrainingRows) -> list[Varied | Apart]:
    """Find the numbers, and the moments, that nearly each row has one of its own of.

    Args:
        training: The training rows.
    """
    days, schema = training_days(training), training.rows.schema
    if not days or not training.has_days:
        return []
    dated = dated_columns(training)
    names = (
        one.name
        for one in schema
        if one.kind is Kind.FLOAT and one.role == "value" and one.name not in dated
    )
    moments = (one.name for one in schema if one.kind is Kind.TIME and one.role == "value")
    tried = (*(_law(name, days) for name in names), *(_apart(name, days) for name in moments))
    return [law for law in tried if law is not None]


def _apart(column: str, days: Sequence[Rows]) -> Apart | None:
    """The law of a moment; None where rows of a usual day have the same, or few have any."""
    told = [_same(day, column) for day in days]
    ever, usual = max(same for same, _ in told), float(np.median([known for _, known in told]))
    if usual < ENOUGH_ROWS or max(still_chance(ever), MORE) > (1 - FEWER) * usual:
        return None
    return Apart(
        columns=(column,),
        days=sum(known >= ENOUGH_ROWS for _, known in told),
        ever=ever,
        size=(min(map(len, days)), max(map(len, days))),
    )


def _law(column: str, days: Sequence[Rows]) -> Varied | None:
    """The law of a column; None where many rows of some day have the same number."""
    told = [_different(day, column) for day in days]
    shares = [different / known for different, known in told if known >= ENOUGH_ROWS]
    if len(shares) < max(ENOUGH_DAYS, len(days) / 2) or min(shares) < LEAST:
        return None
    if not all(_is_fine(day, column) for day in days):
        return None
    some = days[:: max(len(days) // _LOOKED_AT, 1)]
    if 2 * sum(_goes_on(day, column) for day in some) > len(some):
        return None
    sizes = [len(day) for day in days]
    return Varied(
        columns=(column,),
        days=len(shares),
        fewest=float(f"{min(shares):.4g}"),
        size=(min(sizes), max(sizes)),
    )


def _is_fine(rows: Rows, column: str) -> bool:
    """Whether numbers of a day have far more places than it has rows."""
    numbers = glance(rows).numbers(column)
    known = numbers[np.isfinite(numbers)]
    if len(known) < ENOUGH_ROWS:
        return True
    step = 2 * rounding_of(known)
    return not step or float(np.subtract(*np.quantile(known, (0.75, 0.25)))) >= FINE * step * len(
        known
    )


def _goes_on(rows: Rows, column: str) -> bool:
    """Whether a number goes on from row to row, of all rows or of one thing: it may stay, then.

    By von Neumann's ratio of successive differences to the variance (1941), within things.
    """
    seen = glance(rows)
    if seen.order is None:
        return False
    order = seen.order[np.isfinite(seen.numbers(column)[seen.order])]
    if len(order) < ENOUGH_ROWS:
        return False
    for thing in (None, *_things(seen.rows)):
        codes = np.zeros(len(order)) if thing is None else seen.rows.values(thing).places[order]
        by_thing = np.argsort(codes, kind="stable")
        numbers, codes = seen.numbers(column)[order][by_thing], codes[by_thing]
        follows = codes[1:] == codes[:-1]
        number = np.cumsum(np.r_[0, ~follows])
        deviations = numbers - (np.bincount(number, numbers) / np.bincount(number))[number]
        steps = np.diff(numbers)[follows]
        if len(steps) >= ENOUGH_ROWS:
            variance = float(deviations @ deviations) / len(steps)
            if float(steps @ steps) / len(steps) < _ALIKE * variance:
                return True
    return False


def _things(rows: Rows) -> list[str]:
    """The columns that may name things that have several rows."""
    return [
        one.name
        for one in rows.schema
        if one.role == "value"
        and one.kind in (Kind.TEXT, Kind.INT, Kind.BOOL)
        and 1 < len(rows.values(one.name).found) <= len(rows) / 3
    ]
