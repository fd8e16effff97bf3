"""Fitted estimators as bytes, restricted to types that are known to hold no code.

skops stores an estimator as data, and loads only types that it knows or is told to trust. MLflow
takes that list from the stored model itself, so it protects nothing; here it is part of the code.
It was made by fitting the estimators of scikit-learn, XGBoost, LightGBM and CatBoost, and reviewing
what skops asked for. A project names further types in `[tool.lockstep]`, `trusted`. What a
version's own code defines needs no entry: that code runs anyway, and is bound by its digest.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lockstep.artifacts.skops import SCHEMA, Skops, skops
from lockstep.columns.plain import one_line
from lockstep.errors import ArtifactError, UntrustedTypeError

_SCIKIT_LEARN: tuple[str, ...] = (
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
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.CompoundKernel",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.DotProduct",
    "sklearn.gaussian_process.kernels.ExpSineSquared",
    "sklearn.gaussian_process.kernels.Exponentiation",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.PairwiseKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.RationalQuadratic",
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
    # experimental ones are no attributes of their package until they are enabled
    "sklearn.impute._iterative.IterativeImputer",
    "sklearn.impute._iterative._ImputerTriplet",
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
_XGBOOST: tuple[str, ...] = (
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
    "xgboost.sklearn.XGBRegressor",
)
_LIGHTGBM: tuple[str, ...] = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
)
_CATBOOST: tuple[str, ...] = (
    "catboost.core.CatBoostClassifier",
    "catboost.core.CatBoostRegressor",
)
TRUSTED: tuple[str, ...] = (*_SCIKIT_LEARN, *_XGBOOST, *_LIGHTGBM, *_CATBOOST)
"""Types that may be stored and loaded, beside those that skops trusts by itself: plain values and
containers, arrays, public estimators of scikit-learn and functions of NumPy and SciPy."""


@dataclass(frozen=True)
class Trust:
    """What estimators may hold beside `TRUSTED`."""

    # Names of types and functions, as `[tool.lockstep]`, `trusted` has them: where they are
    # defined, or where their package offers them.
    further: tuple[str, ...] = ()
    # By module of the version's own code, the name under which it runs.
    carried: Mapping[str, str] = field(default_factory=dict)

    @property
    def originals(self) -> dict[str, str]:
        """By name under which a module of that code runs, its own name."""
        return {running: module for module, running in self.carried.items()}

    def allows(self, name: str) -> bool:
        """Whether what has this full name in the running process may be stored and loaded."""
        return name in TRUSTED or self._is_carried(name) or self.entry(name) is not None

    def entry(self, name: str) -> str | None:
        """The entry of `further` that names a type or function; None if none does.

        What has the name of one of the version's packages comes from its code or not at all.
        """
        own = {module.partition(".")[0] for names in self.carried.items() for module in names}
        if name.partition(".")[0] in own:
            return None
        return next((entry for entry in self.further if _leads_to(entry, name)), None)

    def _is_carried(self, name: str) -> bool:
        """Whether it is a class or function that a module of the version's code defines itself."""
        module, _, own_name = name.rpartition(".")
        if module not in self.carried.values():
            return False
        member = getattr(importlib.import_module(module), own_name, None)
        return (inspect.isclass(member) or inspect.isfunction(member)) and (
            f"{member.__module__}.{member.__qualname__}" == name
        )


def _leads_to(entry: str, name: str) -> bool:
    """Whether an entry is a name, or another one of the same class or function."""
    if entry == name:
        return True
    module, _, own_name = entry.rpartition(".")
    if not module or own_name != name.rpartition(".")[2]:
        return False
    try:
        member = getattr(importlib.import_module(module), own_name, None)
    except ImportError:
        return False
    return f"{getattr(member, '__module__', None)}.{own_name}" == name


def dump_estimator(column: str, estimator: Any, trust: Trust = Trust()) -> bytes:
    """Store an estimator, fitted or not, of a column.

    Raises UntrustedTypeError where it holds a type that may not be stored, and ArtifactError where
    skops cannot store it.
    """
    stored = _skops()
    try:
        data: bytes = stored.io.dumps(estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    except RecursionError:
        raise ArtifactError(
            f"Model {column} cannot be stored, since its {type(estimator).__name__} refers to "
            "itself. Histogram boosting does so where it stops early by a scorer: leave its "
            "scoring='loss', or set early_stopping=False."
        ) from None
    except Exception as error:  # whatever the methods of a class raise when asked for its state
        cause = f"{type(error).__name__}: {one_line(str(error))}"
        raise _no_data(column, type(estimator).__name__, cause) from error
    if untrusted := _untrusted(stored, data, trust):
        _check_named(column, type(estimator).__name__, untrusted)
        raise UntrustedTypeError(column, [_original(name, trust) for name in untrusted])
    return _with_modules(data, trust.originals)


def load_estimator(column: str, data: bytes, trust: Trust = Trust()) -> Any:
    """Load what `dump_estimator` stored.

    Raises UntrustedTypeError before anything is loaded that may not be, and ArtifactError where it
    cannot be loaded with these libraries.
    """
    stored = _skops()
    try:
        data = _with_modules(data, trust.carried)
        names = stored.learn(data)
        # skops goes through the list for every value of the estimator
        return stored.io.loads(data, trusted=[name for name in names if trust.allows(name)])
    except stored.io.exceptions.UntrustedTypesFoundException:
        untrusted = _untrusted(stored, data, trust)
        raise UntrustedTypeError(column, [_original(name, trust) for name in untrusted]) from None
    except Exception as error:
        raise ArtifactError(
            f"Model {column} cannot be loaded here: {type(error).__name__}: {error}. "
            "Restore its file if that is damaged, use the libraries that it was fitted with "
            "(environment.json beside it), or train again."
        ) from error


def entries_of(data: bytes, trust: Trust) -> set[str]:
    """The entries of `trust.further` that name something in a stored estimator."""
    names = _skops().learn(data) - {*TRUSTED}
    return {entry for name in names if (entry := trust.entry(name)) is not None}


def _skops() -> Skops:
    try:
        return skops()
    except ImportError as error:
        raise ArtifactError(
            f"skops, by which models are stored, cannot be imported here ({error}). Install it, in "
            "the release that the version's environment.json names."
        ) from error


def _untrusted(stored: Skops, data: bytes, trust: Trust) -> list[str]:
    stored.learn(data)
    types = stored.io.get_untrusted_types(data=data)
    return sorted(name for name in types if not trust.allows(name))


def _no_data(column: str, whose: str, cause: str) -> ArtifactError:
    return ArtifactError(
        f"Model {column} cannot be stored: its {whose} holds something that is no data ({cause}). "
        "Keep such things, as open files, connections, locks and generators, out of its attributes."
    )


def _check_named(column: str, whose: str, untrusted: Iterable[str]) -> None:
    """Check that each can be found by its name again, as it must be when it is loaded."""
    for name in untrusted:
        module, _, own_name = name.rpartition(".")
        try:
            place = importlib.import_module(module)
        except ImportError:  # a bound method's name ends in its class and its own name
            continue
        if not hasattr(place, own_name):
            if not hasattr(place, "__file__"):
                raise _no_data(column, whose, name)
            raise ArtifactError(
                f"Model {column} cannot be stored: its {own_name} is not at the top level of "
                f"{module}, so that nothing could find it when the version is loaded. Define it "
                "there, outside of any function, with class or def."
            )


def _original(name: str, trust: Trust) -> str:
    """The name of a type by the module's original name."""
    module, _, own_name = name.rpartition(".")
    return f"{trust.originals.get(module, module)}.{own_name}"


def _with_modules(data: bytes, names: Mapping[str, str]) -> bytes:
    """A stored estimator whose types are looked for in modules of other names."""
    names = {name: other for name, other in names.items() if name != other}
    if not names:
        return data

    def rename(state: dict[str, Any]) -> dict[str, Any]:
        module = state.get("__module__")
        return {**state, "__module__": names[module]} if module in names else state

    renamed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as stored:
        schema = stored.read(SCHEMA)
        if not any(f'"{name}"'.encode() in schema for name in names):
            return data
        with zipfile.ZipFile(renamed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as written:
            for member in stored.infolist():
                content = stored.read(member)
                if member.filename == SCHEMA:
                    content = json.dumps(json.loads(content, object_hook=rename)).encode()
                written.writestr(member, content, zipfile.ZIP_DEFLATED, compresslevel=1)
    return renamed.getvalue()
