"""How improbable it is that rows of a file have what few rows of training have."""

from math import comb, log10

import numpy as np
import pytest

from lockstep.laws.selection import SELECTED, improbability, levels


def test_that_all_new_rows_are_beyond_all_known_ones_is_one_order_of_many() -> None:
    assert improbability(100, 0, 20, 20) == pytest.approx(log10(comb(120, 20)), rel=1e-6)


def test_that_all_new_rows_have_one_value_is_a_draw_without_replacement() -> None:
    expected = log10(comb(120, 20) / comb(50, 20))
    assert improbability(100, 30, 20, 20) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("held", "found"), [(0, 2), (3, 4), (20, 9)])
def test_it_is_as_frequent_as_it_says(held, found) -> None:
    random = np.random.default_rng(0)
    known, new, draws = 60, 20, 20_000
    ranks = np.argsort(np.argsort(random.random((draws, known + new)), axis=1), axis=1)
    limit = np.sort(ranks[:, :known], axis=1)[:, -held - 1]
    beyond = (ranks[:, known:] > limit[:, None]).sum(axis=1)
    chance = 10 ** -improbability(known, held, new, found)
    assert np.mean(beyond >= found) == pytest.approx(chance, abs=4 * (chance / draws) ** 0.5)


def test_rows_of_one_segment_of_five_may_all_have_what_is_of_it_alone() -> None:
    assert improbability(100, 20, 20, 20) > 9
    assert improbability(100, 20, 20, 20, SELECTED) < 1.5


def test_nothing_is_improbable_of_none_or_of_what_all_have() -> None:
    assert improbability(100, 3, 20, 0) == improbability(100, 100, 20, 20) == 0


def test_many_tests_of_a_batch_share_one_rate() -> None:
    (alone, _), (of_ten, _) = levels(1), levels(10)
    assert of_ten == pytest.approx(alone + 1, abs=1e-3)
