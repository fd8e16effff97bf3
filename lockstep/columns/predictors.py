"""Predictors: fitted models, from columns to the columns that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.tables import to_frame
from lockstep.columns.threads import openmp_threads_for

if TYPE_CHECKING:
    from lockstep.columns.nodes import Model, Node


class Predictor(Protocol):
    """A fitted model. What is compared with golden records is the very object that serves."""

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's columns of some rows.

        Args:
            columns: The model's inputs, in canonical form, among others.
        """

    def matrix(self, columns: Columns, /) -> Array:
        """What the final estimator is given of some rows, after all that comes before it.

        Args:
            columns: The model's inputs, in canonical form, among others.
        """


class ReferencePredictor:
    """A fitted scikit-learn estimator as a predictor: what any other predictor must agree with.

    Attributes:
        model: The model, as declared.
        estimator: The estimator that was fitted for it.
    """

    def __init__(self, model: Model, estimator: Any) -> None:
        self.model = model
        self.estimator = estimator

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's column, and those of its classes' probabilities."""
        frame = matrix(self.model, columns)
        with openmp_threads_for(len(frame)):
            if self.model.classes is not None:
                return self._classes(frame, self.model.classes)
            return {self.model.name: self._numbers(frame)}

    def matrix(self, columns: Columns) -> Array:
        """The two-dimensional array that the final estimator gets, after all its transformers."""
        given: Any = matrix(self.model, columns)
        if len(getattr(self.estimator, "steps", ())) > 1:
            if not len(given):  # transformers refuse that
                return np.empty((0, self.estimator[-1].n_features_in_))
            with openmp_threads_for(len(given)):
                given = self.estimator[:-1].transform(given)
        return np.asarray(given.toarray() if hasattr(given, "toarray") else given)

    def matrix_names(self) -> list[str] | None:
        """Names of the columns of `matrix`, by its transformers; None where one tells none."""
        if len(getattr(self.estimator, "steps", ())) < 2:
            return list(self.model.inputs)
        try:
            return [str(name) for name in self.estimator[:-1].get_feature_names_out()]
        except (AttributeError, ValueError):  # a transformer that somebody wrote, above all
            return None

    def _numbers(self, frame: pd.DataFrame) -> Array:
        if not len(frame):
            return np.empty(0)
        if hasattr(self.estimator, "classes_"):
            values = self.estimator.predict_proba(frame)[:, 1]
        else:
            values = self.estimator.predict(frame)
        values = np.ascontiguousarray(values, dtype=np.float64)
        if values.shape != (len(frame),):
            raise ValueError(f"the estimator predicted {values.shape} for {len(frame)} rows")
        return values

    def _classes(self, frame: pd.DataFrame, declared: tuple[Any, ...]) -> Columns:
        classes = np.asarray(declared, dtype=(self.model.kind or Kind.TEXT).dtype)
        if len(frame):
            probabilities = np.asarray(self.estimator.predict_proba(frame), dtype=np.float64)
        else:
            probabilities = np.empty((0, len(classes)))
        order = [list(self.estimator.classes_).index(value) for value in classes]
        probabilities = probabilities[:, order]
        found: Columns = {self.model.name: classes[probabilities.argmax(axis=1)]}
        for index, name in enumerate(self.model.probabilities):
            found[name] = np.ascontiguousarray(probabilities[:, index])
        return found


def matrix(model: Node, columns: Columns) -> pd.DataFrame:
    """What the estimator sees: the model's columns in order, each with its canonical dtype."""
    return to_frame({name: columns[name] for name in model.inputs})
