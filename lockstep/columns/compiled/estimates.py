"""Estimates: a compiled estimator's answers, for blocks and for a single row."""

from __future__ import annotations

from collections.abc import Callable
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
    """A compiled estimator: its answers, by scikit-learn's methods."""

    predict: Answer | None = None  # of a regressor, one a row; None for a classifier
    predict_proba: Answer | None = None  # of a classifier, one column a class
    decision_function: Answer | None = None  # one a row of two classes, else one a class
    # Of a single row, a regressor's prediction, or the probability of the second of two classes.
    of_row: RowAnswer | None = None

    def by(self, method: str) -> Answer:
        """The answer by one of scikit-learn's methods."""
        answer: Answer | None = getattr(self, method, None)
        if answer is None:
            raise NotCompiledError(f"its {method} has no compiled form")
        return answer


Compile = Callable[[Any, Layout], "Estimate"]


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
