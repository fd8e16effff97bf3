"""Trees: treelite gives the value of each, and these are summed as scikit-learn sums them.

treelite's own sums are in another order, so that they differ in the last digits. Here values are
added up tree by tree, from the same start: the same number to the last bit.
"""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from struct import Struct
from threading import Lock
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

from lockstep.columns.compiled.blocks import Layout, Row, demand_numbers, to_matrix
from lockstep.columns.compiled.estimates import Answer, Compile, Estimate, RowAnswer, both_classes
from lockstep.columns.compiled.leaves import Leaves
from lockstep.columns.compiled.transformers import compile_steps
from lockstep.columns.kinds import Array
from lockstep.errors import NotCompiledError


class TreeValues:
    """The value of each tree of an ensemble for a row, or one value a class: its `width`.

    treelite is called by its C function: what its Python function, `predict_per_tree`, does around
    it takes more than ten times as long as one row does. The C function is no public part of the
    Python package; `tests/upstream/test_treelite.py` fails when it moves.

    Attributes:
        given: Numbers in a row.
        count: Numbers that all trees give for a row.
        dtype: What the trees compare and give: float64 or float32.
    """

    def __init__(self, model: Any, width: int = 1) -> None:
        treelite = imported_treelite()
        try:
            self._config = treelite.gtil.gtil.GTILConfig("score_per_tree", nthread=1)
            self._predict = treelite.core._LIB.TreeliteGTILPredict
            self._last_error = treelite.core._LIB.TreeliteGetLastError
        except AttributeError as error:
            raise NotCompiledError(f"treelite cannot be used here ({error})") from error
        self._model = model
        self.given = model.num_feature
        self.count = model.num_tree * width
        self.dtype = np.dtype(model.input_type)
        self._leaves = Leaves.of(model) if width == 1 else None

    @classmethod
    def of(cls, ensemble: Any, trees: int, width: int = 1) -> TreeValues:
        """The trees of a scikit-learn ensemble; refused where treelite reads another number."""
        model = imported_treelite().sklearn.import_model(ensemble)
        if model.num_tree != trees:
            raise NotCompiledError(
                f"treelite reads {model.num_tree} trees of {type(ensemble).__name__}, "
                f"which has {trees}"
            )
        return cls(model, width)

    def __call__(self, matrix: Array) -> Array:
        """The values, by row and tree, of each tree by class, for a matrix of rows of `dtype`."""
        if self._leaves is not None and self._leaves.is_faster(len(matrix)):
            return self._leaves(matrix).astype(self.dtype, copy=False)
        given = np.ascontiguousarray(matrix, dtype=self.dtype)
        values = np.empty((len(given), self.count), dtype=self.dtype)
        if len(given):
            self.writer(given, values)()
        return values

    def writer(self, given: Array, target: Array) -> Callable[[], None]:
        """A function that writes the values of a matrix to an array, in place, at every call.

        Both are contiguous, and kept as long as the writer is.
        """
        predict = partial(
            self._predict,
            self._model.handle,
            ctypes.c_void_p(given.ctypes.data),
            self.dtype.name.encode(),
            ctypes.c_uint64(len(given)),
            ctypes.c_void_p(target.ctypes.data),
            self._config.handle,
        )

        def write() -> None:
            if predict():
                raise ValueError(f"treelite: {ctypes.string_at(self._last_error()).decode()}")

        return write


def imported_treelite() -> Any:
    """The library treelite; `NotCompiledError` where it cannot be imported: scikit-learn serves."""
    try:
        import treelite
        import treelite.core
    except ImportError as error:
        raise NotCompiledError(f"treelite cannot be used here ({error})") from error
    return treelite


class TreeSums:
    """Sums of the trees' values, one tree after the other, in their dtype.

    `start` has the start of each sum: of three, the first takes the first value, the fourth, ...
    `rounds` says whether the trees compare numbers that are rounded to float32.
    """

    def __init__(self, values: TreeValues, start: Array, *, rounds: bool = False) -> None:
        self._values = values
        self._start = start
        self._rounds = rounds
        # A single row has its place in memory, and a lock as long as it is there.
        self._row = np.empty((1, values.given), dtype=values.dtype)
        self._terms = np.concatenate([start, np.empty(values.count)], dtype=values.dtype)
        self._sums = np.empty_like(self._terms)
        self._write = values.writer(self._row, self._terms[len(start) :])
        self._fill = partial(_FILLS[values.dtype.char](values.given), self._row)
        self._lock = Lock()

    def __call__(self, matrix: Array) -> Array:
        """The sums by row: two-dimensional, of the values' dtype, as the matrix of rows is."""
        every = len(self._start)
        values = self._values(_rounded(matrix) if self._rounds else matrix)
        sums = np.empty((len(values), every), dtype=values.dtype)
        for column in range(every):
            terms = values[:, column::every]
            # The start is the first term: (start + first) + second, and so on.
            terms[:, 0] += self._start[column]
            # Unlike a sum, which adds in pairs, this adds one after the other.
            np.add.accumulate(terms, axis=1, out=terms)
            sums[:, column] = terms[:, -1]
        return sums

    def of_row(self, row: Row) -> list[float]:
        """The sums of a single row."""
        every = len(self._start)
        with self._lock:
            self._fill(row)
            if self._rounds:
                self._row[:] = _rounded(self._row)
            self._write()
            if every == 1:
                return [np.add.accumulate(self._terms, 0, None, self._sums).item(-1)]
            terms = self._terms.reshape(-1, every)
            return np.add.accumulate(terms, 0)[-1].tolist()  # type: ignore[no-any-return]


def _fill_64(width: int) -> Callable[[Array, Row], None]:
    pack = Struct(f"{width}d").pack_into
    return lambda target, row: pack(target.data, 0, *row)


def _fill_32(width: int) -> Callable[[Array, Row], None]:
    def fill(target: Array, row: Row) -> None:
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite
            target[0] = row

    return fill


_FILLS = {"d": _fill_64, "f": _fill_32}
"""By letter of a dtype, what writes a row into memory of that dtype: the first is far faster."""


_BOOSTED = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

RowSums = Callable[[Row], list[float]]


@dataclass(frozen=True)
class _Raw:
    """Raw scores of an ensemble, by row and sum; `of_row` gives those of a single row."""

    scores: Answer
    of_row: RowSums | None


def _raw(model: Any, given: Layout) -> _Raw:
    transformers, trees = parted(model)
    before = compile_steps(transformers, given)
    demand_numbers(model, before.gives)
    count = len(model._predictors) * model.n_trees_per_iteration_
    sums = TreeSums(TreeValues.of(trees, count), np.ravel(model._baseline_prediction))
    run = before.run_row
    return _Raw(
        lambda block: sums(to_matrix(before(block))),
        (lambda row: sums.of_row(run(row))) if run is not None else None,
    )


def parted(model: Any) -> tuple[list[Any], Any]:
    """A fitted estimator as transformers and an estimator: boosting may hold transformers."""
    preprocessor = getattr(model, "_preprocessor", None)
    if type(model) not in _BOOSTED or preprocessor is None:
        return [], model
    trees = copy.copy(model)
    trees._preprocessor = None
    return [_numbered(preprocessor)], trees


def _numbered(preprocessor: Any) -> Any:
    """The preprocessing of categories, without its check of numbers."""
    copied = copy.copy(preprocessor)
    copied.transformers_ = [
        (name, "passthrough" if name == "numerical" else step, columns)
        for name, step, columns in preprocessor.transformers_
    ]
    return copied


def _boosted_classes(model: Any, given: Layout) -> Estimate:
    raw, loss = _raw(model, given), model._loss
    return _classes(raw, loss.predict_proba, len(model.classes_))


def _boosted_number(model: Any, given: Layout) -> Estimate:
    raw, link = _raw(model, given), model._loss.link
    return Estimate(
        predict=lambda block: link.inverse(raw.scores(block).ravel()),
        of_row=_of_sums(raw.of_row, lambda sums: link.inverse(np.array(sums)).item()),
    )


def _of_sums(of_row: RowSums | None, answer: Callable[[list[float]], float]) -> RowAnswer | None:
    return (lambda row: answer(of_row(row))) if of_row is not None else None


def _classes(raw: _Raw, many: Any, count: int) -> Estimate:
    """A classifier by its raw scores: one a row of two classes, else one a class."""
    scores = raw.scores
    if count > 2:
        return Estimate(predict_proba=lambda block: many(scores(block)), decision_function=scores)
    return Estimate(
        predict_proba=lambda block: both_classes(expit(scores(block).ravel())),
        decision_function=lambda block: scores(block).ravel(),
        of_row=_of_sums(raw.of_row, lambda sums: expit(sums[0])),
    )


def _gradient_sums(model: Any, given: Layout) -> _Raw:
    """Raw scores of gradient boosting: the start, and each tree's value by the learning rate."""
    demand_numbers(model, given)
    if not (isinstance(model.init_, str) or type(model.init_).__name__.startswith("Dummy")):
        raise NotCompiledError(f"{type(model).__name__} that starts from an estimator")
    # It is the same for every row, whatever the row.
    start = np.ravel(model._raw_predict_init(np.zeros((1, model.n_features_in_))))
    values = TreeValues.of(model, len(model.estimators_) * model.n_trees_per_iteration_)
    sums = TreeSums(values, start, rounds=True)
    return _Raw(lambda block: sums(to_matrix(block)), sums.of_row)


def _gradient_classes(model: Any, given: Layout) -> Estimate:
    raw, loss = _gradient_sums(model, given), model._loss
    if type(loss).__name__ == "ExponentialLoss":
        raise NotCompiledError("GradientBoostingClassifier of the exponential loss")
    return _classes(raw, loss.predict_proba, len(model.classes_))


def _gradient_number(model: Any, given: Layout) -> Estimate:
    raw = _gradient_sums(model, given)
    return Estimate(
        predict=lambda block: raw.scores(block).ravel(),
        of_row=_of_sums(raw.of_row, lambda sums: sums[0]),
    )


def _forest_classes(forest: Any, given: Layout) -> Estimate:
    classes, count = len(forest.classes_), len(forest.estimators_)
    sums = _forest_sums(forest, given, classes)
    return Estimate(
        predict_proba=lambda block: sums(to_matrix(block)) / count,
        of_row=(lambda row: sums.of_row(row)[1] / count) if classes == 2 else None,
    )


def _forest_number(forest: Any, given: Layout) -> Estimate:
    sums, count = _forest_sums(forest, given, 1), len(forest.estimators_)
    return Estimate(
        predict=lambda block: (sums(to_matrix(block)) / count).ravel(),
        of_row=lambda row: sums.of_row(row)[0] / count,
    )


def _forest_sums(forest: Any, given: Layout, columns: int) -> TreeSums:
    demand_numbers(forest, given)
    _demand_one_target(forest)
    values = TreeValues.of(forest, len(forest.estimators_), columns)
    return TreeSums(values, np.zeros(columns), rounds=True)


def _tree_classes(tree: Any, given: Layout) -> Estimate:
    values = _tree_values(tree, given)
    return Estimate(predict_proba=lambda block: values(block)[:, : len(tree.classes_)])


def _tree_number(tree: Any, given: Layout) -> Estimate:
    values = _tree_values(tree, given)
    return Estimate(predict=lambda block: values(block)[:, 0])


def _tree_values(tree: Any, given: Layout) -> Answer:
    demand_numbers(tree, given)
    _demand_one_target(tree)
    nodes = tree.tree_
    return lambda block: nodes.predict(_rounded(to_matrix(block)).astype(np.float32))


def _demand_one_target(model: Any) -> None:
    if model.n_outputs_ != 1:
        raise NotCompiledError(f"{type(model).__name__} of more than one target")


def _rounded(matrix: Array) -> Array:
    """Numbers as scikit-learn's own trees compare them: rounded to float32."""
    return matrix.astype(np.float32).astype(np.float64)


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
