"""Samples of a batch: the rows whose keys have the smallest digests.

Which rows are drawn depends on their keys and on the number of rows alone, not on how a batch is
cut into units, and samples of other batches hold the same keys (coordinated sampling: Cohen,
"Coordinated sampling", 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockstep.columns.digests import digests_of
from lockstep.columns.kinds import Array, Columns, Ints
from lockstep.columns.tables import stacked, take_rows

LOOKED_AT = 100_000
"""Rows of a large batch that are looked at side by side: shares are then known to 0.3 percent (95 %
of the time, by the binomial distribution)."""


@dataclass(frozen=True)
class Sampling:
    """Which rows of a batch are drawn."""

    rows: int
    most: int = LOOKED_AT  # about how many of them are drawn

    @property
    def is_all(self) -> bool:
        """Whether all rows are drawn."""
        return self.rows <= self.most

    @property
    def of_each(self) -> float:
        """How many rows of the batch a drawn one stands for."""
        return max(self.rows / self.most, 1.0)

    def drawn(self, keys: Array) -> Array:
        """Which rows are drawn, by their keys: bool."""
        if self.is_all:
            return np.ones(len(keys), dtype=bool)
        drawn: Array = digests_of(keys) <= np.uint64(int(2**64 * (self.most / self.rows)) - 1)
        return drawn

    def of(self, columns: Columns, key: str) -> Columns:
        """The drawn rows of columns."""
        return columns if self.is_all else take_rows(columns, self.drawn(columns[key]))


@dataclass(frozen=True, eq=False)
class Sample:
    """The drawn rows of a batch, or of a unit of it; those of units add up."""

    columns: Columns
    numbers: Ints  # int64, the number of each in the input
    kept: Array  # which of them are not set aside: bool

    @classmethod
    def of(cls, columns: Columns, key: str, numbers: Ints, kept: Array, draw: Sampling) -> Sample:
        """Draw from rows."""
        if draw.is_all:
            return cls(columns, numbers, kept)
        rows = draw.drawn(columns[key])
        return cls(take_rows(columns, rows), numbers[rows], kept[rows])

    @classmethod
    def joined(cls, parts: Sequence[Sample]) -> Sample:
        """The samples of one or more units, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            stacked([part.columns for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.kept for part in parts]),
        )

    @property
    def kept_columns(self) -> Columns:
        """The drawn rows that are not set aside."""
        return self.columns if self.kept.all() else take_rows(self.columns, self.kept)

    def without(self, rows: Array) -> Sample:
        """The same rows; some more of them are set aside: bool."""
        return Sample(self.columns, self.numbers, self.kept & ~rows)
