"""Shrinkage: how far the mean of a group is drawn to that of all groups, by how much these differ.

Groups have means of their own, known the better the more observations each has (empirical Bayes
with unequal variances: Efron and Morris, "Data analysis using Stein's estimator and its
generalizations", 1975, section 3). How far their means lie apart is told by each group as far as it
can tell: by its Fisher information, so that one of few observations hardly moves it. The mean of
all counts as so many observations of a group as the variance of one within groups is times the
variance of their means (the credibility of Bühlmann and Straub, "Glaubwürdigkeit für
Schadensätze", 1970). Within groups units vary, such as columns, each of which is one observation or
several that are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Floats

LEAST_APART = 0.02
"""Variance of the groups' means at least, of the squared mean of all: fifty observations of its own
that vary as exponential ones do always tell as much of a group as all groups do."""
_STEPS = 100
"""Steps in which the variance between groups is found, at most."""
_NEAR = 1e-6
"""By how much of itself it changes in the last of these."""


@dataclass(frozen=True)
class Group:
    """What the units of a group told.

    Attributes:
        numbers: How many observations each unit has, one at least.
        sums: What these add up to.
    """

    numbers: Floats
    sums: Floats

    @property
    def number(self) -> float:
        """How many observations the group has."""
        return float(self.numbers.sum())

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(self.sums.sum()) / self.number

    @property
    def scatter(self) -> float:
        """Squared distances of the units' means from that of the group, each by its number."""
        return float((self.numbers * (self.sums / self.numbers - self.mean) ** 2).sum())


def prior_weight(groups: Sequence[Group], mean: float) -> float:
    """For how many observations of its own the mean of all groups counts in that of one.

    It is the most that it is without any single group, so that none decides for the others whether
    groups differ.

    Args:
        groups: The groups, each with one unit at least.
        mean: The mean of all, by which observations vary at least, as exponential ones do.
    """
    found = np.array([(one.number, one.mean, one.scatter, len(one.numbers) - 1) for one in groups])
    without = (np.delete(found, place, axis=0) for place in range(len(found)))
    return max((_weight(one, mean) for one in without if len(one) > 1), default=1 / LEAST_APART)


def _weight(groups: Floats, mean: float) -> float:
    """The variance of an observation within groups, by that of their means.

    Args:
        groups: Of each its number of observations, its mean, its scatter and for how many units,
            but for one: groups by these.
        mean: See `prior_weight`.
    """
    numbers, means, scatter, units = groups.T
    within = max(float(scatter.sum()) / max(float(units.sum()), 1.0), mean**2)
    return within / _between(means, within / numbers, LEAST_APART * mean**2)


def _between(means: Floats, by_chance: Floats, at_least: float) -> float:
    """The variance of the groups' means beyond what chance does to each: by maximum likelihood.

    Args:
        means: The means of two groups or more.
        by_chance: The variance of each by chance.
        at_least: The least that it may be.
    """
    found = float(by_chance.max()) + at_least
    for _ in range(_STEPS):
        known = 1 / (by_chance + found)
        middle = (known * means).sum() / known.sum()
        apart = (means - middle) ** 2 * len(means) / (len(means) - 1)
        before, found = found, float((known**2 * (apart - by_chance)).sum() / (known**2).sum())
        found = max(found, at_least)
        if abs(found - before) <= _NEAR * before:
            break
    return found
