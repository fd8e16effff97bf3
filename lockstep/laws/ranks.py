"""Ranks: numbers by their order alone, so that a product of two of them is a rank correlation.

Spearman, "The proof and measurement of association between two things", 1904.
"""

from __future__ import annotations

import numpy as np

from lockstep.columns.kinds import Floats


def ranks(numbers: Floats) -> Floats:
    """Ranks about 0 and of length 1, the same for what is equal; 0 for what is not known.

    Args:
        numbers: Float64, one-dimensional; NaN for nothing.
    """
    known = ~np.isnan(numbers)
    _, rank, count = np.unique(numbers[known], return_inverse=True, return_counts=True)
    found = np.zeros(len(numbers))
    found[known] = (np.cumsum(count) - (count - 1) / 2)[rank] - (known.sum() + 1) / 2
    length = float(np.linalg.norm(found))
    return found / length if length else found
