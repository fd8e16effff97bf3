"""Predictors: fitted models, from columns to the columns that they give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.nodes import Model, Node
from lockstep.columns.tables import to_frame
from lockstep.columns.threads import openmp_threads_for

_NO_STEP = (None, "passthrough")
"""What stands in a scikit-learn pipeline for a step that does nothing."""


@dataclass(frozen=True)
class Fitting:
    """How an estimator was fitted."""

    rows: int
    unlabelled: int  # rows that the fit left out, since their label is not known
    # Classes in it that drew random numbers without a seed: the same rows may give another model.
    unseeded: tuple[str, ...] = ()


class ReferencePredictor:
    """A fitted scikit-learn estimator as a predictor; any other predictor must agree with it.

    `fitting` is None where it was loaded; `of_classes`, from its probabilities to its columns, is
    None without declared classes.
    """

    def __init__(self, model: Model, estimator: Any, fitting: Fitting | None = None) -> None:
        self.model = model
        self.estimator = estimator
        self.fitting = fitting
        self._has_transformers = len(getattr(estimator, "steps", ())) > 1
        self._final = estimator[-1] if self._has_transformers else estimator
        has_classes = model.classes is not None
        self.of_classes = ClassColumns(model, self._final.classes_) if has_classes else None

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's column, and its classes' columns of probabilities."""
        return self._answer(self._given(columns))

    def matrix(self, columns: Columns) -> Array:
        """The two-dimensional array that the final estimator gets, after all its transformers."""
        return _dense(self._given(columns))

    def with_matrix(self, columns: Columns) -> tuple[Columns, Array]:
        """The model's columns, and the matrix that its final estimator got."""
        given = self._given(columns)
        return self._answer(given), _dense(given)

    def _given(self, columns: Columns) -> Any:
        """What the final estimator gets: a DataFrame, or a matrix behind transformers."""
        given: Any = matrix(self.model, columns)
        if not self._has_transformers:
            return given
        if not len(given):  # transformers refuse that
            return np.empty((0, self._final.n_features_in_))
        with openmp_threads_for(len(given)):
            # One after the other, as a pipeline's predict does: its transform demands that the last
            # transformer is fitted, which a transformer without a state cannot show.
            for _, transformer in self.estimator.steps[:-1]:
                if transformer not in _NO_STEP:
                    given = transformer.transform(given)
        return given

    def _answer(self, given: Any) -> Columns:
        with openmp_threads_for(given.shape[0]):
            if self.of_classes is not None:
                return self._classes(given, self.of_classes)
            return {self.model.name: self._numbers(given)}

    def matrix_names(self) -> list[str] | None:
        """Names of the columns of `matrix`; None where a transformer gives none."""
        if not self._has_transformers:
            return list(self.model.inputs)
        try:
            return [str(name) for name in self.estimator[:-1].get_feature_names_out()]
        except (AttributeError, ValueError):  # above all a transformer of one's own
            return None

    def _numbers(self, given: Any) -> Array:
        rows, final = given.shape[0], self._final
        if not rows:
            return np.empty(0)
        if predicts_classes(final):
            values = final.predict_proba(given)[:, 1]
        else:
            values = final.predict(given)
        values = np.ascontiguousarray(values, dtype=np.float64)
        if values.shape != (rows,):
            raise ValueError(f"the estimator predicted {values.shape} for {rows} rows")
        return values

    def _classes(self, given: Any, columns_of: ClassColumns) -> Columns:
        if not given.shape[0]:
            return columns_of(np.empty((0, len(self._final.classes_))))
        return columns_of(np.asarray(self._final.predict_proba(given), dtype=np.float64))


class ClassColumns:
    """From probabilities of classes in their `fitted` order to a multiclass model's columns."""

    def __init__(self, model: Model, fitted: Iterable[Any]) -> None:
        self._model = model
        self._classes = np.asarray(model.classes, dtype=(model.kind or Kind.TEXT).dtype)
        self._order = [list(fitted).index(value) for value in self._classes]

    def __call__(self, probabilities: Array) -> Columns:
        """The model's column, and its classes' columns of probabilities."""
        own = probabilities[:, self._order]
        named = {
            name: np.ascontiguousarray(own[:, index])
            for index, name in enumerate(self._model.probabilities)
        }
        return {self._model.name: self._classes[own.argmax(axis=1)], **named}


def predicts_classes(estimator: Any) -> bool:
    """Whether a fitted estimator predicts classes: CatBoost's regressors have an empty list."""
    return len(getattr(estimator, "classes_", ())) > 0


class Keeping:
    """A reference predictor that keeps the matrix of its last rows, for one trace.

    A trace holds both, and transformers take longer than the rest.
    """

    def __init__(self, predictor: ReferencePredictor) -> None:
        self._predictor = predictor
        self._kept: Array | None = None

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's columns."""
        answer, self._kept = self._predictor.with_matrix(columns)
        return answer

    def matrix(self, columns: Columns, /) -> Array:
        """The matrix that the final estimator got for the last rows."""
        return self._predictor.matrix(columns) if self._kept is None else self._kept


def _dense(given: Any) -> Array:
    return np.asarray(given.toarray() if hasattr(given, "toarray") else given)


def matrix(model: Node, columns: Columns) -> pd.DataFrame:
    """The model's inputs in order, each with its canonical dtype, as its estimator gets them."""
    return to_frame({name: columns[name] for name in model.inputs})
