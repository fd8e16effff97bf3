"""Strays: the number of a row that lies where the numbers it goes with would not have it.

Laws that bind columns to each other are broken by any of them. Which one it is tell the rows
themselves: of numbers that rise and fall together, one that is at another rank within the day than
the median of the others is the odd one out, as 0 is between a width and a depth.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.glance import glance, number_columns
from lockstep.laws.rows import Rows

MOST_ROWS = 5_000
"""Rows that are looked at."""
TOGETHER = 0.6
"""Rank correlation (Spearman, 1904) from which on numbers go together."""
PARTNERS = 2
"""Numbers that a number goes with at least: of two, either is as odd as the other."""
FAR = 6.0
"""Medians of its distance from the others from which on a number strays."""
LEAST = 0.05
"""Ranks, as a share of the rows, that are near in any case."""
NEARLY = 0.6
"""Share of the farthest distance of a row from which on a number is as odd as the farthest: what
half of the others draw away is drawn half as far."""


def strays(rows: Rows) -> dict[str, float]:
    """The share of rows in which each number strays; without those that go with no others.

    Args:
        rows: The rows of a batch.
    """
    seen = glance(rows)
    places = np.linspace(0, len(seen) - 1, min(len(seen), MOST_ROWS)).astype(np.int64)
    names = number_columns(rows.schema)
    table = pd.DataFrame({name: seen.numbers(name)[places] for name in names})
    ranks = table.rank(pct=True) - 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.nan_to_num(ranks.corr(min_periods=len(ranks) // 2).to_numpy())
    goes_with = (np.abs(alike) >= TOGETHER) & ~np.eye(len(names), dtype=bool)
    kept = np.flatnonzero(goes_with.sum(axis=1) >= PARTNERS)
    distance = np.full(ranks.shape, np.nan)
    for place in kept.tolist():
        others = np.flatnonzero(goes_with[place])
        distance[:, place] = _distance(ranks.to_numpy(), np.sign(alike[place]), place, others)
    return {names[place]: _share(distance, place, goes_with[place]) for place in kept.tolist()}


def _distance(ranks: Floats, signs: Floats, place: int, others: Ints) -> Floats:
    """How far each row's rank is from the median of the others; NaN where most are missing."""
    expected = pd.DataFrame(ranks[:, others] * signs[others]).median(axis=1).to_numpy()
    found: Floats = np.abs(ranks[:, place] - expected)
    return found


def _share(distance: Floats, place: int, goes_with: Array) -> float:
    own = np.nan_to_num(distance[:, place])
    usual = max(FAR * float(np.nanmedian(distance[:, place])), LEAST)
    farthest = np.nan_to_num(distance[:, goes_with]).max(axis=1)
    return float(np.mean((own > usual) & (own >= NEARLY * farthest)))
