"""Fitting a graph's models; a second stage on out-of-fold values of the first.

Values that a model computed for rows it was fitted on look better than any that will be served. So
the values of each fold come from models fitted on the other folds alone (Wolpert, "Stacked
generalization", Neural Networks 5, 1992). Each part is split anew for second stages among its
models, so that a third stage is as free of leaks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lockstep.columns.estimator_fitting import fit
from lockstep.columns.finite import origin_of
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import NOTHING, Bound, Model
from lockstep.columns.plain import counted, verb
from lockstep.columns.predictors import ReferencePredictor
from lockstep.columns.tables import take_rows
from lockstep.errors import FitError

Fitted = dict[str, ReferencePredictor]


def fit_models(
    graph: Graph,
    columns: Columns,
    names: Iterable[str] | None = None,
    depth: int = 0,
    bound: Bound = NOTHING,
) -> Fitted:
    """Fit models on rows whose outcome is known, and return their predictors.

    Args:
        columns: The rows, in canonical form: fields of record and outcome; columns that are given
            already are taken as they are.
        names: The models to fit; all by default. One that these depend on is fitted only if it is
            among them.
        depth: The number of splits that made this part of the rows.
    """
    wanted = set(graph.models if names is None else names)
    out_of_fold: dict[tuple[frozenset[str], int], Columns] = {}
    fitted: Fitted = {}
    for model in _models(graph, wanted):
        behind = graph.models_behind(model.name)
        known = columns
        if behind:
            split = (behind, model.folds)
            if split not in out_of_fold:
                out_of_fold[split] = out_of_fold_values(graph, columns, *split, depth, bound)
            known = columns | out_of_fold[split]
        inputs = graph.evaluate(known, (*model.inputs, model.learns), bound)
        try:
            fitted[model.name] = fit(model, inputs)
        except FitError as error:
            if not graph.personal.isdisjoint(model.inputs):
                kind = type(error.__cause__ or error).__name__
                raise FitError(f"{model.title} fails on personal values: {kind}.") from None
            origin = origin_of(graph, inputs, model.name, error.__cause__)
            if origin is None:
                raise
            raise FitError(f"{origin[1]}: {error}") from error.__cause__
    return fitted


def out_of_fold_values(
    graph: Graph,
    columns: Columns,
    names: frozenset[str],
    folds: int,
    depth: int = 0,
    bound: Bound = NOTHING,
) -> Columns:
    """Compute the columns of models, each row's by models that were not fitted on it.

    `names` has all the models that these depend on, too. Probabilities are among the columns.
    """
    fold = fold_of(columns[graph.record.key or ""], folds, depth)
    produced = [name for model in _models(graph, names) for name in model.gives]
    values: Columns = {name: np.empty(len(fold), dtype=graph.kind(name).dtype) for name in produced}
    for held_out in np.unique(fold).tolist():
        rows = fold == held_out
        if rows.all():
            raise FitError(
                f"{counted(len(fold), 'row')} {verb(len(fold), 'is', 'are')} "
                f"too few to split into {folds} folds for a second stage."
            )
        fitted = fit_models(graph, take_rows(columns, ~rows), names, depth + 1, bound)
        computed = graph.evaluate(take_rows(columns, rows), produced, {**bound, **fitted})
        for name in produced:
            values[name][rows] = computed[name]
    return values


def _models(graph: Graph, names: Iterable[str]) -> list[Model]:
    wanted = set(names)
    nodes = [graph.nodes[name] for name in graph.models if name in wanted]
    return [node for node in nodes if isinstance(node, Model)]


def fold_of(keys: Array, folds: int, depth: int = 0) -> NDArray[np.int64]:
    """The fold of each row, from its key alone: the order of the rows does not matter.

    It is a digit of the CRC-32 of the key's text, in base `folds`: the last one, or at a depth
    the one so many before it, so that a split inside a part has nothing to do with the split that
    made the part. Rows of one key share a fold.
    """
    divisor = folds**depth
    return np.array(
        [zlib.crc32(str(key).encode()) // divisor % folds for key in keys.tolist()], dtype=np.int64
    )
