"""Extremes: how improbable it is that new values lie beyond all known ones, by chance.

Where rows stand for themselves, new ones and known ones might have come in any order, whatever
their distribution: the number of new values that lie beyond the extremes of the known ones has one
distribution, that of exceedances (Gumbel and von Schelling, "The distribution of the number of
exceedances", Annals of Mathematical Statistics 21, 1950).
"""

from __future__ import annotations

from math import exp, inf, lgamma, log


def improbability(known: int, new: int, beyond: int) -> float:
    """How improbable it is that so many new values are below or above all known ones.

    What lies beyond both extremes is distributed as what lies below the second smallest of the
    known values, since all gaps between these are alike: of the smallest `beyond + 1` of all
    values, one at most is a known one then.

    Args:
        known: Number of known values.
        new: Number of new values.
        beyond: How many of these lie beyond the extremes.

    Returns:
        Minus the common logarithm of the probability of so many or more: 3 for one in a thousand.
    """
    if not beyond or not known:
        return 0.0
    none_known = _log_choices(new, beyond + 1)
    one_known = log(known) + _log_choices(new, beyond)
    ways = max(none_known, one_known)
    ways += log(exp(none_known - ways) + exp(one_known - ways))
    return max((_log_choices(known + new, beyond + 1) - ways) / log(10), 0.0)


def _log_choices(of: int, chosen: int) -> float:
    """The logarithm of the number of ways to choose some of several."""
    if chosen > of:
        return -inf
    return lgamma(of + 1) - lgamma(chosen + 1) - lgamma(of - chosen + 1)
