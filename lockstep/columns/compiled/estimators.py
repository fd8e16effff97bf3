"""Estimators: what a model ends in, as functions from a block to its predictions.

Linear models, one product of matrices and its link, are compiled here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    RidgeCV,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.utils.extmath import softmax

from lockstep.columns.compiled.blocks import (
    Block,
    Layout,
    Row,
    Step,
    as_fitted,
    demand_numbers,
    to_matrix,
)
from lockstep.columns.compiled.refusals import RefusedNumbers
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


def compile_estimator(estimator: Any, given: Layout) -> Estimate:
    """Compile a fitted estimator, or a pipeline that ends in one.

    It refuses what the fitted one refuses; one that is made of others does so by its parts. The
    error says which step in it cannot be compiled, and why.
    """
    from lockstep.columns.compiled import boosters, ensembles, trees

    kind = type(estimator)
    if made_of_others := ensembles.COMPILERS.get(kind):
        return made_of_others(estimator, given)
    compiler = (
        _LINEAR.get(kind)
        or trees.COMPILERS.get(kind)
        or boosters.COMPILERS.get(f"{kind.__module__}.{kind.__name__}")
    )
    if compiler is None:
        raise NotCompiledError(f"{kind.__name__} has no compiled form")
    return _refusing(compiler(estimator, given), estimator, given)


def _refusing(estimate: Estimate, estimator: Any, given: Layout) -> Estimate:
    """A compiled estimator that refuses what the fitted one refuses."""
    predict = estimator.predict if estimate.predict is not None else estimator.predict_proba
    refusals = RefusedNumbers.of(estimator, given, lambda row: predict(as_fitted(estimator, row)))
    if not refusals.any:
        return estimate

    def checked(answer: Answer | None) -> Answer | None:
        if answer is None:
            return None

        def answer_checked(block: Block) -> Array:
            refusals.check(block)
            return answer(block)

        return answer_checked

    def row_checked(row: Row) -> float:
        refusals.check_row(row)
        assert estimate.of_row is not None, "it is called where there is one"
        return estimate.of_row(row)

    return Estimate(
        predict=checked(estimate.predict),
        predict_proba=checked(estimate.predict_proba),
        decision_function=checked(estimate.decision_function),
        of_row=estimate.of_row and row_checked,
    )


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


def _scores(model: Any, given: Layout) -> Answer:
    """Coefficients times columns, plus the intercept: one score a row, or one a row and class."""
    demand_numbers(model, given)
    coefficients = model.coef_.T
    intercept = model.intercept_
    is_one = coefficients.ndim == 1 or coefficients.shape[1] == 1

    def scores(block: Block) -> Array:
        values: Array = to_matrix(block) @ coefficients + intercept
        return values.reshape(-1) if is_one else values

    return scores


def _score(model: Any) -> RowAnswer:
    coefficients = np.ascontiguousarray(model.coef_).reshape(-1)
    intercept = float(np.ravel(model.intercept_)[0])
    count = len(coefficients)

    def score(row: Row) -> float:
        value: float = np.fromiter(row, np.float64, count).dot(coefficients).item() + intercept
        return value

    return score


def _logistic(model: Any, given: Layout) -> Estimate:
    scores = _scores(model, given)
    if len(model.classes_) > 2:
        return Estimate(
            predict_proba=lambda block: softmax(scores(block), copy=False),
            decision_function=scores,
        )
    score = _score(model)
    return Estimate(
        predict_proba=lambda block: both_classes(expit(scores(block))),
        decision_function=scores,
        of_row=lambda row: expit(score(row)),
    )


def _regression(model: Any, given: Layout) -> Estimate:
    if np.ndim(model.coef_) > 1 and len(model.coef_) > 1:
        raise NotCompiledError(f"{type(model).__name__} of more than one target")
    return Estimate(predict=_scores(model, given), of_row=_score(model))


def _generalized(model: Any, given: Layout) -> Estimate:
    scores, link = _scores(model, given), model._base_loss.link
    return Estimate(predict=lambda block: link.inverse(scores(block)))


_LINEAR: Mapping[type, Compile] = {
    **dict.fromkeys((LogisticRegression, LogisticRegressionCV), _logistic),
    **dict.fromkeys(
        (
            LinearRegression,
            Ridge,
            RidgeCV,
            Lasso,
            LassoCV,
            ElasticNet,
            ElasticNetCV,
            HuberRegressor,
            SGDRegressor,
        ),
        _regression,
    ),
    **dict.fromkeys((PoissonRegressor, GammaRegressor, TweedieRegressor), _generalized),
}
