"""Linear models as one product of matrices and its link."""

from __future__ import annotations

from collections.abc import Mapping
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

from lockstep.columns.compiled.blocks import Block, Layout, Row, demand_numbers, to_matrix
from lockstep.columns.compiled.estimators import (
    Answer,
    Compile,
    Estimate,
    RowAnswer,
    both_classes,
)
from lockstep.columns.kinds import Array
from lockstep.errors import NotCompiledError


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


COMPILERS: Mapping[type, Compile] = {
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
