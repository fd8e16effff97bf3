"""XGBoost's and LightGBM's trees give the same numbers to the last bit when they are compiled."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lockstep.columns.compiled.estimates import Estimate
from lockstep.columns.compiled.estimators import compile_estimator
from lockstep.columns.kinds import Kind
from lockstep.errors import NotCompiledError

ROWS, COLUMNS = 400, 4
QUIET: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 12, "n_jobs": 1},
    "lightgbm": {"n_estimators": 12, "n_jobs": 1, "verbose": -1},
}


def table(seed: int, rows: int = ROWS) -> pd.DataFrame:
    drawn = np.random.default_rng(seed)
    frame = pd.DataFrame(drawn.normal(size=(rows, COLUMNS)), columns=list("abcd"))
    frame.loc[drawn.random(rows) < 0.2, "b"] = np.nan
    frame["c"] = (frame["c"] * 3).round()
    frame.loc[::50, "d"] = [1e30, -1e30, 5e-324, -0.0][seed % 4]
    return frame


def target(frame: pd.DataFrame, kind: str) -> Any:
    number = frame["a"] * 2 + frame["c"] + np.random.default_rng(9).normal(size=len(frame))
    if kind == "amount":
        return number.to_numpy()
    if kind == "count":
        return number.abs().to_numpy()
    if kind == "share":
        return (number > 0).astype(float).to_numpy()
    return (number > 0).to_numpy() if kind == "flag" else np.digitize(number, [-1, 1])


XGB, XGB_CLASSES = "xgboost.XGBRegressor", "xgboost.XGBClassifier"
LGBM, LGBM_CLASSES = "lightgbm.LGBMRegressor", "lightgbm.LGBMClassifier"
XGB_FOREST = "xgboost.XGBRFClassifier"
FOREST = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
COMPILED: dict[str, tuple[str, dict[str, Any], str]] = {
    "xgboost regression": (XGB, {}, "amount"),
    "xgboost deep trees": (XGB, {"max_depth": 12}, "amount"),
    "xgboost exact": (XGB, {"tree_method": "exact"}, "amount"),
    "xgboost counts": (XGB, {"objective": "count:poisson"}, "count"),
    "xgboost shares": (XGB, {"objective": "reg:logistic"}, "share"),
    "xgboost two classes": (XGB_CLASSES, {"scale_pos_weight": 3}, "flag"),
    "xgboost base score": (XGB_CLASSES, {"base_score": 0.123}, "flag"),
    "xgboost three classes": (XGB_CLASSES, {}, "classes"),
    "xgboost forest": (XGB_FOREST, {}, "flag"),
    "lightgbm regression": (LGBM, {}, "amount"),
    "lightgbm counts": (LGBM, {"objective": "tweedie"}, "count"),
    "lightgbm quantile": (LGBM, {"objective": "quantile"}, "amount"),
    "lightgbm two classes": (LGBM_CLASSES, {}, "flag"),
    "lightgbm slope": (LGBM_CLASSES, {"sigmoid": 2.0}, "flag"),
    "lightgbm three classes": (LGBM_CLASSES, {}, "classes"),
    "lightgbm one of many": (LGBM_CLASSES, {"objective": "multiclassova"}, "classes"),
    "lightgbm dropped trees": (LGBM, {"boosting_type": "dart"}, "amount"),
}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "of booster dart": (XGB, {"booster": "dart"}, "amount"),
    "to which 0.0 is a missing value": (XGB, {"missing": 0.0}, "amount"),
    "several trees a class and round": (XGB_FOREST, {}, "classes"),
    "an objective whose link is hinge": (XGB_CLASSES, {"objective": "binary:hinge"}, "flag"),
    "an objective whose link is signed_square": (LGBM, {"reg_sqrt": True}, "amount"),
    "that averages its trees": (LGBM, FOREST, "amount"),
    "gives other numbers through treelite": (LGBM, {"zero_as_missing": True}, "amount"),
}


def fitted(case: tuple[str, dict[str, Any], str], *, named: bool) -> Any:
    name, options, kind = case
    library, _, own_name = name.partition(".")
    pytest.importorskip(library)
    frame = table(1)
    estimator = getattr(importlib.import_module(library), own_name)(**QUIET[library], **options)
    return estimator.fit(frame if named else frame.to_numpy(), target(frame, kind))


def compiled(estimator: Any) -> Estimate:
    return compile_estimator(estimator, (Kind.FLOAT,) * COLUMNS)


@pytest.mark.parametrize("named", [True, False], ids=["DataFrame", "matrix"])
@pytest.mark.parametrize("name", COMPILED)
def test_the_compiled_form_gives_the_same_number_to_the_last_bit(name: str, named: bool) -> None:
    estimator = fitted(COMPILED[name], named=named)
    plan = compiled(estimator)
    frame = pd.concat([table(seed) for seed in range(2, 5)])
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    expected = getattr(estimator, method)(frame if named else frame.to_numpy())
    matrix = frame.to_numpy()
    np.testing.assert_array_equal(plan.by(method)(matrix), expected, strict=True)
    few = np.concatenate([plan.by(method)(matrix[place : place + 3]) for place in range(0, 60, 3)])
    np.testing.assert_array_equal(few, expected[:60])
    if plan.of_row is not None:
        wanted = expected[:, 1] if expected.ndim == 2 else expected
        alone = [plan.of_row(row) for row in matrix[:60].tolist()]
        np.testing.assert_array_equal(alone, wanted[:60].astype(float))


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_computed_alike_is_left_to_its_library(reason: str) -> None:
    estimator = fitted(REFUSED[reason], named=True)
    with pytest.raises(NotCompiledError, match=reason):
        compiled(estimator)


def test_a_library_that_links_in_another_way_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison with the library decides, not what this code expects of its release."""
    estimator = fitted(COMPILED["xgboost two classes"], named=True)
    predict = type(estimator).predict_proba

    def nearly(self: Any, rows: Any) -> Any:
        return np.nextafter(predict(self, rows), np.float32(1))

    monkeypatch.setattr(type(estimator), "predict_proba", nearly)
    with pytest.raises(NotCompiledError, match="XGBClassifier gives other numbers through treeli"):
        compiled(estimator)


def test_a_split_by_categories_is_left_to_its_library() -> None:
    pytest.importorskip("lightgbm")
    from lightgbm import LGBMRegressor

    frame = table(1).assign(c=np.arange(ROWS) % 6)
    estimator = LGBMRegressor(**QUIET["lightgbm"]).fit(
        frame, frame["c"] % 2, categorical_feature=["c"]
    )
    with pytest.raises(NotCompiledError, match="split by categories"):
        compiled(estimator)
