"""Growth: numbers that are new in nearly every row and rise with time, such as those of orders."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array

NEW = 0.9
"""Share of rows with a value of their own from which on a column tells rows apart."""
RISES = 0.99
"""Rank correlation with the day (Spearman, 1904) from which on what moves it is time alone."""
ENOUGH_PARTS = 5
"""Days that it takes to tell."""


def grows(numbers: Array, parts: Array) -> bool:
    """Whether numbers are new in nearly every row and rise from day to day.

    Such a column has no level: every later day lies beyond all days before it.

    Args:
        numbers: A column of numbers, one a row.
        parts: int64, which day or block each row is of, in order of time; -1 for none.
    """
    is_known = np.isfinite(numbers.astype(np.float64, copy=False)) & (parts >= 0)
    values, days = pd.Series(numbers[is_known]), pd.Series(parts[is_known])
    if days.nunique() < ENOUGH_PARTS or values.nunique() < NEW * len(values):
        return False
    return bool(np.corrcoef(values.rank(), days.rank())[0, 1] >= RISES)
