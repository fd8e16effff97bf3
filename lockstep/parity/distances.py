"""Distances between two profiles of a column, each of which finds what the others cannot.

Those in `NORMS` are norms of the difference of two distributions, so that the distance of some
rows from *all* rows, times N / (N - n), is their distance from the other rows: what it takes to
leave out a day of the training in turn without profiling the rest of it anew.
"""

from __future__ import annotations

from math import inf, log
from typing import Literal

import numpy as np

from lockstep.columns.extremes import improbability
from lockstep.parity.profiles import ColumnProfile

Measure = Literal["missing", "level", "shape", "scale", "outside", "categories", "new", "gone"]

BOUNDED: frozenset[Measure] = frozenset(
    ("missing", "shape", "outside", "categories", "new", "gone")
)
"""The measures that cannot be larger than a batch allows: shares, and an improbability."""
NORMS: frozenset[Measure] = frozenset(("missing", "level", "shape", "categories"))
"""The measures that are norms of a difference."""
OF_ROWS: frozenset[Measure] = frozenset(("scale", "outside"))
"""The measures of batches whose rows stand for themselves, rather than for a day."""

WORDS: dict[Measure, str] = {
    "missing": "another share of missing values",
    "level": "values in another place",
    "shape": "another distribution",
    "scale": "values nearer to each other, or farther apart",
    "outside": "values beyond all of training",
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
    - scale: by what factor the middle half of the numbers is wider or narrower than before, as a
      natural logarithm; left out where the middle half of either is one number.
    - outside: how improbable it is that so many numbers lie beyond all of those before, where most
      do: see `lockstep.columns.extremes`; 0 where fewer do, as rows that come together may.
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
    if unit := width(before):
        found["level"] = float(np.abs(new - old).mean()) / unit
    if (factor := scale(before, now)) is not None:
        found["scale"] = factor
    found["outside"] = outside(before.quantiles[0], before.quantiles[-1], before.values, now)
    return found


def outside(lowest: float, highest: float, known: int, now: ColumnProfile) -> float:
    """How improbable it is that so many numbers lie beyond others, where most of them do.

    Those that are equal may be one fact, which several rows tell: they count once.

    Args:
        lowest: The smallest of the others.
        highest: The largest of them.
        known: How many they are.
        now: The numbers.
    """
    numbers = np.array(now.quantiles)
    is_beyond = (numbers < lowest) | (numbers > highest)
    if is_beyond.mean() <= 0.5:
        return 0.0
    return improbability(known, now.different, len(np.unique(numbers[is_beyond])))


def scale(before: ColumnProfile, now: ColumnProfile) -> float | None:
    """By what factor the middle half of numbers is wider or narrower, as a natural logarithm.

    None where the middle half of either is one number.
    """
    old, new = (one.quantiles[75] - one.quantiles[25] for one in (before, now))
    return abs(log(new) - log(old)) if 0 < old < inf and 0 < new < inf else None


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
