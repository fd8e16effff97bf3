"""The leaves that rows end in, found without following branches, are those that treelite finds."""

import copy
from typing import Any

import numpy as np
import pytest
import treelite
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from lockstep.columns.compiled.leaves import Leaves
from lockstep.columns.kinds import Array

ROWS = 300


def table(seed: int) -> Array:
    """Rows of five columns: few distinct numbers, so that many rows lie on thresholds; one in six
    is missing, and the last column is of the numbers of categories."""
    chance = np.random.default_rng(seed)
    found: Array = chance.integers(-3, 4, size=(ROWS, 5)) / chance.choice(
        [1.0, 3.0, 1e-300, 1e300], size=5
    )
    found[chance.random(found.shape) < 1 / 6] = np.nan
    found[:, -1] = np.where(np.isnan(found[:, -1]), np.nan, chance.integers(0, 12, ROWS))
    return found


def extremes(rows: Array) -> Array:
    """The same rows, some with infinite numbers, or neighbours of what they were."""
    found = rows.copy()
    found[:, 0] = np.nextafter(found[:, 0], np.inf)
    found[::3, 1] = np.inf
    found[1::3, 1] = -np.inf
    found[::5, :-1] = np.nan
    found[::7, -1] = 11.0
    return found


def boosted(seed: int, leaves: int, trees: int) -> tuple[Any, Array, Array]:
    """Histogram boosting over a table, without what numbers its categories; the table and its
    extremes, numbered."""
    rows = table(seed)
    answer = np.nan_to_num(rows[:, 0] / 1e300) + (rows[:, -1] % 3 == 1) + (rows[:, 1] > 0)
    model = HistGradientBoostingRegressor(
        max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=2, categorical_features=[4]
    )
    model.fit(rows, answer)
    bare = copy.copy(model)
    bare._preprocessor = None
    numbered = model._preprocessor.transform
    return treelite.sklearn.import_model(bare), numbered(rows), numbered(extremes(rows))


def by_treelite(model: Any, rows: Array) -> Array:
    return np.reshape(treelite.gtil.predict_per_tree(model, rows), (len(rows), -1))


@given(st.integers(0, 10_000), st.integers(2, 64), st.integers(1, 12))
@settings(max_examples=25)
def test_histogram_boosting_ends_in_the_same_leaves(seed: int, leaves: int, trees: int) -> None:
    model, *tables = boosted(seed, leaves, trees)
    found = Leaves.of(model)

    assert found is not None
    for some in tables:
        np.testing.assert_array_equal(found(some), by_treelite(model, some))


@pytest.mark.parametrize(
    "ensemble",
    [GradientBoostingRegressor(n_estimators=20), RandomForestRegressor(5, max_leaf_nodes=40)],
)
def test_other_ensembles_end_in_the_same_leaves(ensemble: Any) -> None:
    rows = np.nan_to_num(table(1)[:, :4]).clip(-1e6, 1e6).astype(np.float32).astype(np.float64)
    model = treelite.sklearn.import_model(ensemble.fit(rows, rows[:, 0] + rows[:, 1] ** 2))
    found = Leaves.of(model)
    assert found is not None
    np.testing.assert_array_equal(found(rows), by_treelite(model, rows))


def test_any_number_of_rows_ends_in_the_leaves_of_each() -> None:
    model, rows, _ = boosted(3, 15, 20)
    found = Leaves.of(model)

    assert found is not None
    many = np.tile(rows, (4, 1))
    alone = np.concatenate([found(many[row : row + 1]) for row in range(len(many))])
    np.testing.assert_array_equal(found(many), alone)
    assert (found.is_faster(1), found.is_faster(len(many))) == (False, True)


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestRegressor(3, max_leaf_nodes=65),
        RandomForestClassifier(3, max_leaf_nodes=8),
        HistGradientBoostingClassifier(max_iter=400, max_leaf_nodes=64, min_samples_leaf=2),
    ],
)
def test_trees_that_are_too_large_or_say_no_number_are_left_to_treelite(ensemble: Any) -> None:
    rows = np.random.default_rng(0).normal(size=(2000, 6))

    model = treelite.sklearn.import_model(ensemble.fit(rows, rows.sum(axis=1) > 0))

    assert Leaves.of(model) is None
