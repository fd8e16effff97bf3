"""XGBoost's and LightGBM's trees: read by treelite, summed and linked as their own libraries do.

XGBoost sums in float32, one tree after the other, and links by C's `expf`; LightGBM does the same
in float64. The same operations in the same order give the same number to the last bit. That depends
on releases, options and the machine: a compiled model is compared with the library itself, at the
thresholds of the trees and around them, and not used where any number differs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from lockstep.columns.compiled.blocks import (
    Block,
    Layout,
    Row,
    as_fitted,
    demand_numbers,
    to_matrix,
)
from lockstep.columns.compiled.estimates import Answer, Compile, Estimate, RowAnswer
from lockstep.columns.compiled.leaves import CATEGORIES, NUMBER
from lockstep.columns.compiled.trees import TreeSums, TreeValues, imported_treelite
from lockstep.columns.kinds import Array
from lockstep.errors import NotCompiledError

Link = Callable[[Array], Array]
"""From raw scores, by row and class, to predictions."""

_PROBES = 128
"""Rows on which a compiled model is compared with its library."""
_EXTREMES = (np.nan, 0.0, -0.0, 5e-324, 1e-9, -1e30, 1e30, np.inf, -np.inf)
_FIELDS = ("node_type", "split_index", "threshold")
_LEAST_EXPONENT = np.float32(88.7)
_EPSILON = np.float32(1e-16)
"""Numbers in XGBoost's logistic function."""
_LIGHTGBMS_ZERO = float(np.float32(1e-35))
"""The largest number that is zero to LightGBM."""


def _xgboost(model: Any, given: Layout) -> Estimate:
    if not np.isnan(model.missing):
        raise NotCompiledError(f"{_name(model)} to which {model.missing} is a missing value")
    if (booster := model.get_xgb_params().get("booster")) not in (None, "gbtree"):
        raise NotCompiledError(f"{_name(model)} of booster {booster}")
    read = _read(model, lambda treelite: treelite.frontend.from_xgboost(model.get_booster()))
    link = _field(read, "postprocessor")
    start = np.asarray(read.get_header_accessor().get_field("base_scores"), dtype=np.float32)
    if link == "sigmoid":
        start = _logit(model)
    exponential = partial(_each, "expf", ctypes.c_float, np.float32)
    links: Mapping[str, Callable[[], Link]] = {
        "identity": lambda: lambda scores: scores,
        "sigmoid": lambda: _logistic_32(exponential()),
        "exponential": exponential,
        "softmax": lambda: _softmax(exponential()),
    }
    return _compiled(model, given, read, start, links)


def _lightgbm(model: Any, given: Layout) -> Estimate:
    read = _read(model, lambda treelite: treelite.frontend.from_lightgbm(model.booster_))
    start = np.asarray(read.get_header_accessor().get_field("base_scores"))
    slope = _field(read, "sigmoid_alpha")
    exponential = partial(_each, "exp", ctypes.c_double, np.float64)
    links: Mapping[str, Callable[[], Link]] = {
        "identity": lambda: lambda scores: scores,
        "sigmoid": lambda: _logistic_64(exponential(), slope),
        "exponential": exponential,
        "softmax": lambda: _softmax(exponential()),
        "multiclass_ova": lambda: _logistic_64(exponential(), slope),
    }
    return _compiled(model, given, read, start, links, is_zero=_LIGHTGBMS_ZERO)


def _compiled(
    model: Any,
    given: Layout,
    read: Any,
    start: Array,
    links: Mapping[str, Callable[[], Link]],
    *,
    is_zero: float = 0.0,
) -> Estimate:
    """The compiled form of trees that treelite has read, once it gives what the library gives."""
    demand_numbers(model, given)
    name = _field(read, "postprocessor")
    if name not in links:
        raise NotCompiledError(f"{_name(model)} of an objective whose link is {name}")
    count, link = max(1, int(_field(read, "num_class"))), links[name]()
    in_turn = np.arange(read.num_tree) % count
    if not np.array_equal(read.get_header_accessor().get_field("class_id"), in_turn):
        raise NotCompiledError(f"{_name(model)} of several trees a class and round")
    if _field(read, "average_tree_output"):
        raise NotCompiledError(f"{_name(model)} that averages its trees")
    values = TreeValues(read)
    sums = TreeSums(values, np.resize(start.astype(values.dtype), count))
    dtype = values.dtype

    def answer(block: Block) -> Array:
        with np.errstate(over="ignore"):  # beyond float32 is infinite, as it is to XGBoost
            matrix = to_matrix(block).astype(dtype, copy=False)
        if is_zero:
            matrix = np.where(np.abs(matrix) <= is_zero, 0.0, matrix)
        return link(sums(matrix))

    def of_row(row: Row) -> float:
        if is_zero:
            row = [0.0 if -is_zero <= value <= is_zero else value for value in row]
        return float(link(np.array([sums.of_row(row)], dtype=dtype))[0, 0])

    estimate = _estimate(model, answer, of_row, count)
    _demand_equal(model, estimate, _probes(read, len(given)))
    return estimate


def _estimate(model: Any, answer: Answer, of_row: RowAnswer, count: int) -> Estimate:
    if not hasattr(model, "predict_proba"):
        return Estimate(predict=lambda block: answer(block)[:, 0], of_row=of_row)
    if count > 1:
        return Estimate(predict_proba=answer)

    def both(block: Block) -> Array:
        second = answer(block)
        return np.concatenate([1 - second, second], axis=1)

    return Estimate(predict_proba=both, of_row=of_row)


def _demand_equal(model: Any, estimate: Estimate, probes: Array) -> None:
    """Refuse a compiled model that predicts other than its library, for a row or for all."""
    method = "predict_proba" if estimate.predict is None else "predict"
    columns = list(probes.T)
    expected = np.asarray(getattr(model, method)(as_fitted(model, columns)))
    actual = estimate.by(method)(probes)
    equal = np.array_equal(actual, expected)
    if equal and estimate.of_row is not None:
        wanted = expected[:, 1] if expected.ndim == 2 else expected
        alone = [estimate.of_row(row) for row in probes.tolist()]
        equal = np.array_equal(alone, wanted.astype(np.float64))
    if not equal:
        raise NotCompiledError(f"{_name(model)} gives other numbers through treelite")


def _probes(read: Any, width: int) -> Array:
    """Rows of thresholds of the trees, of the numbers next to them, and of extreme ones."""
    trees = map(read.get_tree_accessor, range(read.num_tree))
    fields = zip(*([tree.get_field(name) for name in _FIELDS] for tree in trees), strict=True)
    kinds, columns, thresholds = map(np.concatenate, fields)
    if (kinds == CATEGORIES).any():
        raise NotCompiledError("trees that split by categories")
    random = np.random.default_rng(0)
    probes = np.empty((_PROBES, width))
    for column in range(width):
        at = thresholds[(kinds == NUMBER) & (columns == column)]
        around = np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf)])
        probes[:, column] = random.choice([*_EXTREMES, *around.tolist()], _PROBES)
    return probes


def _read(model: Any, read: Callable[[Any], Any]) -> Any:
    treelite = imported_treelite()
    try:
        return read(treelite)
    except treelite.TreeliteError as error:
        reason = str(error).strip().splitlines()[0]
        raise NotCompiledError(f"{_name(model)} that treelite cannot read ({reason})") from error


def _field(read: Any, name: str) -> Any:
    value = read.get_header_accessor().get_field(name)
    return value if isinstance(value, str) else value[0]


def _logit(model: Any) -> Array:
    """The start of the sums of a logistic objective, as XGBoost computes it of its base score."""
    import json

    config = json.loads(model.get_booster().save_config())["learner"]["learner_model_param"]
    base = np.float32(config["base_score"].strip("[]"))
    odds = np.float32(1) / base - np.float32(1)
    return np.array([-np.log(odds, dtype=np.float64)], dtype=np.float32)


def _each(name: str, number: Any, dtype: Any) -> Link:
    """C's function of this name, of each number: NumPy's own differs in the last digits."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError) as error:
        raise NotCompiledError(f"there is no {name} of C's here") from error
    function.restype, function.argtypes = number, [number]

    def apply(values: Array) -> Array:
        flat = values.ravel().tolist()
        return np.fromiter(map(function, flat), dtype, len(flat)).reshape(values.shape)

    return apply


def _logistic_32(exponential: Link) -> Link:
    def link(scores: Array) -> Array:
        one = np.float32(1)
        powers: Array = exponential(np.minimum(-scores, _LEAST_EXPONENT))
        return one / (powers + one + _EPSILON)

    return link


def _logistic_64(exponential: Link, slope: float) -> Link:
    return lambda scores: 1.0 / (1.0 + exponential(-slope * scores))


def _softmax(exponential: Link) -> Link:
    def link(scores: Array) -> Array:
        powers = exponential(scores - scores.max(axis=1, keepdims=True))
        sums = np.add.accumulate(powers, axis=1, dtype=np.float64)[:, -1:]
        return np.asarray(powers / sums.astype(scores.dtype))

    return link


def _name(model: Any) -> str:
    return type(model).__name__


COMPILERS: Mapping[str, Compile] = {
    "lightgbm.sklearn.LGBMClassifier": _lightgbm,
    "lightgbm.sklearn.LGBMRegressor": _lightgbm,
    "xgboost.sklearn.XGBClassifier": _xgboost,
    "xgboost.sklearn.XGBRFClassifier": _xgboost,
    "xgboost.sklearn.XGBRFRegressor": _xgboost,
    "xgboost.sklearn.XGBRegressor": _xgboost,
}
"""By full name of the type: its library is not imported where no model has it."""
