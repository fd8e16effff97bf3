"""A model of statsmodels' with scikit-learn's interface."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import statsmodels.api as sm
from sklearn.base import BaseEstimator, RegressorMixin


class LeastSquares(RegressorMixin, BaseEstimator):
    """Ordinary least squares; what statsmodels found is kept."""

    def fit(self, rows: Any, labels: Any) -> Self:
        """Fit it."""
        self.n_features_in_ = rows.shape[1]
        self.results_ = sm.OLS(np.asarray(labels), self._with_constant(rows)).fit()
        return self

    def predict(self, rows: Any) -> Any:
        """The expected amounts."""
        return self.results_.predict(self._with_constant(rows))

    def _with_constant(self, rows: Any) -> Any:
        return sm.add_constant(np.asarray(rows, dtype=float), has_constant="add")
