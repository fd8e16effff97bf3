"""Fitting of an estimator: the one that a model's function returns."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Model
from lockstep.columns.plain import counted, listed, one_line, show
from lockstep.columns.predictors import Fitting, ReferencePredictor, matrix, predicts_classes
from lockstep.columns.tables import is_missing
from lockstep.errors import FitError


def fit(model: Model, columns: Columns) -> ReferencePredictor:
    """Fit a new estimator on the rows whose label is known."""
    estimator = estimator_of(model)
    labels = columns[model.learns]
    known = ~is_missing(labels)
    if not known.any():
        raise FitError(
            f"{model.title}: none of {counted(len(labels), 'row')} has a value of {model.learns}."
        )
    target = _target(model, estimator, labels[known])
    frame = matrix(model, columns)[known].reset_index(drop=True)
    before = _drawn()
    try:
        estimator.fit(frame, target)
    except Exception as error:
        raise FitError(
            f"{model.title} cannot be fitted on {counted(len(frame), 'row')}: "
            f"{_explained(model, columns, error)}."
        ) from error
    if predicts_classes(estimator) and not hasattr(estimator, "predict_proba"):
        raise FitError(
            f"{model.title}: {_last(estimator)} gives no probabilities (predict_proba); wrap it in "
            "CalibratedClassifierCV, or use another classifier."
        )
    unseeded = _unseeded(estimator) if _drawn() != before else ()
    return ReferencePredictor(
        model, estimator, Fitting(len(frame), len(labels) - len(frame), unseeded)
    )


def _drawn() -> bytes:
    """The state of NumPy's shared generator, from which an estimator without a seed draws."""
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 - scikit-learn draws from it
    return bytes(state["key"].tobytes()) + int(state["pos"]).to_bytes(8, "big")


def _unseeded(estimator: Any) -> tuple[str, ...]:
    """The classes in an estimator that have a seed to set and none set, or else its own class."""
    parts = [("", estimator), *estimator.get_params(deep=True).items()]
    unset = [
        type(part).__name__
        for _, part in parts
        if not inspect.isclass(part)
        and hasattr(part, "get_params")
        and part.get_params(deep=False).get("random_state", 0) is None
    ]
    return tuple(dict.fromkeys(unset)) or (_last(estimator),)


def _explained(model: Model, columns: Columns, error: Exception) -> str:
    """What an estimator raised, and the columns at fault where scikit-learn names none."""
    text = str(error)
    texts = [name for name in model.inputs if columns[name].dtype == object]
    if texts and ("convert string to float" in text or isinstance(error, TypeError)):
        return (
            f"{one_line(text)}. Among the columns that it uses, {listed(texts)} holds text: encode "
            "it in the model (OneHotEncoder or OrdinalEncoder in a ColumnTransformer), or leave it "
            "out of uses=[...]"
        )
    if "Invalid classes inferred" in text:  # XGBoost's words
        numbered = f"It takes numbers from 0 on as classes: have {model.learns} give these"
        return f"{one_line(text)} {numbered}"
    if "contains NaN" in text:
        lacking = [name for name in model.inputs if is_missing(columns[name]).any()]
        return (
            f"values are missing in {listed(lacking)}, and an estimator in it takes none: impute "
            "them in the model (SimpleImputer), or use an estimator that takes them, such as "
            "HistGradientBoosting"
        )
    return one_line(text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}")


def estimator_of(model: Model) -> Any:
    """The unfitted estimator that a model's function returns; `FitError` where it is none."""
    from sklearn.base import is_classifier, is_regressor  # 0.5 s that only fitting needs to pay

    try:
        estimator = model.make()
    except Exception as error:
        raise FitError(
            f"{model.title} raised {type(error).__name__}: {one_line(str(error))}."
        ) from error
    if estimator is None:
        raise FitError(
            f"{model.title} returns nothing: write `return` before the estimator that it makes."
        )
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
    *_, (_, final) = getattr(estimator, "steps", [("", estimator)])
    if hasattr(final, "__sklearn_tags__"):
        try:
            final.__sklearn_tags__()
        except AttributeError:  # it asks the estimator in it, and has none
            raise FitError(
                f"{model.title} returns {_last(estimator)} without an estimator in it: give it one."
            ) from None
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
