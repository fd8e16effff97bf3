"""Growth: numbers that rise with time, such as those of orders, or of weeks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array

RISES = 0.99
"""Rank correlation with the day (Spearman, 1904) from which on a column counts as growing."""
ENOUGH_PARTS = 5
"""The fewest days, and distinct numbers, that can show growth."""


def grows(numbers: Array, parts: Array) -> bool:
    """Whether numbers rise from day to day.

    Such a column has no level: every later day lies beyond all days before it.

    Args:
        numbers: A column of numbers, one a row.
        parts: int64, the day or block of each row, in order of time; -1 for none.
    """
    is_known = np.isfinite(numbers.astype(np.float64, copy=False)) & (parts >= 0)
    values, days = pd.Series(numbers[is_known]), pd.Series(parts[is_known])
    if min(days.nunique(), values.nunique()) < ENOUGH_PARTS:
        return False
    return bool(np.corrcoef(values.rank(), days.rank())[0, 1] >= RISES)
