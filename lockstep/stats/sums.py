"""Sums that are exact, so that they do not depend on how rows are cut into units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lockstep.columns.kinds import Array

_HALF = 27
"""Bits of the lower part of a float's 53: sums of 2^26 of them are exact in a float."""


@dataclass(frozen=True)
class ExactSum:
    """The sum of some numbers, and how many there are; those of units add up.

    Attributes:
        count: How many numbers there are.
        parts: By exponent of two, the sum of the numbers' integers.
    """

    count: int
    parts: Mapping[int, int]

    @classmethod
    def of(cls, array: Array) -> ExactSum:
        """The sum of the finite numbers of an array of at most 2^26."""
        numbers = array.astype(np.float64)
        numbers = numbers[np.isfinite(numbers)]
        mantissas, exponents = np.frexp(numbers)
        integers = np.ldexp(mantissas, 53).astype(np.int64)
        places, which = np.unique(exponents, return_inverse=True)
        high, low = integers >> _HALF, integers & (2**_HALF - 1)
        sums = (np.bincount(which, half, len(places)).astype(np.int64) for half in (high, low))
        total = [(int(above) << _HALF) + int(below) for above, below in zip(*sums, strict=True)]
        return cls(len(numbers), dict(zip((places - 53).tolist(), total, strict=True)))

    def __add__(self, other: ExactSum) -> ExactSum:
        """The sum of both."""
        parts = Counter(self.parts)
        parts.update(other.parts)
        return ExactSum(self.count + other.count, dict(parts))

    @property
    def mean(self) -> float:
        """The mean, rounded once; NaN of no numbers."""
        if not self.count:
            return float("nan")
        total = sum(
            (integer * Fraction(2) ** place for place, integer in self.parts.items()), Fraction()
        )
        return float(total / self.count)
