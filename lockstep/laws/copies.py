"""Copies: what is there again, in a day or in the days before it, and how much of that is usual."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array
from lockstep.laws.earlier import mixed
from lockstep.laws.rows import Rows

WINDOW = 14
"""Days before a day that are looked at for copies of what it has."""
FEW = 0.01
"""Share of a batch, beyond what is usual, that is merely unusual."""
MOST_USUAL = 0.2
"""Largest share of copies that training days may have, so that a copy says anything."""
TIMES = 3.0
"""How many times the largest share, or count, of training days is beyond all that is usual."""
MORE = 3
"""How many more than that many times it takes of what is counted, where there were any."""


def by_chance(share: float, rows: int) -> float:
    """The largest share that is still chance, where another is usual: three standard errors."""
    return share + 3 * sqrt(share / rows)


def still_chance(ever: int) -> float:
    """How many may be chance, where a training day had others: none, where none had any.

    Args:
        ever: How many a training day had, at most.
    """
    return TIMES * ever + MORE if ever else 0.0


def is_more(count: float, ever: int) -> bool:
    """Whether so many cannot be, where a training day had no more than others.

    Args:
        count: How many there are.
        ever: How many a training day had, at most.
    """
    return count > still_chance(ever)


def days_of(rows: Rows) -> Array | None:
    """The day of each row; None where all are of one, or nobody knows."""
    days = rows.days
    return days if days is not None and len(days) and (days != days[0]).any() else None


def repeats(digests: Array, days: Array | None = None) -> Array:
    """Rows whose digest an earlier row has, of the same day if days are told."""
    if days is not None:
        digests = mixed((digests, days.astype(np.int64).view(np.uint64)), len(digests))
    return pd.Series(digests).duplicated().to_numpy()


def copies_of_days_before(digests: Array, days: Array | None) -> Array:
    """Rows whose digest a row of the days before theirs has, of as many as are looked at."""
    found = np.zeros(len(digests), dtype=bool)
    if days is None:
        return found
    again = np.flatnonzero(pd.Series(digests).duplicated(keep=False))
    digests, numbers = digests[again], days[again].astype(np.int64)
    order = np.lexsort((numbers, digests))
    same = digests[order][1:] == digests[order][:-1]
    gap = np.diff(numbers[order])
    is_first = np.concatenate([[True], ~same | (gap > 0)])  # of the rows of a digest and a day
    follows = np.concatenate([[False], same & (gap > 0) & (gap <= WINDOW)])
    found[again[order]] = follows[is_first][np.cumsum(is_first) - 1]
    return found


def shares_of_copies(digests: Array, day_of: Array, days: int) -> tuple[float, float]:
    """The largest shares of copies that training days had, among themselves and of days before.

    Args:
        digests: What is compared: uint64.
        day_of: The day of each, counted from 0.
        days: How many days there are.
    """
    within, across = 0.0, 0.0
    seen: list[Array] = []
    for day in range(days):
        today = digests[day_of == day]
        if len(today):
            within = max(within, float(repeats(today).mean()))
            if len(seen) >= WINDOW:
                before = np.concatenate(seen[-WINDOW:])
                across = max(across, float(np.isin(today, before).mean()))
        seen.append(np.unique(today))
    return within, across
