"""What we rely on in treelite, and in what scikit-learn keeps of its trees."""

import copy
import ctypes
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


MOVED = """
treelite no longer has what `TreeValues` in lockstep/columns/compiled/trees.py calls: {error}
Versions still serve, by scikit-learn, which takes many times as long for a row; `compiled_parity`
says why. What to do: see how `_predict_impl` in treelite/gtil/gtil.py calls `TreeliteGTILPredict`
now, and have `TreeValues` call it likewise. If it does not any more, take the public function
`treelite.gtil.predict_per_tree`, unless it still takes ten times as long for a row.
"""
"""What a test that fails says; the C function is public, where Python's package keeps it is not."""


@pytest.mark.parametrize("width", [1, 2])
def test_values_are_written_over_whatever_was_there(width: int) -> None:
    ensemble: Any = RandomForestRegressor(5) if width == 1 else ExtraTreesClassifier(5)
    model = treelite.sklearn.import_model(ensemble.fit(NUMBERS, LABELS))
    row, found = NUMBERS[:1].copy(), np.full((1, 5, width), 7e77)

    try:
        config = treelite.gtil.gtil.GTILConfig("score_per_tree", nthread=1)
        status = treelite.core._LIB.TreeliteGTILPredict(
            model.handle,
            ctypes.c_void_p(row.ctypes.data),
            b"float64",
            ctypes.c_uint64(1),
            ctypes.c_void_p(found.ctypes.data),
            config.handle,
        )
    except (AttributeError, TypeError, ctypes.ArgumentError) as error:
        pytest.fail(MOVED.format(error=error))

    assert status == 0, MOVED.format(error=treelite.core._LIB.TreeliteGetLastError().decode())
    np.testing.assert_array_equal(found, treelite.gtil.predict_per_tree(model, row))


def test_a_cumulative_sum_adds_one_after_the_other() -> None:
    terms = np.array([[1e16, 1.0, -1e16, *[1e-3] * 300]])

    total = 0.0
    for term in terms[0].tolist():
        total += term

    assert np.cumsum(terms, axis=1)[0, -1] == total
