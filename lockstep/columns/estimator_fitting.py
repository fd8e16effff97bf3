"""Fitting of an estimator: the one that a model's function returns."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Model
from lockstep.columns.plain import counted, listed, one_line, show
from lockstep.columns.predictors import ReferencePredictor, matrix
from lockstep.columns.tables import is_missing
from lockstep.errors import FitError


def fit(model: Model, columns: Columns) -> ReferencePredictor:
    """Fit a new estimator on the rows whose label is known.

    Args:
        model: The model to fit.
        columns: The model's inputs and its label.

    Raises:
        FitError: The model's function returns no estimator, no row has a label, the labels do not
            suit the estimator, or it cannot be fitted on these rows.
    """
    estimator = _estimator(model)
    labels = columns[model.learns]
    known = ~is_missing(labels)
    if not known.any():
        raise FitError(
            f"{model.title}: none of {counted(len(labels), 'row')} has a value of {model.learns}."
        )
    target = _target(model, estimator, labels[known])
    frame = matrix(model, columns)[known].reset_index(drop=True)
    try:
        estimator.fit(frame, target)
    except Exception as error:
        raise FitError(
            f"{model.title} cannot be fitted on {counted(len(frame), 'row')}: "
            f"{_explained(model, columns, error)}."
        ) from error
    if hasattr(estimator, "classes_") and not hasattr(estimator, "predict_proba"):
        raise FitError(
            f"{model.title}: {_last(estimator)} gives no probabilities (predict_proba); wrap it in "
            "CalibratedClassifierCV, or use another classifier."
        )
    return ReferencePredictor(model, estimator)


def _explained(model: Model, columns: Columns, error: Exception) -> str:
    """What an estimator raised, and the columns at fault where scikit-learn names none."""
    text = str(error)
    texts = [name for name in model.uses if columns[name].dtype == object]
    if texts and ("convert string to float" in text or isinstance(error, TypeError)):
        return (
            f"{one_line(text)}. Among the columns that it uses, {listed(texts)} holds text: encode "
            "it in the model (OneHotEncoder or OrdinalEncoder in a ColumnTransformer), or leave it "
            "out of uses=[...]"
        )
    if "contains NaN" in text:
        lacking = [name for name in model.uses if is_missing(columns[name]).any()]
        return (
            f"values are missing in {listed(lacking)}, and an estimator in it takes none: impute "
            "them in the model (SimpleImputer), or use an estimator that takes them, such as "
            "HistGradientBoosting"
        )
    return one_line(text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}")


def _estimator(model: Model) -> Any:
    from sklearn.base import is_classifier, is_regressor  # 0.5 s that only fitting needs to pay

    try:
        estimator = model.make()
    except Exception as error:
        raise FitError(
            f"{model.title} raised {type(error).__name__}: {one_line(str(error))}."
        ) from error
    for step in (estimator, *(step for _, step in getattr(estimator, "steps", ()))):
        if inspect.isclass(step):
            raise FitError(
                f"{model.title} returns the class {step.__name__}, not an estimator: write "
                f"{step.__name__}()."
            )
    if not all(hasattr(estimator, name) for name in ("fit", "get_params", "__sklearn_tags__")):
        raise FitError(
            f"{model.title} returns {type(estimator).__name__} {show(estimator)}; return an "
            "unfitted scikit-learn estimator."
        )
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise FitError(
            f"{model.title}: {_last(estimator)} learns no label, so it is no model; end with a "
            "classifier or a regressor. What only transforms its own row is a @feature."
        )
    return estimator


def _last(estimator: Any) -> str:
    """The type of an estimator, or of the last one of its steps."""
    steps = getattr(estimator, "steps", None)
    return type(steps[-1][1] if steps else estimator).__name__


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
            f"{model.title}: {model.learns} holds {len(values)} values, {_some(values, most=5)}, "
            "and a classifier learns true or false unless it declares others: "
            f"{_remedy(values)}."
        )
    if len(values) < 2:
        raise FitError(
            f"{model.title}: {model.learns} is {bool(next(iter(values)))} in all "
            f"{counted(len(labels), 'row')}; there is nothing to learn."
        )
    return labels.astype(bool)


def _some(values: set[Any], most: int = 20) -> str:
    return listed(map(show, sorted(values, key=str)), most)


def _remedy(values: set[Any]) -> str:
    if len(values) > 20 or any(isinstance(value, float) for value in values):
        return "use a regressor, or a label with few values"
    return f"write classes=[{', '.join(map(show, sorted(values, key=str)))}] in @model(...)"
