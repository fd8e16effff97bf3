"""Profiles: how the values of columns are distributed, in a few numbers each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lockstep.columns.kinds import Array, Columns, Floats, Kind

GRID = 101
"""Quantiles that are kept: minimum, every percent, maximum."""
CATEGORIES = 200
"""Categories that are kept, the most frequent ones; the rest is pooled."""
DIGITS = 4
"""Digits after the decimal point that are looked at."""


@dataclass(frozen=True)
class ColumnProfile:
    """How the values of one column are distributed.

    Attributes:
        holds: What it holds: `"numbers"`, or `"categories"` (text and booleans).
        rows: Number of rows.
        missing: Share of rows without a value.
        commonest: Share, among the values, of the most frequent one; 0 without values.
        quantiles: Values at 0, 1, ..., 100 percent; empty for categories and without values.
        shares: Share among the values of each category; of numbers, the share of their digits
            after the decimal point: `"02"` for 39.02.
        rest: Share of the categories that are not among `shares`.
    """

    holds: Literal["numbers", "categories"]
    rows: int
    missing: float
    commonest: float
    quantiles: tuple[float, ...]
    shares: Mapping[str, float]
    rest: float


@dataclass(frozen=True)
class Profile:
    """How the values of some columns are distributed over some rows.

    Attributes:
        rows: Number of rows.
        columns: Each column's own profile.
    """

    rows: int
    columns: Mapping[str, ColumnProfile]

    @classmethod
    def of(cls, columns: Columns, kinds: Mapping[str, Kind]) -> Profile:
        """The profile of columns in canonical form.

        Args:
            columns: The rows.
            kinds: Which columns to profile and what they hold; times are left out.
        """
        rows = len(next(iter(columns.values()))) if columns else 0
        found = {
            name: _of_numbers(columns[name].astype(np.float64, copy=False))
            if kind in (Kind.FLOAT, Kind.INT)
            else _of_categories(columns[name])
            for name, kind in kinds.items()
            if kind is not Kind.TIME
        }
        return cls(rows, found)

    def to_json(self) -> dict[str, Any]:
        """The profile as a dict for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """The profile from what `to_json` gave."""
        columns = {
            name: ColumnProfile(**{**column, "quantiles": tuple(column["quantiles"])})
            for name, column in data["columns"].items()
        }
        return cls(data["rows"], columns)


def _of_numbers(array: Floats) -> ColumnProfile:
    values = np.sort(array[~np.isnan(array)])
    rows, present = len(array), len(values)
    if not present:
        return ColumnProfile("numbers", rows, float(rows > 0), 0.0, (), {}, 0.0)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    counts = np.diff(np.r_[starts, present])
    grid = np.rint(np.linspace(0, present - 1, GRID)).astype(np.int64)
    shares, rest = _shares(_digits(values[starts], counts), present)
    return ColumnProfile(
        holds="numbers",
        rows=rows,
        missing=1 - present / rows,
        commonest=float(counts.max()) / present,
        quantiles=tuple(values[grid].tolist()),
        shares=shares,
        rest=rest,
    )


def _digits(values: Floats, counts: Array) -> Counter[str]:
    """How often each sequence of digits after the decimal point occurs; `""` for whole numbers."""
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
    counts = Counter(array.tolist())
    rows = len(array)
    present = rows - counts.pop(None, 0)
    if not present:
        return ColumnProfile("categories", rows, float(rows > 0), 0.0, (), {}, 0.0)
    shares, rest = _shares(Counter({str(value): count for value, count in counts.items()}), present)
    return ColumnProfile(
        holds="categories",
        rows=rows,
        missing=1 - present / rows,
        commonest=max(counts.values()) / present,
        quantiles=(),
        shares=shares,
        rest=rest,
    )


def _shares(counts: Counter[str], present: int) -> tuple[dict[str, float], float]:
    kept = counts.most_common(CATEGORIES)
    rest = present - sum(count for _, count in kept)
    return {name: count / present for name, count in kept}, rest / present
