"""Estimators: what a model ends in, as functions from a block to its predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.compiled.blocks import Block, Layout, Row, Step
from lockstep.columns.kinds import Array
from lockstep.errors import NotCompiledError

Answer = Callable[[Block], Array]
"""From a block to one prediction a row, or one a row and class."""

RowAnswer = Callable[[Row], float]
"""From the values of a single row to its one number."""


@dataclass(frozen=True)
class Estimate:
    """A compiled estimator: its answers, by scikit-learn's methods.

    Attributes:
        predict: A regressor's predictions, one a row; None for a classifier.
        predict_proba: A classifier's probabilities, one row a row and one column a class.
        decision_function: A classifier's scores: one a row of two classes, else one a class.
        of_row: For a single row, a regressor's prediction, or the probability of the second of
            two classes; None if it has no such form.
    """

    predict: Answer | None = None
    predict_proba: Answer | None = None
    decision_function: Answer | None = None
    of_row: RowAnswer | None = None

    def by(self, method: str) -> Answer:
        """The answer by one of scikit-learn's methods.

        Raises:
            NotCompiledError: That method has no compiled form.
        """
        answer: Answer | None = getattr(self, method, None)
        if answer is None:
            raise NotCompiledError(f"its {method} has no compiled form")
        return answer


Compile = Callable[[Any, Layout], "Estimate"]


def compile_estimator(estimator: Any, given: Layout) -> Estimate:
    """Compile a fitted estimator, or a pipeline that ends in one.

    Args:
        estimator: The fitted estimator.
        given: The layout of its input.

    Raises:
        NotCompiledError: It, or a step in it, cannot be compiled; the message says which and why.
    """
    from lockstep.columns.compiled import boosters, ensembles, linear, trees

    for compilers in (linear.COMPILERS, trees.COMPILERS, ensembles.COMPILERS):
        by_type: Mapping[type, Compile] = compilers
        if type(estimator) in by_type:
            return by_type[type(estimator)](estimator, given)
    if compiler := boosters.COMPILERS.get(
        f"{type(estimator).__module__}.{type(estimator).__name__}"
    ):
        return compiler(estimator, given)
    raise NotCompiledError(f"{type(estimator).__name__} has no compiled form")


def after_row(before: Step, answer: RowAnswer | None) -> RowAnswer | None:
    """The answer for a single row after a step; None if either has no form for single rows."""
    run = before.run_row
    return (lambda row: answer(run(row))) if answer is not None and run is not None else None


def both_classes(probability: Array) -> Array:
    """The probabilities of both classes from those of the second."""
    both = np.empty((len(probability), 2))
    both[:, 0] = 1 - probability
    both[:, 1] = probability
    return both
