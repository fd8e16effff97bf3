"""Rows of columns, by key."""

from __future__ import annotations

import numpy as np

from lockstep.columns.kinds import Array


def first_of_each(keys: Array) -> Array:
    """Positions of the rows whose key has not occurred before."""
    rows: dict[object, int] = {}
    for row, key in enumerate(keys.tolist()):
        rows.setdefault(key, row)
    return np.fromiter(rows.values(), np.int64, len(rows))
