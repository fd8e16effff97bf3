"""Fitted estimators as bytes, restricted to types that are known to hold no code.

skops stores an estimator as data, and loads only types that it knows or is told to trust. MLflow
takes that list from the stored model itself, so it protects nothing; here it is part of the code.
It was made by fitting scikit-learn's estimators and reviewing what skops asked for.
"""

from __future__ import annotations

import zipfile
from typing import Any

from lockstep.artifacts.skops import Skops, skops
from lockstep.errors import ArtifactError, UntrustedTypeError

TRUSTED: tuple[str, ...] = (
    "numpy.dtype",
    # trees and their ensembles
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    # loss functions and their links
    "sklearn._loss.link.HalfLogitLink",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogLink",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.AbsoluteError",
    "sklearn._loss.loss.ExponentialLoss",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfGammaLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn._loss.loss.HuberLoss",
    "sklearn._loss.loss.PinballLoss",
    # calibration, voting and stacking
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.utils._bunch.Bunch",
    # neural networks
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    # neighbours and Gaussian processes
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    # preprocessing and selection; a partial is no more than the function in it, itself listed
    "functools.partial",
    "sklearn.utils.validation.check_array",
    "numpy.nan_to_num",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    # searches over parameters and thresholds
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
)
"""Types that may be stored and loaded, beside those that skops trusts by itself: plain values and
containers, arrays, public estimators of scikit-learn and functions of NumPy and SciPy."""


def dump_estimator(column: str, estimator: Any) -> bytes:
    """Store a fitted estimator.

    Args:
        column: The model's column, for messages.
        estimator: The estimator.

    Raises:
        UntrustedTypeError: It holds a type that is not among `TRUSTED`.
        ArtifactError: skops cannot store it.
    """
    stored = _skops().io
    try:
        data: bytes = stored.dumps(estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    except stored.exceptions.UnsupportedTypeException as error:
        raise ArtifactError(f"Model {column} cannot be stored: {error}") from error
    except RecursionError:
        raise ArtifactError(
            f"Model {column} cannot be stored, since its {type(estimator).__name__} refers to "
            "itself. Histogram boosting does so where it stops early by a scorer: leave its "
            "scoring='loss', or set early_stopping=False."
        ) from None
    if untrusted := _untrusted(data):
        raise UntrustedTypeError(column, untrusted)
    return data


def load_estimator(column: str, data: bytes) -> Any:
    """Load what `dump_estimator` stored.

    Raises:
        UntrustedTypeError: It holds a type that is not among `TRUSTED`; nothing was loaded.
        ArtifactError: It cannot be loaded with these libraries.
    """
    stored = _skops()
    try:
        names = stored.learn(data)
        # skops goes through the list for every value of the estimator
        return stored.io.loads(data, trusted=[name for name in TRUSTED if name in names])
    except stored.io.exceptions.UntrustedTypesFoundException:
        raise UntrustedTypeError(column, _untrusted(data)) from None
    except Exception as error:
        raise ArtifactError(
            f"Model {column} cannot be loaded here: {type(error).__name__}: {error}. "
            "Restore its file if that is damaged, use the libraries that it was fitted with "
            "(environment.json beside it), or train again."
        ) from error


def _skops() -> Skops:
    try:
        return skops()
    except ImportError as error:
        raise ArtifactError(
            f"skops, by which models are stored, cannot be imported here ({error}). Install it, in "
            "the release that the version's environment.json names."
        ) from error


def _untrusted(data: bytes) -> list[str]:
    stored = _skops()
    stored.learn(data)
    types = stored.io.get_untrusted_types(data=data)
    return sorted(set(types) - set(TRUSTED))
