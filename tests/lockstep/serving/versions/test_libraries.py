"""What a server does not import of libraries, and that it is there when it is used."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import numpy as np
from lockstep.serving.versions.libraries import DEFERRED, import_libraries

import_libraries()
import lockstep.columns.compiled.predictor
from lockstep.artifacts.skops import skops

skops()
found = [name for name in DEFERRED if name in sys.modules]
assert not found, found

from sklearn.covariance import MinCovDet
from sklearn.feature_selection import _univariate_selection
from sklearn.metrics import label_ranking_average_precision_score as precision, pairwise_distances
from sklearn.preprocessing import SplineTransformer

# functions, a class, an object, modules, and an import of what they stood in for
assert precision([[1, 0, 0], [0, 0, 1]], [[0.75, 0.5, 1], [1, 0.2, 0.1]]) == (1 / 2 + 1 / 3) / 2
assert pairwise_distances([[0, 0], [3, 5]], metric="chebyshev")[0, 1] == 5.0
assert np.allclose(SplineTransformer(3).fit_transform([[0.0], [1.0], [2.0]]).sum(axis=1), 1.0)
fitted = MinCovDet(random_state=0).fit(np.random.default_rng(1).normal(size=(50, 2)))
assert np.isfinite(fitted.covariance_).all()
assert _univariate_selection.stats.norm.cdf(0.0) == 0.5
import scipy.stats.mstats
from numpy.testing import assert_equal

assert scipy.stats.mstats.gmean([1, 4]) == scipy.stats.gmean([1, 4]) == 2.0
"""


def test_what_only_fitting_needs_is_imported_when_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
