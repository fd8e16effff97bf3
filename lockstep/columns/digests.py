"""Digests: 64 bits that stand for a value or a row, and bounded sets of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Floats
from lockstep.columns.tables import is_missing

KEPT = 32_768
"""Digests that a set keeps: the smallest ones, so that sets of other rows keep the same sample.
The relative error of a count of distinct values is then 1 / sqrt(KEPT), 0.6 % (Bar-Yossef et al.,
"Counting distinct elements in a data stream", 2002)."""
_MANY = 5_000
"""Values from which on it pays to look for repeated ones, so that each is hashed once."""
_ALL = np.uint64(2**64 - 1)
_ZERO = np.uint64(0x9E3779B97F4A7C15)
_PLACES, _MOST_BITS = 8, 20
"""Places for each digest in a table by first bits, and the most such bits: the table has a byte a
place and fits into a cache."""


def digests_of(array: Array) -> Array:
    """A digest of each value: uint64, the same in every process; 0 for a missing value."""
    missing = is_missing(array)
    if array.dtype == object and missing.any():
        array = np.where(missing, "", array)
    repeats = len(array) > _MANY and len(pd.unique(array[:_MANY])) < _MANY / 2
    digests: Array = pd.util.hash_array(array, categorize=repeats)
    digests[digests == 0] = _ZERO  # 0 stands for a missing value, and is the hash of 0 itself
    digests[missing] = 0
    return digests


def mixed(digests: Iterable[Array], rows: int) -> Array:
    """A digest of each row's digests, one array a column, in their order: uint64."""
    mix = np.zeros(rows, dtype=np.uint64)
    for of_column in digests:
        mix = (mix ^ (mix >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
        mix ^= of_column
    return mix


def digests_of_rows(columns: Columns) -> Array:
    """A digest of each row's values, in the order of the columns: uint64."""
    return mixed(map(digests_of, columns.values()), len(next(iter(columns.values()))))


class Digests(msgspec.Struct, frozen=True):
    """A bounded set of digests; two of them add up."""

    sorted: bytes  # 64 bits each, little-endian, in order
    complete: bool  # whether all are kept; otherwise only the smallest ones are

    @classmethod
    def of(cls, digests: Array, most: int = KEPT) -> Digests:
        """The set of digests (uint64, in any order), of which at most so many are kept."""
        distinct = np.unique(digests)
        return cls(distinct[:most].astype("<u8").tobytes(), len(distinct) <= most)

    def __add__(self, other: Digests) -> Digests:
        """The union of two sets."""
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
        """The largest digest for which the set can tell whether it holds it."""
        known = self.known
        return _ALL if self.complete or not len(known) else known[-1]

    @property
    def count(self) -> float:
        """The number of distinct digests, estimated where not all are kept."""
        known = self.known
        if self.complete or len(known) < 2:
            return float(len(known))
        return (len(known) - 1) / (float(known[-1]) / 2.0**64)


def held_by(sets: Sequence[Digests], digests: Array) -> Floats:
    """Whether any set holds each digest (uint64): 1, 0, or NaN where no set can tell."""
    if not sets:
        return np.full(len(digests), np.nan)
    held = among(digests, np.concatenate([kept.known for kept in sets])).astype(np.float64)
    last = min(kept.last for kept in sets)
    held[(digests > last) & (held == 0)] = np.nan
    return held


def among(digests: Array, others: Array) -> Array:
    """Whether each digest is among others (both uint64): bool, one a digest.

    Nearly all differ in their first bits; only the rest is compared.
    """
    is_among = np.zeros(len(digests), dtype=bool)
    near = _alike(digests, others)
    if len(near):
        is_among[near] = pd.Series(digests[near]).isin(others[_alike(others, digests[near])])
    return is_among


def _alike(digests: Array, others: Array) -> Array:
    """Which digests begin like one of others."""
    bits = min((_PLACES * max(len(digests), len(others))).bit_length(), _MOST_BITS)
    rest = np.uint64(64 - bits)
    begun = np.zeros(2**bits, dtype=bool)
    begun[others >> rest] = True
    return np.flatnonzero(begun[digests >> rest])
