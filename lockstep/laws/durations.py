"""Durations: a number is how long it is from one moment of its row to another.

A row that holds two moments often holds the time between them, too: the minutes until a car is to
leave, the nights of a stay, the hours of a shift. Each of the three is told by the other two, to
the digits that the number has, so a moment that is of another clock or day, that was capped or
taken from another row, and a number that is in another unit, is told by a single row.

Moments are looked at as lapses (see `lapses`), without those of clocks that may be set between
them. Which number is which lapse, and in which unit, is found in the training rows, by equality.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from lockstep.columns.kinds import Floats, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.columns.schema import MADE
from lockstep.laws.copies import FEW, is_more
from lockstep.laws.elapsed import UNITS
from lockstep.laws.glance import GRAIN, as_numbers, dated_columns, grain_of
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.recalled import MOST_BROKEN, MOST_BY_CHANCE, MOST_OFF, rounding_of
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_TOLD = 100
"""Rows of training days that tell both, at least."""
ENOUGH_VALUES = 10
"""Different durations that it takes: fewer may be a number of things as well."""
ENOUGH_OFF = 2
"""Rows of many that are off from which on it is no single one that somebody corrected."""
SAMPLE = 500
"""Rows, spread evenly, by which a unit is tried first."""
_SPARE = 1.02
"""How much more than by rounding a number may be off: numbers are not kept exactly."""
_OF_LAPSES = (UNITS["days"], UNITS["hours"])
"""Seconds of the units of lapses."""
FACTORS = tuple(sorted({one / unit for one in _OF_LAPSES for unit in UNITS.values()}))
"""How many of a unit a lapse of 1 may be."""


class Duration(Law, frozen=True, kw_only=True, tag="duration"):
    """A number is a lapse, in some unit.

    Attributes:
        factor: How many units a lapse of 1 is.
        more: What is added to it, as where both the first and the last day are counted.
        grain: By how much the number may differ: what rounding takes from it, up or down.
        first: The smallest number, and the smallest such lapse, of training.
        last: The largest ones.
        ever: How many rows of a training day held something else, at most.
    """

    factor: float
    more: float
    grain: float
    first: tuple[float, float]
    last: tuple[float, float]
    ever: int = 0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is {self._source}"

    @property
    def _source(self) -> str:
        times = "" if self.factor == 1 else f"{self.factor:.6g} times the "
        more = "" if not self.more else f", and {self.more:g} more"
        return f"{times}{self.columns[1]}{more}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that hold another duration; see `Law.find`. A single one of many warns."""
        known, off = self.compared(rows)
        if not is_more(len(off), self.ever):
            return None
        number, lapse = (rows.columns[name] for name in self.columns)
        row = int(off[0])
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} of {len(off):,} of {counted(len(known), 'row')} is not "
            f"{self._source}, such as {show(number[row])} where that is "
            f"{self.factor * lapse[row] + self.more:.8g}; on training days {self.ever:,} at most "
            "held something else",
            rows=off,
            strict=self.is_strict and (len(off) >= ENOUGH_OFF or len(off) > FEW * len(known)),
            numbers={"rows of another duration": len(off)},
            cases={"rows": len(off) / len(known)},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(self.compared(rows)[0])

    def compared(self, rows: Rows) -> tuple[Ints, Ints]:
        """Positions of the rows that hold both, and of those of these in which they differ.

        Rows both of which are beyond all that training had are not looked at: what is longer may
        be cut where it is told.

        Args:
            rows: The rows.
        """
        number, lapse = (as_numbers(rows.columns[name]) for name in self.columns)
        expected = self.factor * lapse + self.more
        both = zip((number, expected), self.first, self.last, strict=True)
        number_in, lapse_in = ((one >= first) & (one <= last) for one, first, last in both)
        is_told = np.isfinite(number) & np.isfinite(expected)
        known = np.flatnonzero(is_told & (number_in | lapse_in))
        return known, known[np.abs(number - expected)[known] > self.grain]


def discover(training: TrainingRows) -> list[Duration]:
    """Find which numbers are which lapses.

    Args:
        training: The training rows, with what is made of their moments.
    """
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    schema, dated = training.rows.schema, dated_columns(training)
    lapses = [one.name for one in schema if one.role == MADE and one.kind is Kind.FLOAT]
    numbers = [
        one.name
        for one in schema
        if one.role == "value" and one.kind in (Kind.FLOAT, Kind.INT) and one.name not in dated
    ]
    tried = (_law(training, number, lapse) for number in numbers for lapse in lapses)
    return [law for law in tried if law is not None]


def _law(training: TrainingRows, number: str, lapse: str) -> Duration | None:
    """What a number is of a lapse, held to all training days; None where it is nothing of it."""
    numbers, lapses = (as_numbers(training.rows.columns[name]) for name in (number, lapse))
    known = np.flatnonzero(np.isfinite(numbers) & np.isfinite(lapses) & (training.day_of >= 0))
    if len(known) < ENOUGH_TOLD:
        return None
    some = known[np.linspace(0, len(known) - 1, SAMPLE).astype(np.int64)]
    unit = _unit(numbers[some], lapses[some])
    if unit is None:
        return None
    factor, more = unit
    expected = factor * lapses + more
    law = Duration(
        columns=(number, lapse),
        days=0,
        factor=factor,
        more=more,
        grain=_grain(numbers[known], expected[known]),
        first=(float(numbers[known].min()), float(expected[known].min())),
        last=(float(numbers[known].max()), float(expected[known].max())),
    )
    rows, wrong = (
        np.bincount(training.day_of[one[training.day_of[one] >= 0]], minlength=training.days)
        for one in law.compared(training.rows)
    )
    days, broken = int(np.count_nonzero(rows)), int(np.count_nonzero(wrong))
    if days < ENOUGH_DAYS or broken > MOST_BROKEN * days:
        return None
    return replace(law, days=days, broken=broken, ever=int(wrong.max()))


def _unit(numbers: Floats, lapses: Floats) -> tuple[float, float] | None:
    """How many of a unit a lapse is, and what is added, as it seems by some rows; None for none."""
    if len(np.unique(lapses)) < ENOUGH_VALUES or len(np.unique(numbers)) < ENOUGH_VALUES:
        return None
    for factor in FACTORS:
        expected = factor * lapses
        more = 1.0 if np.round(np.median(numbers - expected)) == 1 else 0.0  # both ends count
        expected = expected + more
        grain = _grain(numbers, expected)
        off, by_chance = (
            float(np.mean(np.abs(one - expected) > grain)) for one in (numbers, np.roll(numbers, 1))
        )
        if off <= MOST_OFF and by_chance >= MOST_BY_CHANCE:
            return factor, more
    return None


def _grain(numbers: Floats, expected: Floats) -> float:
    """By how much numbers differ from lapses at most: by nothing, or by rounding.

    Args:
        numbers: The numbers.
        expected: What they are to be.
    """
    nothing = max(grain_of(expected), GRAIN)
    off = float(np.quantile(np.abs(numbers - expected), 1 - MOST_OFF))
    return nothing if off <= nothing else _SPARE * 2 * rounding_of(numbers)
