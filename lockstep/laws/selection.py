"""Selection: how improbable it is that rows of a file have what few rows of training have.

Where rows might have come in any order, how many of some new ones have what few of the known ones
have follows from counts alone, whatever the distribution: the share of all rows that have it is
beta distributed, given the known ones, and their number among new ones beta-binomial (exceedances:
Gumbel and von Schelling, "The distribution of the number of exceedances", 1950; by which conformal
predictors are valid: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005).

But a file need be no sample. It may hold one segment, or the first rows of a sorted table. If no
row is in it more than so many times as often as in training (the bound on odds of a sensitivity
analysis: Rosenbaum, "Observational Studies", 2002), then neither is anything that rows have. What
is improbable even so is no matter of which rows they are.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.special import betainc, betaln

from lockstep.laws.bands import ERROR_RATE, RATE

SELECTED = 5.0
"""How many times as often as in training rows may be in a file: those of one segment of five."""
KINDS = 3
"""Kinds of laws that judge files by it: company, constancy and what is delivered again."""
_LEAST, _STEPS = 1e-9, 2_000
"""The smallest share of all rows that is reckoned with, and the steps from there to all of them."""
_IMPOSSIBLE = 300.0
"""What is told of what is less probable than a float can say."""


@lru_cache(maxsize=4096)
def improbability(known: int, held: int, new: int, found: int, selected: float = 1.0) -> float:
    """How improbable it is that so many new rows have what some known ones have.

    Args:
        known: Number of known rows.
        held: How many of these have it.
        new: Number of new rows.
        found: How many of these have it.
        selected: How many times as often new rows may be of any kind.

    Returns:
        Minus the common logarithm of the probability of so many or more: 3 for one in a thousand.
    """
    if found <= 0 or held >= known:
        return 0.0
    logs = np.linspace(math.log(_LEAST), 0.0, _STEPS)
    shares = np.minimum(np.exp(logs), 1 - 1e-12)
    density = (held + 1) * logs + (known - held - 1) * np.log1p(-shares)
    density -= betaln(held + 1, known - held)
    chances = betainc(found, new - found + 1, np.minimum(selected * shares, 1.0))
    chance = float(np.trapezoid(np.exp(density) * chances, logs))
    return -math.log10(chance) if chance > 10**-_IMPOSSIBLE else _IMPOSSIBLE


def levels(tests: int) -> tuple[float, float]:
    """From which improbability on something is unusual, and from which on it cannot be.

    Of all kinds of such laws together, a share of `RATE` of batches is unusual by chance at most.

    Args:
        tests: How many things a kind of laws judges of the same batch.
    """
    tests = KINDS * max(tests, 1)
    unusual, impossible = (-math.log10(rate / tests) for rate in (RATE, ERROR_RATE))
    return float(f"{unusual:.4g}"), float(f"{impossible:.4g}")
