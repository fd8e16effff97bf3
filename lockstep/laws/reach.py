"""Reach: numbers that are far beyond all of training, in nearly all rows of a batch.

Where rows have no days, there may be too few of them for blocks that could stand for batches, and
then no other law is kept. But rows without days stand for themselves, and might have come in any
order: that all of some are beyond all others is so improbable, whatever the distribution, that a
few dozen of either tell (exceedances: Gumbel and von Schelling, 1950; see
`lockstep.columns.extremes`). What is that improbable may be true all the same, since populations
change: a new region, or a better year. So it is held to be impossible only where no row is near.

Numbers of one sign are as far as a factor says, and changed units are factors: beyond the extremes
they lie by twice as much or half, and by no less than the factor between these. Other numbers, and
those with the other sign, lie beyond by several times all that training spans; or they are, but for
their sign, what those of training are: half of them on either side of its median, which no winter
is that is held against a summer. Numbers that name things, or go on from row to row, may be any.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from lockstep.columns.extremes import improbability
from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Floats, Kind
from lockstep.columns.plain import counted, verb
from lockstep.laws.bands import ERROR_RATE
from lockstep.laws.glance import as_numbers, glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_ROWS = ENOUGH_DAYS
"""Rows with a number that it takes: as many as other laws take of days."""
ENOUGH_VALUES = 10
"""Different numbers that it takes: fewer may name kinds of things, and another one is new."""
NEARLY_ALL = 0.9
"""Share of a batch's numbers that are far: a row or two may be as ever, or near 0."""
FACTOR = 2.0
"""By what factor numbers of one sign are beyond the extremes, at least."""
SPANS = 3.0
"""By how many times what training spans other numbers are beyond the extremes."""
BY_CHANCE = 3.0
"""Standard errors from a half that the share of numbers above a median may be by chance."""


class WithinReach(Law, frozen=True, kw_only=True, tag="within reach"):
    """Not nearly all numbers of a batch are far beyond all of training.

    Attributes:
        lowest: The smallest number of training.
        highest: The largest.
        improbable: From where on it is no chance: see `lockstep.columns.extremes`.
        middle: The median of training; None of a version that an older Lockstep fitted.
    """

    binds: ClassVar[bool] = False
    tried_on: ClassVar[str] = "training rows"
    lacks: ClassVar[str] = "the batch has so few different values that chance may do that"

    lowest: float
    highest: float
    improbable: float
    middle: float | None = None

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is in reach of {self.lowest:.5g} to {self.highest:.5g}"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        seen = glance(rows)
        numbers = seen.numbers(self.columns[0])
        known = _finite(numbers)
        if not self._can_tell(known):
            return None
        distances = self.distances(numbers)
        is_far, how = distances >= 1, "in another unit"
        if np.count_nonzero(is_far) < NEARLY_ALL * len(known):
            is_far, how = self._mirrored(numbers), "with the other sign"
        count = int(np.count_nonzero(is_far))
        if count < NEARLY_ALL * len(known):
            return None
        far = numbers[is_far]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{count:,} of {counted(len(known), 'value')} of {self.columns[0]} "
            f"{verb(count, 'is', 'are')} far beyond all "
            f"of training, as if {how}: {far.min():.5g} to {far.max():.5g}, in training "
            f"{self.lowest:.5g} to {self.highest:.5g}; no model was fitted for such",
            rows=seen.all_positions(is_far),
            strict=self.is_strict,
            numbers={"far beyond training": count},
            cases={"far": max(float(np.median(distances[is_far])), 1.0)},
        )

    def distances(self, numbers: Floats) -> Floats:
        """How far beyond training numbers are: far from 1 on; less than that where not beyond.

        Args:
            numbers: Some numbers; of one that is missing it is NaN.
        """
        span = self.highest - self.lowest
        spans = np.maximum(self.lowest - numbers, numbers - self.highest) / (SPANS * span)
        if np.sign(self.lowest) != np.sign(self.highest):
            return spans
        low, high = sorted(math.log(abs(one)) for one in (self.lowest, self.highest))
        is_alike = np.sign(numbers) == np.sign(self.lowest)
        logs = np.log(np.abs(numbers, where=is_alike, out=np.ones_like(numbers)))
        factors = np.maximum(low - logs, logs - high) / max(high - low, math.log(FACTOR))
        return np.where(is_alike, factors, spans)

    def _mirrored(self, numbers: Floats) -> Array:
        """The numbers that are those of training with the other sign; none if not all may be."""
        if self.middle is None or self.lowest < 0 < self.highest:
            return np.zeros(len(numbers), dtype=bool)
        is_other = numbers * self.middle < 0
        mirrored = is_other & (-numbers >= self.lowest) & (-numbers <= self.highest)
        count = np.count_nonzero(mirrored)
        above = np.count_nonzero(-numbers[mirrored] > self.middle)
        is_chance = abs(above - count / 2) <= BY_CHANCE * math.sqrt(count) / 2
        return mirrored & is_chance

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        known = _finite(glance(rows).numbers(self.columns[0]))
        return len(known) if self._can_tell(known) else 0

    def _can_tell(self, known: Floats) -> bool:
        """Whether so many numbers can hardly all be beyond training by chance.

        Those that are equal may be one fact, which several rows tell: they count once.
        """
        different = len(np.unique(known))
        most = math.ceil(NEARLY_ALL * different)
        return improbability(self.days, different, most) >= self.improbable


def discover(training: TrainingRows) -> list[WithinReach]:
    """Find the numbers that are measured, of rows without days.

    Args:
        training: The training rows.
    """
    if training.has_days:
        return []
    schema, seen = training.rows.schema, glance(training.rows)
    names = [one for one in number_columns(schema) if schema.kinds[one] is not Kind.BOOL]
    improbable = -math.log10(ERROR_RATE / max(len(names), 1))
    found = []
    for name in names:
        known = _finite(as_numbers(training.rows.columns[name]))
        if len(known) >= ENOUGH_ROWS and _is_measured(_finite(seen.numbers(name))):
            found.append(
                WithinReach(
                    columns=(name,),
                    days=len(known),
                    lowest=float(known.min()),
                    highest=float(known.max()),
                    improbable=float(f"{improbable:.4g}"),
                    middle=float(np.median(known)),
                )
            )
    return found


def _is_measured(known: Floats) -> bool:
    return len(np.unique(known)) >= ENOUGH_VALUES and not is_of_its_row(known)


def _finite(numbers: Floats) -> Floats:
    return numbers[np.isfinite(numbers)]


def is_of_its_row(known: Floats) -> bool:
    """Whether numbers tell rows apart: they name them, or go on from row to row.

    Args:
        known: The numbers of training, in the order of its rows.
    """
    different = len(np.unique(known))
    names_rows = different == len(known) and bool(np.all(known == np.round(known)))
    return names_rows or _goes_on(known)


def _goes_on(known: Floats) -> bool:
    order: Array = np.arange(len(known))
    return grows(known, order) or grows(-known, order)
