"""What we rely on in treelite, and in what scikit-learn keeps of its trees."""

import copy
from typing import Any

import numpy as np
import pytest
import treelite
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestRegressor,
)

RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(400, 6))
LABELS = NUMBERS.sum(axis=1) + RANDOM.normal(size=400) > 0


@pytest.mark.parametrize(
    "forest", [RandomForestRegressor(5), ExtraTreesClassifier(5), GradientBoostingRegressor()]
)
def test_leaves_are_numbered_as_scikit_learn_numbers_nodes(forest: Any) -> None:
    forest.fit(NUMBERS, LABELS)

    found = treelite.gtil.predict_leaf(
        treelite.sklearn.import_model(forest), NUMBERS.astype(np.float32)
    )

    leaves = np.reshape(forest.apply(NUMBERS), (400, -1))
    np.testing.assert_array_equal(found, leaves)


def test_leaves_of_histogram_boosting_are_those_whose_values_scikit_learn_sums() -> None:
    lacking = np.where(RANDOM.random(NUMBERS.shape) < 0.2, np.nan, NUMBERS)
    boosted = HistGradientBoostingClassifier(max_iter=20).fit(lacking, LABELS)

    found = treelite.gtil.predict_leaf(treelite.sklearn.import_model(boosted), lacking)

    nodes = [trees[0].nodes for trees in boosted._predictors]
    values = [tree["value"][leaf.astype(int)] for tree, leaf in zip(nodes, found.T, strict=True)]
    start = np.full(400, boosted._baseline_prediction.item())
    raw = np.cumsum([start, *values], axis=0)[-1]
    np.testing.assert_array_equal(raw, boosted._raw_predict(lacking).ravel())


def test_codes_of_categories_are_taken_as_they_are_without_the_preprocessor() -> None:
    codes = np.column_stack([RANDOM.integers(0, 4, 400), NUMBERS[:, 0]]).astype(float)
    boosted = HistGradientBoostingClassifier(max_iter=5, categorical_features=[0])
    boosted.fit(codes, LABELS)
    bare = copy.copy(boosted)
    bare._preprocessor = None
    encoded = boosted._preprocessor.transform(codes)

    found = treelite.gtil.predict_leaf(treelite.sklearn.import_model(bare), encoded)

    nodes = [trees[0].nodes for trees in boosted._predictors]
    values = [tree["value"][leaf.astype(int)] for tree, leaf in zip(nodes, found.T, strict=True)]
    start = np.full(400, boosted._baseline_prediction.item())
    raw = np.cumsum([start, *values], axis=0)[-1]
    np.testing.assert_array_equal(raw, boosted._raw_predict(codes).ravel())


def test_a_cumulative_sum_adds_one_after_the_other() -> None:
    terms = np.array([[1e16, 1.0, -1e16, *[1e-3] * 300]])

    total = 0.0
    for term in terms[0].tolist():
        total += term

    assert np.cumsum(terms, axis=1)[0, -1] == total
