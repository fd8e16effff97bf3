"""The past: what is kept of a batch, for the constraints of those that follow it.

It is bounded, and holds no values of rows in the clear but numbers: of each thing that an entity
names its last row, how many rows it had and their sums; digests of keys and contents; the counts
and statistics of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from lockstep.columns.digests import Digests
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.thresholds import MOST_KNOWN

DAYS = 35
"""Days that are looked back: four weeks before each day of the week that was last."""


class Things(msgspec.Struct, frozen=True):
    """What things had in a batch: arrays in the order of their digests, as little-endian bytes.

    Attributes:
        codes: uint64, a digest of each.
        complete: Whether they are all that the batch had.
        times: int64, when the last row of each was, microseconds since 1970.
        counts: float64, how many rows it had.
        last: By column, float64, what its last row held; NaN for nothing.
        texts: By column, uint32, a digest of what its last row held; 0 for nothing.
        sums: By column, float64, the sum over its rows.
    """

    codes: bytes
    complete: bool
    times: bytes
    counts: bytes
    last: dict[str, bytes]
    texts: dict[str, bytes]
    sums: dict[str, bytes]

    @classmethod
    def of(
        cls,
        codes: Array,
        times: Ints,
        last: Mapping[str, Floats],
        texts: Mapping[str, Array],
        summed: Mapping[str, Floats],
    ) -> Things:
        """What is kept of rows.

        Args:
            codes: uint64, the thing of each row; 0 for none.
            times: int64, when each was.
            last: By column what each row holds, of which the last is kept.
            texts: By column a digest of what each row holds: uint32.
            summed: By column what is summed.
        """
        order = np.lexsort((times, codes))
        order = order[codes[order] != 0]
        things, first, counts = np.unique(codes[order], return_index=True, return_counts=True)
        kept = slice(0, MOST_KNOWN)
        ends = order[(first + counts - 1)[kept]]
        place = np.repeat(np.arange(len(things)), counts)
        sums = {}
        for name, values in summed.items():  # added up in the order in which training is
            total = np.bincount(place, np.nan_to_num(values)[order], len(things))
            sums[name] = _bytes(total[kept], "<f8")
        return cls(
            codes=_bytes(things[kept], "<u8"),
            complete=len(things) <= MOST_KNOWN,
            times=_bytes(times[ends], "<i8"),
            counts=_bytes(counts[kept], "<f8"),
            last={name: _bytes(values[ends], "<f8") for name, values in last.items()},
            texts={name: _bytes(values[ends], "<u4") for name, values in texts.items()},
            sums=sums,
        )

    @property
    def known(self) -> Array:
        """Digests of the things, in order."""
        return np.frombuffer(self.codes, dtype="<u8")

    def place(self, codes: Array) -> Ints:
        """Where each of some things is among these; -1 where it is not.

        Args:
            codes: uint64; 0 for none.
        """
        known = self.known
        if not len(known):
            return np.full(len(codes), -1)
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where((known[at] == codes) & (codes != 0), at, -1)


class PastBatch(msgspec.Struct, frozen=True):
    """What is kept of a batch of one day, or of the rows of one day of a file.

    Attributes:
        partition: The day or file.
        day: The day, counted from 1970; of rows without an event time, a number of its own.
        rows: How many rows it had.
        things: By entity, its columns joined by `+`.
        keys: Digests of the keys.
        contents: Digests of contents, by what they are made of.
        counts: By what rows are counted by, a count of each value, float64.
        values: The value of each statistic, float32; NaN where it has none.
        sizes: How many independent rows each tells of, float32.
        low: float64, the least of each number; NaN where it has none.
        high: The greatest.
        middle: The middle number of its keys; NaN where they have none.
        blocked: Whether it was held back, so that its figures may be wrong.
        accepted: Findings that a person accepted, by identity, each with its extent.
    """

    partition: str
    day: int
    rows: int
    things: dict[str, Things]
    keys: Digests
    contents: dict[str, Digests]
    counts: dict[str, bytes]
    values: bytes = b""
    sizes: bytes = b""
    low: bytes = b""
    high: bytes = b""
    middle: float = float("nan")
    blocked: bool = False
    accepted: dict[str, float] = {}

    def counted(self, name: str) -> Floats:
        """How many rows each value had."""
        return np.frombuffer(self.counts.get(name, b""), dtype="<f8")


def _bytes(values: Array, form: str) -> bytes:
    return values.astype(form).tobytes()
