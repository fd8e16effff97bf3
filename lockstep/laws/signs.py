"""Signs: of numbers next to 0, some lie on either side of it.

An angle, a balance or a difference goes through 0 in both directions, and next to 0 neither side is
rare. Where a sign was lost, or numbers were cut off at 0, all of them lie on one side. A season
moves all numbers to one side, too, but away from 0: so only those next to it are looked at, the
nearest fifth of the training's. Where another column tells the sign, as the kind of a booking does,
a day of one kind has one sign, and there is no law.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import SELDOM, Part, days_like
from lockstep.laws.glance import glance, number_columns, value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term

NEAREST = 0.2
"""Share of the training's numbers that are next to 0."""
ENOUGH = 10
"""Numbers of a day next to 0 that it takes to tell how many of them are on either side."""
LEAST = 0.2
"""Share of them on either side, on each training day, at least."""
TOLD = 0.95
"""Share of the numbers next to 0 whose side another column tells: of so many there is no law."""
ENOUGH_OF_A_VALUE = 10
"""Such numbers for each value of that column, on average: of fewer, each value has one side."""


class BothSigns(Law, frozen=True, kw_only=True, tag="both signs"):
    """Next to 0, a number is above it in some rows and below it in others.

    Attributes:
        near: How far from 0 is next to it.
        least: The smallest share of such rows on either side, of a training day.
        size: Rows of the smallest and of the largest training day.
    """

    binds: ClassVar[bool] = False

    near: float
    least: float
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} lies on both sides of 0."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; the first day of which chance hardly ever leaves one side empty.

        A file may hold what lies on one side: a warning.
        """
        found = (self._broken(part) for part in days_like(rows, self.size))
        broken = next((one for one in found if one is not None), None)
        return broken if broken is None or rows.day is not None else replace(broken, strict=False)

    def _broken(self, part: Part) -> Broken | None:
        seen = glance(part.rows)
        numbers = seen.numbers(self.columns[0])
        below, above = _sides(numbers, self.near)
        if min(below, above) or (1 - self.least) ** (below + above) > SELDOM:
            return None
        side = "below" if above else "above"
        found = seen.all_positions(_are_near(numbers, self.near))
        return Broken(
            law=self,
            columns=self.columns,
            message=f"no {self.columns[0]} is {side} 0, of {below + above:,} that are within "
            f"{self.near:.4g} of it; on every training day {self.least:.0%} of those or more were "
            "on either side: the sign is lost, or they were cut off",
            rows=part.in_batch(found),
            strict=self.is_strict,
            numbers={f"numbers next to 0, none {side} it": below + above},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return sum(len(glance(part.rows)) for part in days_like(rows, self.size))


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
    if least < LEAST or _is_told(column, is_near, training):
        return None
    sizes = np.bincount(training.day_of[training.day_of >= 0])
    return BothSigns(
        columns=(column,),
        days=int(np.count_nonzero(telling)),
        near=float(f"{near:.6g}"),
        least=float(f"{least:.4g}"),
        size=(int(sizes.min()), int(sizes.max())),
    )


def _is_told(column: str, is_near: Array, training: TrainingRows) -> bool:
    """Whether a value of another column, its sign, or the hour tells the side of nearly all."""
    seen = glance(training.rows)
    is_above = seen.numbers(column)[is_near] > 0
    schema = seen.rows.schema
    terms = [Term(name) for name in value_columns(schema) if name != column]
    if schema.event_time is not None:
        terms.append(Term(schema.event_time, "hour of the day"))
    values = (term.values(seen.rows) for term in terms)
    places = [one.places[is_near] for one in values if _is_few(len(one.found), len(is_above))]
    signs = [seen.numbers(one)[is_near] for one in number_columns(schema) if one != column]
    places += [(one > 0).astype(np.int64) for one in signs]
    return any(_share_told(one + 1, is_above) >= TOLD for one in places)


def _is_few(values: int, numbers: int) -> bool:
    return values * ENOUGH_OF_A_VALUE <= numbers


def _share_told(places: Ints, is_above: Array) -> float:
    """The share of the more frequent side of each place, of all."""
    both, above = np.bincount(places), np.bincount(places, weights=is_above)
    return float(np.maximum(above, both - above).sum() / len(is_above))
