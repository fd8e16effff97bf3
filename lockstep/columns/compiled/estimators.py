"""Estimators: what a model ends in, as functions from a block to its predictions.

Linear models and estimators over estimators are compiled here; trees have modules of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.isotonic import IsotonicRegression
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
from sklearn.pipeline import Pipeline
from sklearn.utils.extmath import softmax

from lockstep.columns.compiled import boosters, trees
from lockstep.columns.compiled.blocks import (
    Block,
    Layout,
    Row,
    as_fitted,
    demand_numbers,
    numbers,
    to_matrix,
)
from lockstep.columns.compiled.estimates import (
    Answer,
    Compile,
    Estimate,
    RowAnswer,
    after_row,
    both_classes,
)
from lockstep.columns.compiled.refusals import RefusedNumbers
from lockstep.columns.compiled.transformers import compile_steps
from lockstep.columns.kinds import Array
from lockstep.errors import NotCompiledError


def compile_estimator(estimator: Any, given: Layout) -> Estimate:
    """Compile a fitted estimator, or a pipeline that ends in one.

    It refuses what the fitted one refuses; one that is made of others does so by its parts. The
    error says which step in it cannot be compiled, and why.
    """
    kind = type(estimator)
    if made_of_others := _OF_OTHERS.get(kind):
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


# Linear models: one product of matrices and its link


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


# Estimators over estimators: pipelines, calibrated classifiers, votes and stacks


def _pipeline(pipeline: Pipeline, given: Layout) -> Estimate:
    before = compile_steps([step for _, step in pipeline.steps[:-1]], given)
    last = compile_estimator(pipeline.steps[-1][1], before.gives)

    def after(answer: Answer | None) -> Answer | None:
        return (lambda block: answer(before(block))) if answer is not None else None

    return Estimate(
        predict=after(last.predict),
        predict_proba=after(last.predict_proba),
        decision_function=after(last.decision_function),
        of_row=after_row(before, last.of_row),
    )


def _calibrated(model: CalibratedClassifierCV, given: Layout) -> Estimate:
    parts = [_one_calibrated(part, given) for part in model.calibrated_classifiers_]

    def probabilities(block: Block) -> Array:
        sums = np.zeros((_rows(block), len(model.classes_)))
        for part in parts:
            sums += part(block)
        return sums / len(parts)

    return Estimate(predict_proba=probabilities)


def _one_calibrated(model: Any, given: Layout) -> Answer:
    if model.method not in {"sigmoid", "isotonic"}:
        raise NotCompiledError(f"CalibratedClassifierCV by {model.method}")
    count = len(model.classes)
    places = np.searchsorted(model.classes, model.estimator.classes_).tolist()
    if len(places) != count:
        raise NotCompiledError("CalibratedClassifierCV of which a part never saw some class")
    predict = _response(model.estimator, given)
    calibrators = [_calibrator(calibrator) for calibrator in model.calibrators]

    def probabilities(block: Block) -> Array:
        scores = predict(block)
        calibrated = np.zeros((len(scores), count))
        if count == 2:
            calibrated[:, 1] = calibrators[0](scores if scores.ndim == 1 else scores[:, 1])
            calibrated[:, 0] = 1.0 - calibrated[:, 1]
        else:
            for place, column, calibrate in zip(places, scores.T, calibrators, strict=True):
                calibrated[:, place] = calibrate(column)
            total = np.sum(calibrated, axis=1)[:, np.newaxis]
            uniform = np.full_like(calibrated, 1 / count)
            calibrated = np.divide(calibrated, total, out=uniform, where=total != 0)
        # A probability that is just above one, by how sums are rounded
        calibrated[(calibrated > 1.0) & (calibrated <= 1.0 + 1e-5)] = 1.0
        return calibrated

    return probabilities


def _response(estimator: Any, given: Layout) -> Answer:
    """The answer by which a classifier is calibrated: its scores, or else its probabilities."""
    compiled = compile_estimator(estimator, given)
    method = "decision_function" if hasattr(estimator, "decision_function") else "predict_proba"
    return compiled.by(method)


def _calibrator(calibrator: Any) -> Any:
    if type(calibrator) is IsotonicRegression:
        if calibrator.out_of_bounds != "clip":
            raise NotCompiledError("IsotonicRegression that does not clip")
        low, high = calibrator.X_min_, calibrator.X_max_
        at, values = calibrator.X_thresholds_, calibrator.y_thresholds_
        if len(at) == 1:
            return lambda scores: np.full(len(scores), values[0])
        return lambda scores: np.interp(np.clip(scores, low, high), at, values)
    slope, offset = calibrator.a_, calibrator.b_
    return lambda scores: expit(-(slope * scores + offset))


def _soft_vote(model: VotingClassifier, given: Layout) -> Estimate:
    if model.voting != "soft":
        raise NotCompiledError("VotingClassifier that counts votes")
    parts = [
        compile_estimator(estimator, given).by("predict_proba") for estimator in model.estimators_
    ]
    weights = model._weights_not_none
    return Estimate(
        predict_proba=lambda block: np.average(
            np.asarray([part(block) for part in parts]), axis=0, weights=weights
        )
    )


def _mean_vote(model: VotingRegressor, given: Layout) -> Estimate:
    parts = [compile_estimator(estimator, given).by("predict") for estimator in model.estimators_]
    weights = model._weights_not_none
    return Estimate(
        predict=lambda block: np.average(
            np.asarray([part(block) for part in parts]).T, axis=1, weights=weights
        )
    )


def _stacked_classes(model: StackingClassifier, given: Layout) -> Estimate:
    below, layout = _below(model, given, drops_first=len(model.classes_) == 2)
    last = compile_estimator(model.final_estimator_, layout)
    proba, scores = last.predict_proba, last.decision_function
    return Estimate(
        predict_proba=(lambda block: proba(below(block))) if proba is not None else None,
        decision_function=(lambda block: scores(below(block))) if scores is not None else None,
    )


def _stacked_number(model: StackingRegressor, given: Layout) -> Estimate:
    below, layout = _below(model, given, drops_first=False)
    predict = compile_estimator(model.final_estimator_, layout).by("predict")
    return Estimate(predict=lambda block: predict(below(block)))


def _below(model: Any, given: Layout, *, drops_first: bool) -> tuple[Answer, Layout]:
    """The answers of a stack's estimators, side by side, as its final estimator gets them."""
    methods = [method for method in model.stack_method_ if method is not None]
    if "predict" in methods and drops_first:
        raise NotCompiledError("StackingClassifier over predicted classes")
    parts = [
        (compile_estimator(estimator, given).by(method), drops_first and method == "predict_proba")
        for estimator, method in zip(model.estimators_, methods, strict=True)
    ]
    if model.passthrough:
        demand_numbers(model, given)

    def below(block: Block) -> Array:
        columns = []
        for part, is_cut in parts:
            answer = part(block)
            answer = answer.reshape(-1, 1) if answer.ndim == 1 else answer
            columns.append(answer[:, 1:] if is_cut else answer)
        if model.passthrough:
            columns.append(to_matrix(block))
        return np.concatenate(columns, axis=1)

    return below, numbers(model.final_estimator_.n_features_in_)


def _rows(block: Block) -> int:
    return len(block[0]) if isinstance(block, list) else len(block)


_OF_OTHERS: Mapping[type, Compile] = {
    Pipeline: _pipeline,
    CalibratedClassifierCV: _calibrated,
    VotingClassifier: _soft_vote,
    VotingRegressor: _mean_vote,
    StackingClassifier: _stacked_classes,
    StackingRegressor: _stacked_number,
}
