"""Constancy: how many rows without a day have the same value of a column that varies.

Where a column was filled with its mean, or lost and read as 0, all rows of a batch have one value.
How many have by chance follows from how many rows of training have the commonest one: see
`lockstep.laws.selection`. A category may be the same in a whole file, as the shop that sent it is,
and so may a number that names a kind of things; a measured number may not, where hardly any two
rows of training have the same, or many only since it is rounded to few steps; but for where it is
clipped.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Floats, Kind
from lockstep.columns.plain import counted, verb
from lockstep.laws.glance import as_numbers, glance, value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.reach import NEARLY_ALL, is_of_its_row
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.selection import SELECTED, improbability, levels

OWN = 0.5
"""Different numbers, by rows, from which on nearly each row of training has its own."""
FILLED = 0.25
"""Share of the steps that numbers are rounded to which training has to have, so that they are why
rows have the same."""


CLIPPED = 0.02
"""Share of the rows from which on the smallest or the largest number is where others were cut."""


class Varies(Law, frozen=True, kw_only=True, tag="varies"):
    """A column has not the same value in nearly all rows.

    Attributes:
        commonest: How many rows of training have its commonest value.
        is_measured: Whether it is a number that is not the same for rows of one kind.
        unusual: From which improbability on it warns: see `lockstep.laws.selection`.
        impossible: From which on it cannot be.
        clipped: Its ends where others were cut: all rows of one kind may be there.
    """

    binds: ClassVar[bool] = False
    tried_on: ClassVar[str] = "training rows"
    lacks: ClassVar[str] = "the batch has so few rows that chance may do that"

    commonest: int
    is_measured: bool
    unusual: float
    impossible: float
    clipped: tuple[float, ...] = ()

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is not the same in nearly all rows"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        seen = glance(rows)
        values = seen.rows.values(self.columns[0])
        counts = seen.counts(self.columns[0])
        known, most = int(counts.sum()), int(counts.max(initial=0))
        if most < NEARLY_ALL * known or self._improbable(known, most) < self.unusual:
            return None
        place = int(np.argmax(counts))
        is_end = self.is_measured and float(values.found[place]) in self.clipped
        impossible = self._improbable(known, most, SELECTED) >= self.impossible
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{most:,} of {counted(known, 'value')} of {self.columns[0]} "
            f"{verb(most, 'is', 'are')} {values.found[place]}; of training at most "
            f"{self.commonest:,} of {counted(self.days, 'row')} "
            f"{verb(self.commonest, 'has', 'have')} the same value",
            rows=seen.all_positions(values.places == place),
            strict=self.is_strict and self.is_measured and not is_end and impossible,
            numbers={"rows with the same value": most},
            cases={"the same value": most / known},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        known = int(glance(rows).counts(self.columns[0]).sum())
        return known if self._improbable(known, known) >= self.unusual else 0

    def _improbable(self, rows: int, same: int, selected: float = 1.0) -> float:
        return improbability(self.days, self.commonest, rows, same, selected)


def discover(training: TrainingRows) -> list[Varies]:
    """Find the columns that vary from row to row, of rows without days.

    Args:
        training: The training rows.
    """
    if training.has_days:
        return []
    rows = training.rows
    names = value_columns(rows.schema)
    unusual, impossible = levels(len(names))
    found = []
    for name in names:
        counts = glance(rows).counts(name)
        if counts.sum() >= ENOUGH_DAYS and len(counts) > 1:
            is_measured = _is_measured(rows, name)
            found.append(
                Varies(
                    columns=(name,),
                    days=int(counts.sum()),
                    commonest=int(counts.max()),
                    is_measured=is_measured,
                    unusual=unusual,
                    impossible=impossible,
                    clipped=_clipped(rows, name) if is_measured else (),
                )
            )
    return found


def _is_measured(rows: Rows, name: str) -> bool:
    """Whether a number is measured of each row, rather than of the kind of thing that it is of."""
    if rows.schema.kinds[name] not in (Kind.FLOAT, Kind.INT):
        return False
    numbers = as_numbers(rows.columns[name])
    known = numbers[np.isfinite(numbers)]
    different = np.unique(known)
    if len(different) < 2 or is_of_its_row(known):
        return False
    return len(different) >= OWN * len(known) or _is_rounded(different)


def _clipped(rows: Rows, name: str) -> tuple[float, ...]:
    """The smallest and the largest number, if many rows have it."""
    numbers = as_numbers(rows.columns[name])
    known = numbers[np.isfinite(numbers)]
    ends = (float(known.min()), float(known.max()))
    return tuple(one for one in ends if np.mean(known == one) >= CLIPPED)


def _is_rounded(different: Floats) -> bool:
    """Whether numbers with fractions are the same only since they are on few steps."""
    if np.all(different == np.round(different)):
        return False  # whole numbers that are often the same may name things
    step = float(np.diff(different).min())
    steps = float(different[-1] - different[0]) / step
    return len(different) >= FILLED * steps
