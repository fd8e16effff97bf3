"""The holdout: a pipeline fitted to the older rows of the history and evaluated on the newest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np

from lockstep.columns.fitting import fold_of
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import FunctionError, InputError
from lockstep.project.quality import METRICS, Measured, Quality, by_slice, standard_qualities

_SHUFFLED_ROWS, _SHUFFLES = 1_000, 3
"""Held-out rows whose features are shuffled, and how often each feature is."""
_SECONDS = 5.0
"""After so long no further feature is shuffled."""


@dataclass(frozen=True)
class Evaluation:
    """The quality of a pipeline on rows that it has not seen."""

    held_out: Columns
    fitted_on: int
    measured: Mapping[Quality, float]  # by demand, its value on the held-out rows
    baseline: Mapping[Quality, float]  # the same values of a far simpler model
    # by demand, its value by slice, the worst first
    slices: Mapping[Quality, Sequence[dict[str, Any]]]
    # what no demand measures of the models, by title
    others: Mapping[str, float] = field(default_factory=dict)
    # by demand and feature, how much worse it is where the feature is shuffled
    importance: Mapping[Quality, Mapping[str, float]] = field(default_factory=dict)


def evaluate_holdout(
    pipeline: Pipeline,
    columns: Columns,
    qualities: Sequence[Quality],
    slices: Collection[str] = (),
    holdout: float = 0.2,
) -> Evaluation:
    """Fit on the older rows and measure on the newest, by event time.

    Where there is no event time, or all rows have the same, the rows of some keys are held out. The
    given pipeline is not changed.
    """
    newest = newest_rows(pipeline, columns, holdout)
    older, held_out = take_rows(columns, ~newest), take_rows(columns, newest)
    fitted = pipeline.unfitted().fit(older)
    wanted = (*fitted.graph.served, *fitted.graph.labels)
    held_out = fitted.evaluate(held_out, wanted)
    older = fitted.evaluate(older, (*fitted.graph.model_free, *fitted.graph.labels))
    return Evaluation(
        held_out=held_out,
        fitted_on=int(np.sum(~newest)),
        measured={quality: quality.measure(held_out) for quality in qualities},
        baseline={quality: _baseline(fitted, quality, older, held_out) for quality in qualities},
        slices={quality: by_slice(quality, held_out, tuple(slices)) for quality in qualities},
        others=_others(fitted, qualities, held_out),
        importance=permutation_importance(fitted, qualities, held_out),
    )


def _others(fitted: Pipeline, demanded: Sequence[Quality], held_out: Columns) -> dict[str, float]:
    titles = {quality.title for quality in demanded}
    others: dict[str, float] = {}
    for quality in standard_qualities(fitted.graph):
        if quality.title not in titles:
            with suppress(InputError):  # of such labels it is not defined, as of numbers of classes
                others[quality.title] = quality.measure(held_out)
    return others


def permutation_importance(
    fitted: Pipeline, qualities: Sequence[Quality], held_out: Columns
) -> dict[Quality, dict[str, float]]:
    """How much worse predictions get where a feature's values are shuffled (Breiman 2001).

    Features that tell the same stand in for each other: each alone is then of little importance.
    The pipeline has not seen the rows, of which some are drawn where they are many. Inputs for
    which there was no time are left out.
    """
    from lockstep.columns.compiled.predictor import Compiled

    graph, random = fitted.graph, np.random.default_rng(0)
    drawn = random.permutation(len(held_out[fitted.key]))[:_SHUFFLED_ROWS]
    known = [name for name in graph.served if name in graph.fields or name in graph.model_free]
    rows = take_rows({name: held_out[name] for name in (*known, *graph.labels)}, drawn)
    wanted = tuple({quality.column for quality in qualities})
    signs = [1 if METRICS[quality.metric].higher_is_better else -1 for quality in qualities]
    fast = Compiled.of(fitted).pipeline

    def measured(columns: Columns) -> Array:
        predicted = fast.evaluate(columns, wanted)
        return np.array([quality.measure(predicted) for quality in qualities]) * signs

    whole, until = measured(rows), monotonic() + _SECONDS
    losses: dict[str, list[Array]] = {}
    inputs = {name: None for model in graph.models for name in graph.inputs(model) if name in rows}
    for name in [*inputs] * _SHUFFLES:
        if monotonic() > until:
            break
        with suppress(FunctionError):  # of values that never come together
            shuffled = {**rows, name: random.permutation(rows[name])}
            losses.setdefault(name, []).append(whole - measured(shuffled))
    means = {name: np.mean(each, axis=0) for name, each in losses.items()}
    return {
        quality: {name: float(mean[at]) for name, mean in means.items() if not np.isnan(mean[at])}
        for at, quality in enumerate(qualities)
    }


def predict_unseen(
    pipeline: Pipeline, columns: Columns, evaluation: Evaluation, holdout: float
) -> Columns:
    """Predict every row by a fit that did not see it; return all served columns and labels.

    The held-out rows are as evaluated. The older rows are parted in two, and each part is predicted
    by a fit to all other rows.
    """
    newest = newest_rows(pipeline, columns, holdout)
    later = ~newest & _later_half(pipeline, columns, ~newest)
    names = tuple(evaluation.held_out)
    parts = [(newest, evaluation.held_out)]
    for part in (later, ~newest & ~later):
        fitted = pipeline.unfitted().fit(take_rows(columns, ~part))
        parts.append((part, fitted.evaluate(take_rows(columns, part), names)))
    predicted = {name: np.empty(len(newest), dtype=parts[0][1][name].dtype) for name in names}
    for part, computed in parts:
        for name in names:
            predicted[name][part] = computed[name]
    return predicted


def _later_half(pipeline: Pipeline, columns: Columns, rows: Array) -> Array:
    """The later half of some rows, or one of two folds without times: bool."""
    time = pipeline.record_schema.event_time
    if time is not None:
        times = columns[time].astype(np.int64)
        later = np.asarray(times > np.median(times[rows]))
        if later[rows].any():
            return later
    return np.asarray(fold_of(columns[pipeline.key], 2) == 0)


def evaluate_champion(
    champion: Pipeline, columns: Columns, qualities: Sequence[Quality], holdout: float
) -> dict[Quality, float]:
    """Measure the champion's definition, fitted to the same older rows.

    The champion itself may have been fitted on the held-out rows, which would be no comparison. A
    column or label that its definition lacks gives NaN.
    """
    raw = {name: columns[name] for name in champion.joint_schema.names if name in columns}
    if set(raw) != set(champion.joint_schema.names):
        return dict.fromkeys(qualities, float("nan"))
    newest = newest_rows(champion, raw, holdout)
    fitted = champion.unfitted().fit(take_rows(raw, ~newest))
    known = set(fitted.graph.order)
    held_out = fitted.evaluate(take_rows(raw, newest), fitted.graph.order)
    return {
        quality: quality.measure(held_out)
        if {quality.column, quality.label} <= known
        else float("nan")
        for quality in qualities
    }


def newest_rows(pipeline: Pipeline, columns: Columns, share: float) -> Array:
    """The rows to hold out: the newest, or those of some keys without different times: bool.

    Where the newest rows share one time and are more than asked for, all of them are held out. A
    row without a time is never held out.
    """
    time = pipeline.record_schema.event_time
    times = columns[time] if time is not None else np.empty(0, dtype="datetime64[us]")
    known = times[~is_missing(times)].astype(np.int64)
    if not len(known) or known.min() == known.max():
        folds = fold_of(columns[pipeline.key], max(2, round(1 / share)))
        return np.asarray(folds == folds.min())
    newest = np.asarray(times.astype(np.int64) > np.quantile(known, 1 - share))
    return newest if newest.any() else np.asarray(times.astype(np.int64) == known.max())


def _baseline(pipeline: Pipeline, quality: Quality, older: Columns, held_out: Columns) -> float:
    truth = older[quality.label]
    known = ~is_missing(truth)
    features = pipeline.graph.model_free or pipeline.record_schema.names
    predict = simple_baseline(
        {name: older[name][known] for name in features},
        truth[known],
        METRICS[quality.metric].measures,
    )
    predicted = predict({name: held_out[name] for name in features})
    return quality.measure({**held_out, quality.column: predicted})


def simple_baseline(
    features: Columns, target: Array, measures: Measured
) -> Callable[[Columns], Array]:
    """Fit a linear model to the numbers alone, with means for missing values."""
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
