"""The mean of a group is drawn to that of all by how little groups differ."""

from __future__ import annotations

import numpy as np
import pytest

from lockstep.laws.shrinkage import LEAST_APART, Group, prior_weight


def group(generator: np.random.Generator, mean: float, units: int, each: int) -> Group:
    """Exponential observations of some units."""
    sums = generator.exponential(mean, (units, each)).sum(axis=1)
    return Group(np.full(units, float(each)), sums)


def groups_apart(number: int, shape: float) -> list[Group]:
    """Groups of means that are inverse gamma of mean 1, of which credibility knows the weight."""
    generator = np.random.default_rng(0)
    means = (shape - 1) / generator.gamma(shape, size=number)
    return [group(generator, mean, 8, 5) for mean in means.tolist()]


def test_the_weight_is_the_variance_within_groups_by_that_between_them():
    assert prior_weight(groups_apart(400, 11.0), 1.0) == pytest.approx(10.0, rel=0.2)


def test_groups_that_do_not_differ_are_drawn_to_their_mean():
    generator = np.random.default_rng(0)
    alike = [group(generator, 1.0, 10, 5) for _ in range(20)]
    assert prior_weight(alike, 1.0) >= 0.9 / LEAST_APART


@pytest.mark.parametrize("far", [0.0, 0.1, 2.0], ids=["none", "less than others", "more"])
def test_a_group_of_a_few_observations_leaves_the_weight_as_it_is(far: float):
    groups = groups_apart(25, 11.0)
    few = Group(np.array([1.0, 1.0]), np.array([far, far]))
    assert prior_weight([*groups, few], 1.0) == pytest.approx(prior_weight(groups, 1.0), rel=0.05)


def test_no_single_group_decides_that_groups_differ():
    generator = np.random.default_rng(0)
    alike = [group(generator, 1.0, 10, 5) for _ in range(20)]
    apart = Group(np.full(10, 5.0), np.full(10, 100.0))
    assert prior_weight([*alike, apart], 1.0) == pytest.approx(prior_weight(alike, 1.0), rel=0.1)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_few_groups_do_not_tell_whether_groups_differ(number: int):
    groups = [Group(np.array([5.0]), np.array([one + 1.0])) for one in range(number)]
    assert prior_weight(groups, 1.0) == 1 / LEAST_APART
