"""States of batches: sums that merge, from which statistics are read.

The state of two parts is the sum of their states (Schelter et al., "Automating large-scale data
quality verification", VLDB 2018): parts of a file, units of a pool and days of a week add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar, cast

import numpy as np

from lockstep.columns.digests import Digests
from lockstep.columns.kinds import Array, Floats
from lockstep.stats.number_runs import NO_RUNS, Runs

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MOST_VALUES = 4_096
"""Values of a column whose counts are kept, the most frequent. A count is then wrong by at most one
in as many rows (Misra and Gries, "Finding repeated elements", 1982)."""


class Summed:
    """A dataclass of which two parts add up attribute by attribute."""

    def __add__(self, other: Self) -> Self:
        """The sums of both."""
        names = [attribute.name for attribute in fields(cast("DataclassInstance", self))]
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))


@dataclass(frozen=True, eq=False)
class Moments(Summed):
    """Sums of features.

    Attributes:
        count: float64, by feature: rows to which it applies.
        square: The sums of their squares; 0 where they were not asked for.
    """

    count: Floats
    total: Floats
    square: Floats

    @classmethod
    def of(cls, features: Array, *, squared: bool = True) -> Moments:
        """The sums of some rows.

        Args:
            features: float32, rows x features; NaN where a feature does not apply.
            squared: Whether squares are summed, as variances need: these are learnt at the fit.
        """
        known = np.isfinite(features)
        filled = np.where(known, features, np.float32(0.0))
        ones = np.ones(len(features), dtype=np.float32)
        total = (ones @ filled).astype(np.float64)
        return cls(
            (ones @ known.astype(np.float32)).astype(np.float64),
            total,
            (ones @ (filled * filled)).astype(np.float64) if squared else np.zeros_like(total),
        )

    @classmethod
    def beside(cls, parts: Sequence[Moments]) -> Moments:
        """The sums of several parts of the features of the same rows, joined in order."""
        if not parts:
            return cls.added([], 0)
        names = ("count", "total", "square")
        return cls(*(np.hstack([getattr(part, name) for part in parts]) for name in names))

    @classmethod
    def added(cls, parts: Sequence[Moments], features: int) -> Moments:
        """The sums of several parts of the rows; zeros where there is no part."""
        nothing = np.zeros(features)
        return reduce(add, parts, cls(nothing, nothing, nothing))


class Pairs(NamedTuple):
    """Sums over rows of pairs of numbers, arrays of a shape; `aab` is that of a * a * b."""

    rows: Floats
    a: Floats
    b: Floats
    aa: Floats
    bb: Floats
    ab: Floats
    aab: Floats
    abb: Floats
    aabb: Floats

    @property
    def correlation(self) -> Floats:
        """The correlation of each pair; NaN where it is that of fewer than twelve rows."""
        with np.errstate(all="ignore"):
            n = np.where(self.independent >= 12, self.rows, np.nan)
            spread = np.sqrt((self.aa / n - (self.a / n) ** 2) * (self.bb / n - (self.b / n) ** 2))
            ratio = (self.ab / n - self.a * self.b / n**2) / np.where(spread > 1e-9, spread, np.nan)
        correlation: Floats = np.clip(ratio, -0.999, 0.999)
        return correlation

    @property
    def independent(self) -> Floats:
        """How many rows the error of each correlation is that of; all where it is not known.

        Fisher's error is that of normal numbers. By heavier tails, a correlation is known as well
        as by fewer rows: where both numbers are nearly always 0, by the few that carry the product
        (the kurtosis of elliptical distributions: Muirhead and Waternaux, "Asymptotic distributions
        in canonical correlation analysis", 1980).
        """
        with np.errstate(all="ignore"):
            _, a, b, aa, bb, ab, aab, abb, aabb = (sums / self.rows for sums in self)
            squares = aabb - 2 * (b * aab + a * abb) + b * b * aa + a * a * bb
            squares += 4 * a * b * ab - 3 * (a * b) ** 2
            normal = (aa - a * a) * (bb - b * b) + 2 * (ab - a * b) ** 2
            share = normal / squares
        known: Floats = np.where(np.isfinite(share), np.clip(share, 0.0, 1.0), 1.0)
        return self.rows * known


@dataclass(frozen=True, eq=False)
class Products(Summed):
    """Sums of products of numbers, in pairs and with the row before.

    Attributes:
        count: float64, numbers x numbers: rows in which both of a pair are known.
        square: The sums of its squares.
        skewed: The sums of products, the first one squared.
        lagged: float64, 9 x numbers: the sums of `Pairs`, of each number and that of the row
            before.
    """

    count: Floats
    first: Floats
    square: Floats
    both: Floats
    skewed: Floats
    squares: Floats
    lagged: Floats

    @classmethod
    def of(cls, numbers: Floats, before: Floats) -> Products:
        """The sums of some rows.

        Args:
            numbers: float64, rows x numbers; NaN where a number is not known.
            before: The same of the row before each row.
        """
        known = np.isfinite(numbers)
        filled, mark = np.where(known, numbers, 0.0), known.astype(np.float64)
        squared = filled * filled
        both = known & np.isfinite(before)
        now, then = np.where(both, numbers, 0.0), np.where(both, before, 0.0)
        of_two = now * then
        lagged = Pairs(
            both.astype(np.float64), now, then, now * now, then * then, of_two, now * of_two,
            then * of_two, of_two * of_two,
        )  # fmt: skip
        return cls(
            mark.T @ mark,
            filled.T @ mark,
            squared.T @ mark,
            filled.T @ filled,
            squared.T @ filled,
            squared.T @ squared,
            np.array([products.sum(axis=0) for products in lagged], dtype=np.float64),
        )

    @property
    def pairs(self) -> Pairs:
        """The sums of each pair: numbers x numbers."""
        return Pairs(
            self.count, self.first, self.first.T, self.square, self.square.T, self.both,
            self.skewed, self.skewed.T, self.squares,
        )  # fmt: skip

    @property
    def to_before(self) -> Pairs:
        """The sums of each number and that of the row before."""
        return Pairs(*self.lagged)


@dataclass(frozen=True, eq=False)
class Frequent:
    """How often the values of a column occur.

    Attributes:
        codes: uint64, digests of the most frequent values, in order.
    """

    codes: Array
    counts: Floats
    known: int
    distinct: Digests

    @classmethod
    def of(cls, codes: Array) -> Frequent:
        """How often the values of some rows occur, by their digest (uint64); 0 is a missing one."""
        values, counts = np.unique(codes, return_counts=True)
        known = values != 0
        values, counts = values[known], counts[known].astype(np.float64)
        return cls._bounded(values, counts, Digests.of(values))

    @classmethod
    def _bounded(
        cls, codes: Array, counts: Array, distinct: Digests, known: int | None = None
    ) -> Frequent:
        total = int(counts.sum()) if known is None else known
        if len(codes) > MOST_VALUES:
            kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_VALUES])
            codes, counts = codes[kept], counts[kept]
        return cls(codes, counts, total, distinct)

    def __add__(self, other: Frequent) -> Frequent:
        """How often the values of both occur."""
        codes, place = np.unique(np.concatenate([self.codes, other.codes]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([self.counts, other.counts]), len(codes))
        known = self.known + other.known
        return self._bounded(codes, counts, self.distinct + other.distinct, known)

    @property
    def top(self) -> float:
        """The share of the most frequent value; NaN where there is none."""
        return float(self.counts.max() / self.known) if self.known else float("nan")


@dataclass(frozen=True, eq=False)
class State:
    """What the statistics of a batch are read from.

    Attributes:
        lacking: float64, rows that have no value of each feature since those before them are not
            known.
        counts: float64, rows of each cell; and by column, rows of each value whose absence counts.
        digits: How many keys have a number, and the sum of these.
        runs: The runs of the numbers of all keys; none where these have gaps in training.
    """

    rows: int
    moments: Moments
    lacking: Floats
    products: Products
    counts: Mapping[str, Floats]
    frequent: Mapping[str, Frequent]
    digits: tuple[int, float]
    runs: Runs = NO_RUNS

    def __add__(self, other: State) -> State:
        """The state of both."""
        return State(
            self.rows + other.rows,
            self.moments + other.moments,
            self.lacking + other.lacking,
            self.products + other.products,
            {name: counts + other.counts[name] for name, counts in self.counts.items()},
            {name: values + other.frequent[name] for name, values in self.frequent.items()},
            (self.digits[0] + other.digits[0], self.digits[1] + other.digits[1]),
            self.runs + other.runs,
        )


Adding = TypeVar("Adding", Moments, Frequent, State)


def merged(states: Sequence[Adding]) -> Adding:
    """The state of a batch, from those of its parts: one or more."""
    return reduce(add, states)
