"""Digests: 64 bits that stand for a value or a row, and bounded sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.tables import is_missing

KEPT = 32_768
"""Digests that a set keeps: the smallest ones, so that sets of other rows keep the same sample.
The relative error of a count of distinct values is then 1 / sqrt(KEPT), 0.6 % (Bar-Yossef et al.,
"Counting distinct elements in a data stream", 2002)."""
_MANY = 5_000
"""Values from which on it pays to look for those that repeat, so that each is hashed once."""
_ALL = np.uint64(2**64 - 1)
_ZERO = np.uint64(0x9E3779B97F4A7C15)
_PLACES, _MOST_BITS = 8, 20
"""Places for each digest that are told apart by its first bits, and how many bits these are at
most: they are marked in a table of a byte each, that fits into a cache."""


def digests_of(array: Array) -> Array:
    """A digest of each value: uint64, the same in every process; that of a missing value is 0."""
    missing = is_missing(array)
    if array.dtype == object and missing.any():
        array = np.where(missing, "", array)
    repeats = len(array) > _MANY and len(pd.unique(array[:_MANY])) < _MANY / 2
    found: Array = pd.util.hash_array(array, categorize=repeats)
    found[found == 0] = _ZERO  # that of 0 itself is 0, which stands for nothing
    found[missing] = 0
    return found


def mixed(digests: Iterable[Array], rows: int) -> Array:
    """A digest of each row's digests, in their order: uint64.

    Args:
        digests: Digests of the values of a column each.
        rows: How many rows there are.
    """
    found = np.zeros(rows, dtype=np.uint64)
    for of_column in digests:
        found = (found ^ (found >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
        found ^= of_column
    return found


class Digests(msgspec.Struct, frozen=True):
    """A set of digests of which a bounded number is kept; two of them add up.

    Attributes:
        sorted: 64 bits each, little-endian, in order.
        complete: Whether they are all; otherwise they are the smallest ones.
    """

    sorted: bytes
    complete: bool

    @classmethod
    def of(cls, digests: Array, most: int = KEPT) -> Digests:
        """The set of some digests.

        Args:
            digests: uint64, in any order.
            most: How many are kept at most.
        """
        found = np.unique(digests)
        return cls(found[:most].astype("<u8").tobytes(), len(found) <= most)

    def __add__(self, other: Digests) -> Digests:
        """The set of what either holds."""
        last = min(self.last, other.last)
        both = np.union1d(self.known, other.known)
        kept = both[both <= last][:KEPT]
        complete = self.complete and other.complete and len(kept) == len(both)
        return Digests(kept.astype("<u8").tobytes(), complete)

    @property
    def known(self) -> Array:
        """The digests that are kept, in order: uint64."""
        return np.frombuffer(self.sorted, dtype="<u8")

    @property
    def last(self) -> np.uint64:
        """Up to which digest it can be told whether it is in the set."""
        known = self.known
        return _ALL if self.complete or not len(known) else known[-1]

    @property
    def count(self) -> float:
        """How many different digests there are, estimated where not all are kept."""
        known = self.known
        if self.complete or len(known) < 2:
            return float(len(known))
        return (len(known) - 1) / (float(known[-1]) / 2.0**64)


def held_by(sets: Sequence[Digests], digests: Array) -> Floats:
    """Whether any of some sets holds each digest: 1, 0, or NaN where no set can tell.

    Args:
        sets: The sets.
        digests: uint64.
    """
    if not sets:
        return np.full(len(digests), np.nan)
    found = among(digests, np.concatenate([one.known for one in sets])).astype(np.float64)
    last = min(one.last for one in sets)
    found[(digests > last) & (found == 0)] = np.nan
    return found


def among(digests: Array, others: Array) -> Array:
    """Which digests are among others: bool, one each.

    Nearly all are told apart by their first bits; what is left is compared.

    Args:
        digests: uint64.
        others: Others, as many as there may be.
    """
    found = np.zeros(len(digests), dtype=bool)
    near = _alike(digests, others)
    if len(near):
        found[near] = pd.Series(digests[near]).isin(others[_alike(others, digests[near])])
    return found


def _alike(digests: Array, others: Array) -> Array:
    """Which digests begin like one of others."""
    bits = min((_PLACES * max(len(digests), len(others))).bit_length(), _MOST_BITS)
    rest = np.uint64(64 - bits)
    begun = np.zeros(2**bits, dtype=bool)
    begun[others >> rest] = True
    return np.flatnonzero(begun[digests >> rest])
