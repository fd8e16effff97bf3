"""Earlier batches: what is kept of a published batch, for the laws of those that follow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.tables import is_missing

_KEPT = 32_768
"""Digests that are kept of a batch: the smallest ones, a sample of the same rows in every batch."""
_ALL = np.uint64(2**64 - 1)
_PLACES, _MOST_BITS = 8, 20
"""Places for each digest that are told apart by its first bits, and how many bits these are at
most: they are marked in a table of a byte each, that fits into a cache."""


class Digests(msgspec.Struct, frozen=True):
    """Digests of rows, of which a bounded number is kept.

    Attributes:
        sorted: 64 bits each, little-endian, in order.
        complete: Whether they are those of all rows; otherwise they are the smallest ones.
    """

    sorted: bytes
    complete: bool

    @classmethod
    def of(cls, digests: Array, most: int = _KEPT) -> Digests:
        """The digests to keep of those of all rows.

        Args:
            digests: Those of all rows.
            most: How many are kept at most.
        """
        complete = len(digests) <= most
        kept = digests if complete else np.partition(digests, most - 1)[:most]
        return cls(np.unique(kept).astype("<u8").tobytes(), complete)

    @property
    def known(self) -> Array:
        """The digests that are kept, in order: uint64."""
        return np.frombuffer(self.sorted, dtype="<u8")

    @property
    def last(self) -> np.uint64:
        """Up to which digest it can be told whether it is one of the rows'."""
        known = self.known
        return _ALL if self.complete or not len(known) else known[-1]

    def hold(self, digests: Array) -> tuple[Array, Array]:
        """Which digests are among those of the rows, and of which it can be told."""
        return among(digests, self.known), digests <= self.last


def held_by(batches: Sequence[Digests], digests: Array) -> Array:
    """Which digests are among those that are kept of any of several batches: bool, one each.

    Args:
        batches: What is kept of each.
        digests: Digests of rows: uint64.
    """
    return among(digests, np.concatenate([digests[:0], *(one.known for one in batches)]))


def among(digests: Array, others: Array) -> Array:
    """Which digests are among others: bool, one each.

    Nearly all are told apart by their first bits; what is left is compared.

    Args:
        digests: Digests: uint64.
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


class Ends(msgspec.Struct, frozen=True, array_like=True):
    """Where a number begins and ends in a batch, by the hour.

    Attributes:
        first_hours: The first hours with a value, in UTC, since 1970.
        first: The mean of each.
        last_hours: The last hours with a value.
        last: The mean of each.
    """

    first_hours: tuple[int, ...]
    first: tuple[float, ...]
    last_hours: tuple[int, ...]
    last: tuple[float, ...]


class Held(msgspec.Struct, frozen=True):
    """What things held in a batch, of which a bounded number is kept.

    Attributes:
        things: 64-bit digests of the things, little-endian, in order.
        complete: Whether they are all things; otherwise they are those of the smallest digests.
        values: By column what each of them held, float64, little-endian; NaN for nothing.
    """

    things: bytes
    complete: bool
    values: dict[str, bytes]

    @classmethod
    def of(cls, digests: Array, values: Mapping[str, Floats], most: int) -> Held:
        """What is kept of all things; of those that have the same digest, nothing.

        Args:
            digests: A digest of each thing.
            values: By column what each of them holds; NaN for nothing.
            most: How many are kept at most.
        """
        complete = len(digests) <= most
        kept = slice(None) if complete else np.argpartition(digests, most - 1)[:most]
        things, first, times = np.unique(digests[kept], return_index=True, return_counts=True)
        of_things = {
            name: np.where(times == 1, one[kept][first], np.nan).astype("<f8").tobytes()
            for name, one in values.items()
        }
        return cls(things.astype("<u8").tobytes(), complete, of_things)

    def tells(self, digests: Array) -> Array:
        """Of which things it is known whether they were there: bool, one each.

        Args:
            digests: A digest of each thing.
        """
        things = np.frombuffer(self.things, dtype="<u8")
        if self.complete or not len(things):
            return np.full(len(digests), self.complete)
        told: Array = digests <= things[-1]
        return told

    def or_nothing(self, name: str, digests: Array) -> Floats:
        """What things held in a column, 0 of those that were not there; NaN where it is not known.

        Args:
            name: The column.
            digests: A digest of each thing.
        """
        found = self.of_column(name, digests)
        was_there = among(digests, np.frombuffer(self.things, dtype="<u8"))
        return np.where(self.tells(digests) & ~was_there, 0.0, found)

    def of_column(self, name: str, digests: Array) -> Floats:
        """What things held in a column: float64; NaN where nothing is known of it.

        Args:
            name: The column.
            digests: A digest of each thing.
        """
        things, values = (
            np.frombuffer(self.things, dtype="<u8"),
            np.frombuffer(self.values.get(name, b""), dtype="<f8"),
        )
        found = np.full(len(digests), np.nan)
        if not len(values):
            return found
        near = np.flatnonzero(self.tells(digests))
        at = np.minimum(np.searchsorted(things, digests[near]), len(things) - 1)
        found[near] = np.where(things[at] == digests[near], values[at], np.nan)
        return found


class Case(msgspec.Struct, frozen=True, array_like=True):
    """In what a batch broke a law.

    Attributes:
        much: How much of it there was.
        strict: Whether that cannot be, so that it was published on a person's word alone.
    """

    much: float
    strict: bool


class Earlier(msgspec.Struct, frozen=True):
    """What is kept of a batch.

    Attributes:
        partition: The day or file.
        rows: How many rows it has.
        outside: Share of them that happened on another day; None where that cannot be told.
        keys: Digests of their keys.
        contents: Digests of their values but for key, event time, and what dates a row likewise.
        ends: Where numbers begin and end, of what laws of the version of then compare, by segment.
        joined: Digests of what was joined to rows, of what laws of the version of then compare.
        held: Digests of what moments of a day hold, of what laws of the version of then compare.
        lasting: The values that are the same all day, of what such laws compare.
        zones: The time zones that agree with it, by column that holds offsets of clocks and by what
            these follow from, where it tells zones apart between which training did not.
        strayed: Statistics that were outside of the band of the training days, by the digest of
            their law and their name.
        recalled: What things held, by what names them; none of a version that recalls nothing.
        cases: In which cases it broke laws, by the digest of the law: see `lockstep.laws.accepted`.
        middle_key: The middle one of its keys, where these count on; None of an older version.
        aside: How many rows came with it and were set aside; 0 of an older version.
    """

    partition: str
    rows: int
    outside: float | None
    keys: Digests
    contents: Digests
    ends: dict[str, dict[str, Ends]] = {}
    joined: dict[str, Digests] = {}
    held: dict[str, Digests] = {}
    lasting: dict[str, str | int | float | bool | None] = {}
    zones: dict[str, dict[str, tuple[str, ...]]] = {}
    strayed: dict[str, dict[str, float]] = {}
    recalled: dict[str, Held] = {}
    cases: dict[str, dict[str, Case]] = {}
    middle_key: str | None = None
    aside: int = 0


def digests_of(array: Array) -> Array:
    """A digest of each value: uint64, the same in every process; that of a missing value is 0."""
    missing = is_missing(array)
    if array.dtype == object and missing.any():
        array = np.where(missing, "", array)
    found: Array = pd.util.hash_array(array, categorize=False)
    found[missing] = 0
    return found


def mixed(digests: Iterable[Array], rows: int) -> Array:
    """A digest of each row's digests, in their order: uint64.

    Args:
        digests: Digests of the values of a column each.
        rows: How many rows there are.
    """
    found = np.zeros(rows, dtype=np.uint64)
    for one in digests:
        found = (found ^ (found >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
        found ^= one
    return found
