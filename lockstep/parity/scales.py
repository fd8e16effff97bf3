"""Scales: the usual size of each column's values, as seen at the fit.

A sum of large terms that cancel has the rounding of the terms, not of the sum (Higham, "Accuracy
and Stability of Numerical Algorithms", 2002, section 4.2). The usual size of its column shows the
size of the terms. It is fixed at the fit, so that no row's tolerance depends on the rows beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lockstep.columns.kinds import Array
from lockstep.columns.pipeline import Trace


@dataclass(frozen=True)
class Scales:
    """The usual size of the values of columns, in each column's own unit."""

    columns: Mapping[str, Array] = field(default_factory=dict)
    # by model, for each position in the matrix given to its estimator
    matrices: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, trace: Trace) -> Scales:
        """The scales of the rows of a trace."""
        return cls(_usual_sizes(trace.columns), _usual_sizes(trace.matrices))


def _usual_sizes(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name: _usual_size(array)
        for name, array in arrays.items()
        if array.dtype.kind == "f" and len(array)
    }


def _usual_size(values: Array) -> Array:
    """The lower median of the absolute values other than 0: an extreme value does not move it."""
    known = np.isfinite(values) & (values != 0)
    sizes = np.sort(np.where(known, np.abs(values), np.inf), axis=0)
    middle = (np.maximum(known.sum(axis=0), 1) - 1) // 2
    usual = np.take_along_axis(sizes, middle[np.newaxis], axis=0)[0]
    return np.where(np.isfinite(usual), usual, 0)
