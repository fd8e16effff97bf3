"""Sums that are exact, so that they do not depend on how rows are cut into units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lockstep.columns.kinds import Array, Floats

_BITS = 53
"""Bits of a float's integer."""
_HALF = 27
"""Bits of the lower part of them: sums of 2^26 such parts are exact in a float."""


@dataclass(frozen=True)
class ExactSum:
    """The sum of some numbers, and how many there are; those of units add up."""

    count: int
    parts: Mapping[int, int]  # by exponent of two, the sum of the numbers' integers

    @classmethod
    def of(cls, array: Array) -> ExactSum:
        """The sum of the finite numbers of an array of at most 2^26."""
        if array.dtype.kind in "ib":
            integers = array.astype(np.int64, copy=False)
            high, low = integers >> 32, integers & (2**32 - 1)
            return cls(len(array), {0: (int(high.sum()) << 32) + int(low.sum())})
        numbers = _finite(array)
        return cls(len(numbers), _parts(numbers, np.zeros(len(numbers), np.int64)))

    @classmethod
    def of_squares(cls, array: Array) -> ExactSum:
        """The sum of the squares of the finite numbers of an array of at most 2^26, as floats.

        A square is the sum of two floats (Dekker, "A floating-point technique for extending the
        available precision", 1971).
        """
        mantissas, exponents = np.frexp(_finite(array))
        scaled = mantissas * (2.0**_HALF + 1)
        high = scaled - (scaled - mantissas)
        low = mantissas - high
        square = mantissas * mantissas
        rest = ((high * high - square) + 2 * high * low) + low * low
        places = 2 * exponents.astype(np.int64)
        parts = Counter(_parts(square, places))
        parts.update(_parts(rest, places))
        return cls(len(mantissas), dict(parts))

    def __add__(self, other: ExactSum) -> ExactSum:
        """The sum of both."""
        parts = Counter(self.parts)
        parts.update(other.parts)
        return ExactSum(self.count + other.count, dict(parts))

    @property
    def total(self) -> Fraction:
        """The sum."""
        lowest = min(self.parts, default=0)
        integer = sum(integer << (place - lowest) for place, integer in self.parts.items())
        return integer * Fraction(2) ** lowest

    @property
    def mean(self) -> float:
        """The mean, rounded once; NaN of no numbers."""
        return float(self.total / self.count) if self.count else float("nan")


def _finite(array: Array) -> Floats:
    numbers = array.astype(np.float64, copy=False)
    return numbers[np.isfinite(numbers)]


def _parts(numbers: Floats, places: Array) -> dict[int, int]:
    """By exponent of two, the sum of the integers of numbers times two to the power of places."""
    if not len(numbers):
        return {}
    mantissas, exponents = np.frexp(numbers)
    integers = np.ldexp(mantissas, _BITS).astype(np.int64)
    exponents = exponents + places
    lowest = int(exponents.min())
    which = exponents - lowest
    high, low = (
        np.bincount(which, half).tolist() for half in (integers >> _HALF, integers & (2**_HALF - 1))
    )
    return {
        place + lowest - _BITS: (int(above) << _HALF) + int(below)
        for place, (above, below) in enumerate(zip(high, low, strict=True))
        if above or below
    }
