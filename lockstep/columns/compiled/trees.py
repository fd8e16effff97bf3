"""Trees: treelite says what each of them says, and that is summed as scikit-learn sums it.

treelite's own sums are in another order, so that they differ in the last digits. Here values are
added up tree by tree, from the same start: the same number to the last bit.
"""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from lockstep.columns.compiled.blocks import Block, Layout, demand_numbers, to_matrix
from lockstep.columns.compiled.estimators import Answer, Compile, Estimate, both_classes
from lockstep.columns.compiled.transformers import compile_transformer
from lockstep.columns.errors import NotCompiledError
from lockstep.columns.kinds import Array


class TreeValues:
    """What each tree of an ensemble says of a row.

    treelite is called by its C function: what its Python function does around it takes several
    times as long as one row does.

    Args:
        ensemble: A fitted ensemble of trees.
        trees: How many it has.
        width: How many numbers a tree says: one, or one a class.

    Raises:
        NotCompiledError: treelite reads another number of trees.
    """

    def __init__(self, ensemble: Any, trees: int, width: int = 1) -> None:
        import treelite
        from treelite.core import _LIB

        self._model = treelite.sklearn.import_model(ensemble)
        if self._model.num_tree != trees:
            raise NotCompiledError(
                f"treelite reads {self._model.num_tree} trees of {type(ensemble).__name__}, "
                f"which has {trees}"
            )
        self._shape = (trees, width)
        self._config = treelite.gtil.gtil.GTILConfig("score_per_tree", nthread=1)
        self._predict = _LIB.TreeliteGTILPredict
        self._last_error = _LIB.TreeliteGetLastError

    def __call__(self, matrix: Array) -> Array:
        """The values: float64, by row, tree and class.

        Args:
            matrix: What the trees are given, float64, one row a row.
        """
        rows = len(matrix)
        found = np.zeros((rows, *self._shape))
        if rows:
            given = np.ascontiguousarray(matrix)
            failed = self._predict(
                self._model.handle,
                ctypes.c_void_p(given.ctypes.data),
                b"float64",
                ctypes.c_uint64(rows),
                ctypes.c_void_p(found.ctypes.data),
                self._config.handle,
            )
            if failed:
                raise ValueError(f"treelite: {ctypes.string_at(self._last_error()).decode()}")
        return found


def summed(values: Array, start: Array, every: int = 1) -> Array:
    """The sums of what trees say, one tree after the other, by row and sum.

    Args:
        values: What each tree says, by row and tree; it is written to.
        start: What each sum begins with.
        every: How many sums there are: with three, the first takes the first tree, the fourth, ...
    """
    found = np.empty((len(values), every))
    for column in range(every):
        terms = values[:, column::every]
        # The start is the first term: (start + first) + second, and so on.
        terms[:, 0] += start[column]
        # Unlike a sum, which adds in pairs, this adds one after the other.
        np.add.accumulate(terms, axis=1, out=terms)
        found[:, column] = terms[:, -1]
    return found


def _raw(model: Any, given: Layout) -> Answer:
    """Raw scores of histogram boosting, by row and sum."""
    trees, before = model, None
    if model._preprocessor is not None:
        before = compile_transformer(_numbered(model._preprocessor), given)
        trees = copy.copy(model)  # what treelite would make of categories is done before
        trees._preprocessor = None
    else:
        demand_numbers(model, given)
    every = model.n_trees_per_iteration_
    values = TreeValues(trees, len(model._predictors) * every)
    start = np.ravel(model._baseline_prediction)

    def raw(block: Block) -> Array:
        matrix = to_matrix(before(block) if before is not None else block)
        return summed(values(matrix)[:, :, 0], start, every)

    return raw


def _numbered(preprocessor: Any) -> Any:
    """The preprocessing of categories, with a check of numbers in it taken for what it does."""
    found = copy.copy(preprocessor)
    found.transformers_ = [
        (name, "passthrough" if name == "numerical" else one, columns)
        for name, one, columns in preprocessor.transformers_
    ]
    return found


def _boosted_classes(model: Any, given: Layout) -> Estimate:
    raw, loss = _raw(model, given), model._loss
    return _classes(raw, loss.predict_proba, len(model.classes_))


def _boosted_number(model: Any, given: Layout) -> Estimate:
    raw, link = _raw(model, given), model._loss.link
    return Estimate(predict=lambda block: link.inverse(raw(block).ravel()))


def _classes(raw: Answer, many: Any, count: int) -> Estimate:
    """A classifier by its raw scores: one a row of two classes, else one a class."""
    if count > 2:
        return Estimate(predict_proba=lambda block: many(raw(block)), decision_function=raw)
    return Estimate(
        predict_proba=lambda block: both_classes(expit(raw(block).ravel())),
        decision_function=lambda block: raw(block).ravel(),
    )


def _gradient_sums(model: Any, given: Layout) -> Answer:
    """Raw scores of gradient boosting: the start, and each tree's value by the learning rate."""
    demand_numbers(model, given)
    if not (isinstance(model.init_, str) or type(model.init_).__name__.startswith("Dummy")):
        raise NotCompiledError(f"{type(model).__name__} that starts from an estimator")
    # It is the same for every row, whatever the row.
    start = np.ravel(model._raw_predict_init(np.zeros((1, model.n_features_in_))))
    every = model.n_trees_per_iteration_
    values = TreeValues(model, len(model.estimators_) * every)
    return lambda block: summed(values(_rounded(to_matrix(block)))[:, :, 0], start, every)


def _gradient_classes(model: Any, given: Layout) -> Estimate:
    raw, loss = _gradient_sums(model, given), model._loss
    if type(loss).__name__ == "ExponentialLoss":
        raise NotCompiledError("GradientBoostingClassifier of the exponential loss")
    return _classes(raw, loss.predict_proba, len(model.classes_))


def _gradient_number(model: Any, given: Layout) -> Estimate:
    raw = _gradient_sums(model, given)
    return Estimate(predict=lambda block: raw(block).ravel())


def _forest_classes(forest: Any, given: Layout) -> Estimate:
    mean = _means(forest, given, len(forest.classes_))
    return Estimate(predict_proba=mean)


def _forest_number(forest: Any, given: Layout) -> Estimate:
    mean = _means(forest, given, 1)
    return Estimate(predict=lambda block: mean(block).ravel())


def _means(forest: Any, given: Layout, columns: int) -> Answer:
    """The mean of what a forest's trees say."""
    demand_numbers(forest, given)
    _demand_one_target(forest)
    count = len(forest.estimators_)
    values = TreeValues(forest, count, columns)
    start = np.zeros(columns)

    def means(block: Block) -> Array:
        found = values(_rounded(to_matrix(block)))
        return summed(found.reshape(len(found), count * columns), start, columns) / count

    return means


def _tree_classes(tree: Any, given: Layout) -> Estimate:
    values = _tree_values(tree, given)
    return Estimate(predict_proba=lambda block: values(block)[:, : len(tree.classes_)])


def _tree_number(tree: Any, given: Layout) -> Estimate:
    values = _tree_values(tree, given)
    return Estimate(predict=lambda block: values(block)[:, 0])


def _tree_values(tree: Any, given: Layout) -> Answer:
    demand_numbers(tree, given)
    _demand_one_target(tree)
    found = tree.tree_
    return lambda block: found.predict(_rounded(to_matrix(block)).astype(np.float32))


def _demand_one_target(model: Any) -> None:
    if model.n_outputs_ != 1:
        raise NotCompiledError(f"{type(model).__name__} of more than one target")


def _rounded(matrix: Array) -> Array:
    """Numbers as scikit-learn's own trees compare them: rounded to float32.

    Raises:
        ValueError: One is beyond float32, which scikit-learn refuses too.
    """
    found: Array = matrix.astype(np.float32).astype(np.float64)
    if np.isinf(found).any():
        raise ValueError("a number is infinite, or too large for float32")
    return found


COMPILERS: Mapping[type, Compile] = {
    HistGradientBoostingClassifier: _boosted_classes,
    HistGradientBoostingRegressor: _boosted_number,
    GradientBoostingClassifier: _gradient_classes,
    GradientBoostingRegressor: _gradient_number,
    RandomForestClassifier: _forest_classes,
    RandomForestRegressor: _forest_number,
    ExtraTreesClassifier: _forest_classes,
    ExtraTreesRegressor: _forest_number,
    DecisionTreeClassifier: _tree_classes,
    DecisionTreeRegressor: _tree_number,
    ExtraTreeClassifier: _tree_classes,
    ExtraTreeRegressor: _tree_number,
}
