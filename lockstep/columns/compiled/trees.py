"""Trees: treelite finds each row's leaves, and their values are summed as scikit-learn sums them.

treelite's own sums are in another order, so that they differ in the last digits. Values are
gathered by leaf and added up tree by tree, from the same start: the same number to the last bit.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
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


class Leaves:
    """Which leaf of each tree a row falls into.

    Args:
        ensemble: A fitted ensemble of trees.
        trees: How many it has.
    """

    def __init__(self, ensemble: Any, trees: int) -> None:
        import treelite

        self._model = treelite.sklearn.import_model(ensemble)
        self._find = treelite.gtil.predict_leaf
        self._trees = trees
        if self._model.num_tree != trees:
            raise NotCompiledError(
                f"treelite reads {self._model.num_tree} trees of {type(ensemble).__name__}, "
                f"which has {trees}"
            )

    def __call__(self, matrix: Array) -> Array:
        """Numbers of the leaves, as scikit-learn numbers nodes: int64, a column a tree."""
        if not len(matrix):
            return np.empty((0, self._trees), dtype=np.int64)
        found = self._find(self._model, np.ascontiguousarray(matrix), nthread=1)
        numbers: Array = found.astype(np.int64).reshape(len(matrix), self._trees)
        return numbers


class Sums:
    """The sum of the values of a row's leaves, tree by tree.

    Args:
        leaves: Finds the leaves.
        values: By tree, the value of each of its nodes.
        start: What is added to first: a number, or one a row, by column of the sum.
        every: A sum takes every so many trees: with three classes, the first sum takes the
            first tree, the fourth, and so on.
    """

    def __init__(self, leaves: Leaves, values: Sequence[Array], every: int = 1) -> None:
        self._leaves = leaves
        self._every = every
        first = np.cumsum([0, *(len(one) for one in values[:-1])])
        self._first = first.astype(np.int64)
        self._values = np.concatenate(values)

    def __call__(self, matrix: Array, start: Array) -> Array:
        """One row a row, one column a sum.

        Args:
            matrix: What the trees are given.
            start: What the sums begin with: one row, or one a row; one column a sum.
        """
        leaves = self._leaves(matrix) + self._first
        found = np.empty((len(matrix), self._every))
        for column in range(self._every):
            terms = np.empty((len(matrix), 1 + leaves.shape[1] // self._every))
            terms[:, 0] = start[:, column]
            terms[:, 1:] = self._values[leaves[:, column :: self._every]]
            # Unlike a sum, which adds in pairs, a cumulative sum adds one after the other.
            found[:, column] = np.cumsum(terms, axis=1)[:, -1]
        return found


def _histogram_boosting(model: Any, given: Layout) -> tuple[Sums, Any, Array]:
    """The sums, what comes before the trees, and where the sums begin."""
    before = None
    trees = model
    if model._preprocessor is not None:
        before = compile_transformer(_numbered(model._preprocessor), given)
        trees = copy.copy(model)  # what treelite would make of categories was done before
        trees._preprocessor = None
    else:
        demand_numbers(model, given)
    grown = [tree for iteration in model._predictors for tree in iteration]
    leaves = Leaves(trees, len(grown))
    sums = Sums(leaves, [tree.nodes["value"] for tree in grown], model.n_trees_per_iteration_)
    return sums, before, np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1, -1)


def _numbered(preprocessor: Any) -> Any:
    """The preprocessing of categories, with a check of numbers in it taken for what it does."""
    found = copy.copy(preprocessor)
    found.transformers_ = [
        (name, "passthrough" if name == "numerical" else one, columns)
        for name, one, columns in preprocessor.transformers_
    ]
    return found


def _raw(model: Any, given: Layout) -> Answer:
    sums, before, start = _histogram_boosting(model, given)

    def raw(block: Block) -> Array:
        matrix = to_matrix(before.run(block) if before is not None else block)
        return sums(matrix, start)

    return raw


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
    grown = [tree.tree_ for stage in model.estimators_ for tree in stage]
    if not (isinstance(model.init_, str) or type(model.init_).__name__.startswith("Dummy")):
        raise NotCompiledError(f"{type(model).__name__} that starts from an estimator")
    # It is the same for every row, whatever the row.
    start = np.asarray(model._raw_predict_init(np.zeros((1, model.n_features_in_))))
    values = [model.learning_rate * tree.value[:, 0, 0] for tree in grown]
    sums = Sums(Leaves(model, len(grown)), values, model.n_trees_per_iteration_)
    return lambda block: sums(_rounded(to_matrix(block)), start.reshape(1, -1))


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
    grown = [tree.tree_ for tree in forest.estimators_]
    leaves = Leaves(forest, len(grown))
    sums = [Sums(leaves, [tree.value[:, 0, column] for tree in grown]) for column in range(columns)]
    start = np.zeros((1, 1))

    def means(block: Block) -> Array:
        matrix = _rounded(to_matrix(block))
        return np.concatenate([one(matrix, start) for one in sums], axis=1) / len(grown)

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
    return lambda block: found.predict(_rounded(to_matrix(block)))


def _demand_one_target(model: Any) -> None:
    if model.n_outputs_ != 1:
        raise NotCompiledError(f"{type(model).__name__} of more than one target")


def _rounded(matrix: Array) -> Array:
    """Numbers as scikit-learn's own trees compare them: rounded to float32.

    Raises:
        ValueError: One is beyond float32, which scikit-learn refuses too.
    """
    found: Array = matrix.astype(np.float32)
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
