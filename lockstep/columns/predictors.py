"""Estimators: their matrices, their fitting and their predictions as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lockstep.columns.errors import FitError
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Model
from lockstep.columns.plain import listed, show
from lockstep.columns.rows import is_missing
from lockstep.columns.tables import to_frame
from lockstep.columns.threads import threads_for


def matrix(model: Model, columns: Columns) -> pd.DataFrame:
    """What the estimator sees: the model's columns in order, each with its canonical dtype."""
    return to_frame({name: columns[name] for name in model.uses})


def preprocessed(estimator: Any, frame: pd.DataFrame) -> Array:
    """The two-dimensional array that the final estimator gets, after all its transformers."""
    steps = getattr(estimator, "steps", ())
    given: Any = frame
    if len(steps) > 1:
        if not len(frame):  # transformers refuse that
            return np.empty((0, estimator[-1].n_features_in_))
        given = estimator[:-1].transform(frame)
    if hasattr(given, "toarray"):
        given = given.toarray()
    return np.asarray(given)


def fit(model: Model, columns: Columns) -> Any:
    """A new estimator fitted on the rows whose label is known.

    Args:
        model: What to fit.
        columns: The model's columns and its label.

    Raises:
        FitError: No row has a label, or the labels do not suit the estimator.
    """
    labels = columns[model.learns]
    known = ~is_missing(labels)
    if not known.any():
        raise FitError(f"Model {model.name}: no row has a value of {model.learns}.")
    estimator = model.make()
    target = _target(model, estimator, labels[known])
    frame = matrix(model, columns)[known].reset_index(drop=True)
    try:
        estimator.fit(frame, target)
    except ValueError as error:
        raise FitError(f"Model {model.name} cannot be fitted: {error}") from error
    return estimator


def predict(model: Model, estimator: Any, columns: Columns) -> Columns:
    """The model's column, and those of its probabilities if it is multiclass."""
    frame = matrix(model, columns)
    with threads_for(len(frame)):
        if model.classes is not None:
            return _predict_classes(model, estimator, frame)
        return _predict_numbers(model, estimator, frame)


def _predict_numbers(model: Model, estimator: Any, frame: pd.DataFrame) -> Columns:
    if not len(frame):
        return {model.name: np.empty(0)}
    if hasattr(estimator, "classes_"):
        values = estimator.predict_proba(frame)[:, 1]
    else:
        values = estimator.predict(frame)
    values = np.ascontiguousarray(values, dtype=np.float64)
    if values.shape != (len(frame),):
        raise ValueError(f"the estimator predicted {values.shape} for {len(frame)} rows")
    values.flags.writeable = False
    return {model.name: values}


def _predict_classes(model: Model, estimator: Any, frame: pd.DataFrame) -> Columns:
    classes = np.asarray(model.classes, dtype=(model.kind or Kind.TEXT).dtype)
    if len(frame):
        probabilities = np.asarray(estimator.predict_proba(frame), dtype=np.float64)
    else:
        probabilities = np.empty((0, len(classes)))
    order = [list(estimator.classes_).index(value) for value in classes]
    probabilities = probabilities[:, order]
    found: Columns = {model.name: classes[probabilities.argmax(axis=1)]}
    for index, name in enumerate(model.probabilities):
        found[name] = np.ascontiguousarray(probabilities[:, index])
    for array in found.values():
        array.flags.writeable = False
    return found


def _target(model: Model, estimator: Any, labels: Array) -> Array:
    from sklearn.base import is_classifier  # 0.5 s that only fitting needs to pay

    if not is_classifier(estimator):
        if model.classes is not None:
            raise FitError(
                f"Model {model.name} declares classes, but its estimator is a regressor."
            )
        if labels.dtype.kind not in "fib":
            raise FitError(
                f"Model {model.name} learns {model.learns}, which holds no numbers, but its "
                "estimator is a regressor."
            )
        return labels.astype(np.float64)
    values = set(labels.tolist())
    if model.classes is not None:
        if values != set(model.classes):
            raise FitError(
                f"Model {model.name} declares the classes {_some(set(model.classes))}, but "
                f"{model.learns} holds {_some(values)}."
            )
        return labels.astype(str) if labels.dtype == object else labels
    if not values <= {False, True}:
        raise FitError(
            f"Model {model.name}: {model.learns} holds {len(values)} values such as "
            f"{_some(values, most=5)}; a classifier learns true or false, or declares its "
            "classes=[...]."
        )
    if len(values) < 2:
        raise FitError(
            f"Model {model.name}: {model.learns} is {bool(next(iter(values)))} in all "
            f"{len(labels)} rows; there is nothing to learn."
        )
    return labels.astype(bool)


def _some(values: set[Any], most: int = 20) -> str:
    return listed(map(show, sorted(values, key=str)), most)
