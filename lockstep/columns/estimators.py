"""Estimators: what a model's function returns, and its fitting."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from lockstep.columns.errors import FitError
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Model
from lockstep.columns.plain import listed, one_line, show
from lockstep.columns.predictors import ReferencePredictor, matrix
from lockstep.columns.rows import is_missing


def fit(model: Model, columns: Columns) -> ReferencePredictor:
    """A new estimator fitted on the rows whose label is known.

    Args:
        model: What to fit.
        columns: The model's columns and its label.

    Raises:
        FitError: The model's function returns no estimator, no row has a label, the labels do not
            suit the estimator, or it cannot be fitted on these rows.
    """
    estimator = _estimator(model)
    labels = columns[model.learns]
    known = ~is_missing(labels)
    if not known.any():
        raise FitError(f"{model.title}: none of {len(labels)} rows has a value of {model.learns}.")
    target = _target(model, estimator, labels[known])
    frame = matrix(model, columns)[known].reset_index(drop=True)
    try:
        estimator.fit(frame, target)
    except Exception as error:
        raise FitError(
            f"{model.title} cannot be fitted on {len(frame)} rows: {_cause(error)}."
            f"{_hint(model, columns, error)}"
        ) from error
    return ReferencePredictor(model, estimator)


def _cause(error: Exception) -> str:
    text = one_line(str(error), most=300)
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


def _hint(model: Model, columns: Columns, error: Exception) -> str:
    """Which columns are at fault, for the two mistakes that scikit-learn names no column for."""
    text = str(error)
    if "convert string to float" in text or isinstance(error, TypeError):
        texts = [name for name in model.uses if columns[name].dtype == object]
        if texts:
            return (
                f" Among the columns that it uses, {listed(texts)} holds text: encode it in the "
                "model (OneHotEncoder or OrdinalEncoder in a ColumnTransformer), or leave it out "
                "of uses=[...]."
            )
    if "contains NaN" in text:
        lacking = [name for name in model.uses if is_missing(columns[name]).any()]
        return (
            f" Values are missing in {listed(lacking)}: impute them in the model (SimpleImputer), "
            "or use an estimator that takes them."
        )
    return ""


def _estimator(model: Model) -> Any:
    """A new estimator, if the model's function returns one."""
    from sklearn.base import is_classifier, is_regressor  # 0.5 s that only fitting needs to pay

    found = model.make()
    if inspect.isclass(found):
        raise FitError(
            f"{model.title} returns the class {found.__name__}; return an estimator, "
            f"{found.__name__}(...)."
        )
    if not all(hasattr(found, name) for name in ("fit", "get_params", "__sklearn_tags__")):
        raise FitError(
            f"{model.title} returns {type(found).__name__} {show(found)}; return an unfitted "
            "scikit-learn estimator."
        )
    last = found[-1] if hasattr(found, "steps") else found
    if not (is_classifier(found) or is_regressor(found)) or not hasattr(found, "predict"):
        raise FitError(
            f"{model.title}: {type(last).__name__} predicts nothing to learn a label by; end with "
            "a classifier or a regressor. What only transforms its own row is a @feature."
        )
    if is_classifier(found) and not hasattr(found, "predict_proba"):
        raise FitError(
            f"{model.title}: {type(last).__name__} gives no probabilities (predict_proba); wrap it "
            "in CalibratedClassifierCV, or use another classifier."
        )
    return found


def _target(model: Model, estimator: Any, labels: Array) -> Array:
    from sklearn.base import is_classifier  # 0.5 s that only fitting needs to pay

    if not is_classifier(estimator):
        if model.classes is not None:
            raise FitError(f"{model.title} declares classes, but its estimator is a regressor.")
        if labels.dtype.kind not in "fib":
            raise FitError(
                f"{model.title} learns {model.learns}, which holds no numbers, but its "
                "estimator is a regressor."
            )
        return labels.astype(np.float64)
    values = set(labels.tolist())
    if model.classes is not None:
        if values != set(model.classes):
            raise FitError(
                f"{model.title} declares the classes {_some(set(model.classes))}, but "
                f"{model.learns} holds {_some(values)}."
            )
        return labels.astype(str) if labels.dtype == object else labels
    if not values <= {False, True}:
        raise FitError(
            f"{model.title}: {model.learns} holds {len(values)} values such as "
            f"{_some(values, most=5)}; a classifier learns true or false, or declares its "
            "classes=[...]."
        )
    if len(values) < 2:
        raise FitError(
            f"{model.title}: {model.learns} is {bool(next(iter(values)))} in all "
            f"{len(labels)} rows; there is nothing to learn."
        )
    return labels.astype(bool)


def _some(values: set[Any], most: int = 20) -> str:
    return listed(map(show, sorted(values, key=str)), most)
