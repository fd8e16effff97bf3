"""Signs: of numbers next to 0, some lie on either side of it.

An angle, a balance or a difference goes through 0 in both directions, and next to 0 neither side is
rare. Where a sign was lost, or numbers were cut off at 0, all of them lie on one side. A season
moves all numbers to one side, too, but away from 0: so only those next to it are looked at, the
nearest fifth of the training's.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.laws.bands import ERROR_RATE
from lockstep.laws.glance import Glancing, glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.rows import Rows, TrainingRows

NEAREST = 0.2
"""Share of the training's numbers that are next to 0."""
ENOUGH = 10
"""Numbers of a day next to 0 that it takes to tell how many of them are on either side."""
LEAST = 0.2
"""Share of them on either side, on each training day, at least."""
SELDOM = ERROR_RATE / 100
"""How often chance puts all of them on one side, at most: there are up to a hundred columns."""


class BothSigns(Glancing, frozen=True, kw_only=True, tag="both signs"):
    """Next to 0, a number is above it in some rows and below it in others.

    Attributes:
        near: How far from 0 is next to it.
        least: The smallest share of such rows on either side, of a training day.
    """

    binds: ClassVar[bool] = False

    near: float
    least: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} lies on both sides of 0."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; where chance hardly ever leaves one side empty."""
        numbers = glance(rows).numbers(self.columns[0])
        below, above = _sides(numbers, self.near)
        if min(below, above) or (1 - self.least) ** (below + above) > SELDOM:
            return None
        side = "below" if above else "above"
        return Broken(
            law=self,
            columns=self.columns,
            message=f"no {self.columns[0]} is {side} 0, of {below + above:,} that are within "
            f"{self.near:.4g} of it; on every training day {self.least:.0%} of those or more were "
            "on either side: the sign is lost, or they were cut off",
            rows=glance(rows).all_positions(_are_near(numbers, self.near)),
            strict=self.is_strict,
            numbers={f"numbers {side} 0": 0},
        )


def _are_near(numbers: Floats, near: float) -> Array:
    found: Array = (np.abs(numbers) <= near) & (numbers != 0)
    return found


def _sides(numbers: Floats, near: float) -> tuple[int, int]:
    """How many numbers next to 0 are below it, and above it."""
    those = numbers[_are_near(numbers, near)]
    below = int(np.count_nonzero(those < 0))
    return below, len(those) - below


def discover(training: TrainingRows) -> list[BothSigns]:
    """Find the numbers that lie on both sides of 0.

    Args:
        training: The training rows.
    """
    found = (_law(name, training) for name in number_columns(training.rows.schema))
    return [law for law in found if law is not None]


def _law(column: str, training: TrainingRows) -> BothSigns | None:
    seen = glance(training.rows)
    numbers = seen.numbers(column)
    day_of = training.day_of if seen.positions is None else training.day_of[seen.positions]
    known = np.abs(numbers[np.isfinite(numbers) & (numbers != 0)])
    if not len(known) or not (numbers < 0).any():
        return None
    near = float(np.quantile(known, NEAREST))
    is_near = _are_near(numbers, near) & (day_of >= 0)
    both = np.bincount(day_of[is_near], minlength=training.days)
    below = np.bincount(day_of[is_near & (numbers < 0)], minlength=training.days)
    telling = both >= ENOUGH
    if np.count_nonzero(telling) < ENOUGH_DAYS:
        return None
    shares = below[telling] / both[telling]
    least = float(min(shares.min(), 1 - shares.max()))
    if least < LEAST:
        return None
    return BothSigns(
        columns=(column,),
        days=int(np.count_nonzero(telling)),
        near=float(f"{near:.6g}"),
        least=float(f"{least:.4g}"),
    )
