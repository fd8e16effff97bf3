"""Least absolute deviations: what a linear relation leaves, as most rows have it.

A few rows that are far off draw a fit by least squares to themselves, and most others away from it.
The sum of absolute deviations does not mind how far those are (Bloomfield and Steiger, "Least
Absolute Deviations", 1983). It is made least by weighted squares in turn, each row weighted by how
near it was (Schlossmacher, Journal of the American Statistical Association 68, 1973).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockstep.columns.kinds import Floats

MOST_ROWS = 2_000
"""Rows that a relation is fitted to, spread evenly over all of them."""
ROUNDS = 10
"""How often rows are weighted anew; deviations hardly change after that."""
_NEAR = 1e-3
"""Share of the target's spread below which rows are all as near."""


def left_by_most(target: Floats, terms: Sequence[Floats]) -> Floats:
    """What a linear relation leaves of a target, which least absolute deviations fit.

    Args:
        target: What is told, one a row; NaN where it is not known.
        terms: What tells it, likewise.

    Returns:
        What is left, one a row; NaN where the target or a term is not known.
    """
    known = np.flatnonzero(~np.isnan([target, *terms]).any(axis=0))
    left = np.full(len(target), np.nan)
    if not len(known):
        return left
    numbers = np.array([one[known] for one in terms])
    scales = np.std(numbers, axis=1)
    units = (numbers - numbers.mean(axis=1)[:, None]) / np.where(scales > 0, scales, 1.0)[:, None]
    design = np.vstack([np.ones(len(known)), units]).T
    chosen = np.unique(np.linspace(0, len(known) - 1, MOST_ROWS).astype(np.int64))
    left[known] = target[known] - design @ _weights(target[known][chosen], design[chosen])
    return left


def _weights(target: Floats, design: Floats) -> Floats:
    """The weights of the terms: a column of the design each."""
    near = _NEAR * float(np.std(target)) or 1.0
    of_row, weights = np.ones(len(target)), np.zeros(design.shape[1])
    for _ in range(ROUNDS):
        root = np.sqrt(of_row)
        weights[:] = np.linalg.lstsq(design * root[:, None], target * root, rcond=1e-8)[0]
        of_row = 1 / np.maximum(np.abs(target - design @ weights), near)
    return weights
