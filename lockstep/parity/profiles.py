"""Profiles: how the values of columns are distributed, in a few numbers each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lockstep.columns.kinds import Array, Columns, Floats, Kind
from lockstep.columns.plain import bars

GRID = 101
"""Quantiles that are kept: minimum, every percent, maximum."""
CATEGORIES = 200
"""Categories that are kept, the most frequent ones; the others are pooled."""
DIGITS = 4
"""Digits after the decimal point that are counted."""
_PARTS = 12
"""Parts of a histogram."""


@dataclass(frozen=True)
class ColumnProfile:
    """The distribution of the values of a column."""

    # what it holds: `"numbers"`, or `"categories"` (text and booleans)
    holds: Literal["numbers", "categories"]
    rows: int
    missing: float  # share of rows without a value
    # values at 0, 1, ..., 100 percent; empty for categories and without values
    quantiles: tuple[float, ...]
    # share among the values of each category; of numbers, the share of their digits after the
    # decimal point: `"02"` for 39.02
    shares: Mapping[str, float]
    rest: float  # share of the values that are not among `shares`
    # by output, the farthest that its own values moved it on a training day, beside those of
    # all days; see `Effect.extent`. Empty where that is not known
    moves: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> int:
        """Number of rows with a value."""
        return round(self.rows * (1 - self.missing))


@dataclass(frozen=True)
class Profile:
    """The distributions of some columns over some rows."""

    rows: int
    columns: Mapping[str, ColumnProfile]

    @classmethod
    def of(cls, columns: Columns, kinds: Mapping[str, Kind]) -> Profile:
        """The profile of columns in canonical form."""
        rows = len(next(iter(columns.values()))) if columns else 0
        profiles = {}
        for name, kind in kinds.items():
            if kind in (Kind.FLOAT, Kind.INT):
                profiles[name] = _of_numbers(columns[name])
            elif kind is not Kind.TIME:
                profiles[name] = _of_categories(columns[name])
        return cls(rows, profiles)


def histograms(training: ColumnProfile, *others: ColumnProfile) -> tuple[str, ...]:
    """Small histograms over the same parts, of training and of batches.

    Numbers are split between the 1st and the 99th percentile of all, and both ends take what lies
    beyond; texts are split into the most frequent categories of the training, and all others.

    Returns:
        A histogram a profile, in order; all are empty where profiles cannot be compared.
    """
    profiles = (training, *others)
    if any(other.holds != training.holds for other in others):
        return ("",) * len(profiles)
    return tuple(bars(shares) for shares in _histogram_parts(profiles))


def _histogram_parts(profiles: Sequence[ColumnProfile]) -> list[np.ndarray]:
    """The shares of each profile in the same parts; zeros where no profile has a number."""
    if profiles[0].holds == "categories":
        names = list(profiles[0].shares)[: _PARTS - 1]
        shares = [
            np.array([profile.shares.get(name, 0.0) for name in names]) for profile in profiles
        ]
        rest = [max(1 - float(share.sum()), 0.0) for share in shares]
        return [
            np.append(known, others) * (profile.missing < 1)
            for profile, known, others in zip(profiles, shares, rest, strict=True)
        ]
    inner = [value for profile in profiles for value in profile.quantiles[1:100]]
    if not inner:
        return [np.zeros(1) for _ in profiles]
    edges = np.linspace(min(inner), max(inner), _PARTS + 1)[1:-1]
    counts = (
        np.bincount(np.searchsorted(edges, profile.quantiles, side="right"), minlength=_PARTS)
        for profile in profiles
    )
    return [count / max(count.sum(), 1) for count in counts]


def _of_numbers(array: Array) -> ColumnProfile:
    numbers, rows = array.astype(np.float64, copy=False), len(array)
    ordered = np.sort(numbers[~np.isnan(numbers)])
    present = len(ordered)
    if not present:
        return ColumnProfile("numbers", rows, float(rows > 0), (), {}, 0.0)
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    values, counts = ordered[starts], np.diff(np.r_[starts, present])
    grid = np.rint(np.linspace(0, present - 1, GRID)).astype(np.int64)
    shares, rest = _shares(_digits(values, counts), present)
    return ColumnProfile(
        holds="numbers",
        rows=rows,
        missing=1 - present / rows,
        quantiles=tuple(ordered[grid].tolist()),
        shares=shares,
        rest=rest,
    )


def _digits(values: Floats, counts: Array) -> Counter[str]:
    """Count each sequence of digits after the decimal point; `""` for whole numbers."""
    scale = 10**DIGITS
    digits, which = np.unique(np.rint(np.abs(values) % 1 * scale) % scale, return_inverse=True)
    totals = np.bincount(which, counts)
    return Counter(
        {
            f"{int(digit):0{DIGITS}}".rstrip("0"): int(total)
            for digit, total in zip(digits.tolist(), totals.tolist(), strict=True)
        }
    )


def _of_categories(array: Array) -> ColumnProfile:
    counts, rows = Counter(array.tolist()), len(array)
    present = rows - counts.pop(None, 0)
    if not present:
        return ColumnProfile("categories", rows, float(rows > 0), (), {}, 0.0)
    shares, rest = _shares(Counter({str(value): count for value, count in counts.items()}), present)
    return ColumnProfile(
        holds="categories",
        rows=rows,
        missing=1 - present / rows,
        quantiles=(),
        shares=shares,
        rest=rest,
    )


def _shares(counts: Counter[str], present: int) -> tuple[dict[str, float], float]:
    kept = counts.most_common(CATEGORIES)
    rest = present - sum(count for _, count in kept)
    return {name: count / present for name, count in kept}, rest / present
