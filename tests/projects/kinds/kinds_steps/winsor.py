"""Steps of the project's own, which a version carries with its code."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


def root(values: Any) -> Any:
    """The square root, with its sign."""
    return np.sign(values) * np.sqrt(np.abs(values))


class Winsorizer(TransformerMixin, BaseEstimator):
    """Cuts numbers off at a share of the rows on either side."""

    def __init__(self, share: float = 0.02) -> None:
        self.share = share

    def fit(self, rows: Any, labels: Any = None) -> Self:
        """Find where to cut."""
        self.ends_ = np.nanquantile(np.asarray(rows, dtype=float), [self.share, 1 - self.share], 0)
        return self

    def transform(self, rows: Any) -> Any:
        """The numbers, cut off."""
        return np.clip(np.asarray(rows, dtype=float), *self.ends_)
