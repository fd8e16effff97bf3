"""Marks: by a part of its digest it is told whether a thing is one of many that were there."""

from __future__ import annotations

import msgspec
import numpy as np

from lockstep.columns.kinds import Array

_LEFT_OUT = np.uint64(32)
"""Bits of a digest that are not kept. Of pairs that training never had, one in 200,000 is taken for
one of 20,000 then."""


class Marks(msgspec.Struct, frozen=True):
    """Things of which it can be told whether another one is among them.

    Attributes:
        sorted: A part of the digest of each: 32 bits, little-endian, in order.
    """

    sorted: bytes = b""

    @classmethod
    def of(cls, digests: Array) -> Marks:
        """Those of some things, by their digests: uint64."""
        return cls(np.unique(digests >> _LEFT_OUT).astype("<u4").tobytes())

    def hold(self, digests: Array) -> Array:
        """Which digests, uint64, are of one of the things: bool."""
        known, asked = np.frombuffer(self.sorted, "<u4"), (digests >> _LEFT_OUT).astype("<u4")
        if not len(known):
            return np.zeros(len(asked), dtype=bool)
        found: Array = known[np.minimum(np.searchsorted(known, asked), len(known) - 1)] == asked
        return found
