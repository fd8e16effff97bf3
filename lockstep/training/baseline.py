"""The baseline: a far simpler model, to tell what the real one is worth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.project.quality import Measured


def simple_baseline(
    features: Columns, target: Array, measures: Measured
) -> Callable[[Columns], Array]:
    """Fit a linear model to the numbers alone, with means for what is missing.

    Args:
        features: Feature columns; texts and times are left out.
        target: Labels of the same rows, none missing.
        measures: What it is to predict.

    Returns:
        A function from feature columns to predictions.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = [name for name, array in features.items() if array.dtype.kind in "fib"]
    if measures == "amounts":
        linear, constant = Ridge(), DummyRegressor()
    else:
        linear, constant = LogisticRegression(max_iter=200), DummyClassifier()
    imputer = SimpleImputer(keep_empty_features=True)
    estimator: Any = make_pipeline(imputer, StandardScaler(), linear) if names else constant

    def numbers(columns: Columns) -> Array:
        rows = len(next(iter(columns.values())))
        return np.array([columns[name].astype(float) for name in names]).T.reshape(rows, len(names))

    estimator.fit(numbers(features), target.astype(str) if target.dtype == object else target)

    def predict(columns: Columns) -> Array:
        if measures in ("scores", "probabilities"):
            return np.asarray(estimator.predict_proba(numbers(columns))[:, -1])
        dtype = float if measures == "amounts" else target.dtype
        return np.asarray(estimator.predict(numbers(columns)), dtype=dtype)

    return predict
