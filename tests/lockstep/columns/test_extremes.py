"""How improbable it is that new values lie beyond all known ones."""

import math

import numpy as np
import pytest

from lockstep.columns.extremes import improbability


@pytest.mark.parametrize(("known", "new", "beyond"), [(3, 2, 1), (5, 4, 2), (5, 4, 4), (2, 3, 3)])
def test_it_is_how_seldom_shuffled_values_do_that(known: int, new: int, beyond: int) -> None:
    random = np.random.default_rng(0)
    values = random.random((100_000, known + new))
    old, others = values[:, :known], values[:, known:]
    is_beyond = (others < old.min(axis=1, keepdims=True)) | (
        others > old.max(axis=1, keepdims=True)
    )
    share = (is_beyond.sum(axis=1) >= beyond).mean()
    assert 10 ** -improbability(known, new, beyond) == pytest.approx(share, abs=0.006)


def test_nothing_beyond_is_certain() -> None:
    assert improbability(178, 60, 0) == 0


def test_numbers_of_any_size_are_told() -> None:
    assert math.isfinite(improbability(10_000_000, 1_000_000, 1_000_000))
