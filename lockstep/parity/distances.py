"""Distances between two profiles of a column, each of which finds what the others cannot.

Those in `NORMS` are norms of the difference of two distributions, so that the distance of some
rows from *all* rows, times N / (N - n), is their distance from the other rows: what it takes to
leave out a day of the training in turn without profiling the rest of it anew.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from lockstep.parity.profiles import ColumnProfile

Measure = Literal["missing", "level", "shape", "categories", "new", "gone"]

SHARES: frozenset[Measure] = frozenset(("missing", "shape", "categories", "new", "gone"))
"""The measures that are shares, between 0 and 1."""
NORMS: frozenset[Measure] = frozenset(("missing", "level", "shape", "categories"))
"""The measures that are norms of a difference."""

WORDS: dict[Measure, str] = {
    "missing": "another share of missing values",
    "level": "values in another place",
    "shape": "another distribution",
    "categories": "other shares of categories",
    "new": "new categories",
    "gone": "a category that is gone",
}


def distances(before: ColumnProfile, now: ColumnProfile) -> dict[Measure, float]:
    """How far the values of a column are from those before, by each measure that can tell.

    - missing: difference of the shares of missing values.
    - level: Wasserstein distance of two distributions of numbers, in widths of the one before:
      see `width`.
    - shape: Kolmogorov-Smirnov distance of two distributions of numbers.
    - categories: total variation distance of the shares of texts and booleans.
    - new: share of the values in categories that were not there before; left out where there were
      too many to list them all.
    - gone: the largest share before of a category that is not there now; left out likewise.

    Args:
        before: The profile to compare with.
        now: The profile of the rows.
    """
    if not before.rows or not now.rows or before.holds != now.holds:
        return {}
    found: dict[Measure, float] = {"missing": abs(now.missing - before.missing)}
    if before.missing == 1 or now.missing == 1:
        return found
    if before.holds == "categories":
        found["categories"] = _variation(before, now)
        if not before.rest:
            found["new"] = sum(now.shares[name] for name in unseen(before, now)) + now.rest
        if not now.rest:
            found["gone"] = before.shares[lost[0]] if (lost := gone(before, now)) else 0.0
        return found
    old, new = np.array(before.quantiles), np.array(now.quantiles)
    values = np.concatenate((old, new))
    ranks = (np.searchsorted(one, values, side="right") for one in (old, new))
    found["shape"] = float(np.abs(np.subtract(*ranks)).max()) / len(old)
    if scale := width(before):
        found["level"] = float(np.abs(new - old).mean()) / scale
    return found


def width(profile: ColumnProfile) -> float:
    """The interquartile range of numbers or, where that is 0, their middle 90 percent or range."""
    values = profile.quantiles
    if not values:
        return 0.0
    edges = ((25, 75), (5, 95), (0, 100))
    return next((gap for low, high in edges if (gap := values[high] - values[low])), 0.0)


def unseen(before: ColumnProfile, now: ColumnProfile) -> list[str]:
    """Categories that there were not before, the most frequent first."""
    found = [name for name in now.shares if name not in before.shares]
    return sorted(found, key=lambda name: -now.shares[name])


def gone(before: ColumnProfile, now: ColumnProfile) -> list[str]:
    """Categories that there are no more, the most frequent first."""
    found = [name for name in before.shares if name not in now.shares]
    return sorted(found, key=lambda name: -before.shares[name])


def _variation(before: ColumnProfile, now: ColumnProfile) -> float:
    """Total variation of the shares of the categories before, all others counted as one."""
    shares = {name: now.shares.get(name, 0.0) for name in before.shares}
    apart = sum(abs(share - before.shares[name]) for name, share in shares.items())
    return (apart + abs(1 - sum(shares.values()) - before.rest)) / 2
