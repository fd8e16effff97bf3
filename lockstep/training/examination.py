"""Examination of a version: what it takes further fits, or a stopwatch, to know.

No training pays for it; `lockstep scorecard PIPELINE --run` does, once for a version.
"""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial, wraps
from time import process_time
from typing import Any
from uuid import uuid4

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import carry_out
from lockstep.checks.comparisons import check_comparison
from lockstep.checks.specs import declared_checks
from lockstep.checks.streams import CANDIDATE, EXAMINATION, examination_records, training_records
from lockstep.columns.estimator_fitting import estimator_of
from lockstep.columns.fitting import fit_models, fold_of
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns, Floats
from lockstep.columns.nodes import Model
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import brief, counted, listed
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import FitError
from lockstep.parity.replay import replay
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import METRICS, Quality
from lockstep.registry.registry import Registry
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.results import CheckResult
from lockstep.training.holdout import evaluate_champion, newest_rows, permutation_importance
from lockstep.training.training_set import read_tables, read_training_set

_ROWS, _WINDOWS = 1_000, 3
"""Rows of which costs are measured; windows of the older rows, one older than the other."""
_PARTS = 10
"""Parts of the held-out rows: how they differ tells what chance does."""
_SLOWER = 1.5
"""What takes so many times what it took in the version before is worse."""
_NOT_TUNED = ("random_state", "n_jobs", "verbose", "cv")
_TIME, _ROOM = "microseconds a row", "bytes a row"
_Row = Mapping[str, Any]


def examine(declared: PipelineAssets, store: Store, registry: Registry) -> dict[str, CheckResult]:
    """Examine the version that was trained last; record the results, bound to its files.

    Raises:
        NotStoredError: No version was trained yet.
        DamagedError: The training set is not as recorded.
        LockedError: Another process examines the pipeline.
    """
    trained = training_records(declared, store).demand(CANDIDATE)
    number = trained.record.steps["candidate"].version
    assert number is not None, "a training that counts has a version"
    records, load = examination_records(declared, store), partial(registry.load, declared.name)
    loaded, known = load(number), [each.version for each in registry.versions(declared.name)]
    with records.step(EXAMINATION, EXAMINATION, uuid4().hex) as attempt:
        case = _Case(declared, loaded, read_tables(trained, store), read_training_set(trained))
        before = max((other for other in known if other < number), default=None)
        case.load_before = partial(load, before) if before is not None else None
        checks = declared_checks(declared, EXAMINATION)
        results = {check.name: carry_out(_FINDS[check.name], case) for check in checks}
        done = StepRecord(results=results, version=number, manifest=loaded.digest)
        attempt.keep(EXAMINATION, done)
        records.commit(attempt)
    return results


class _Case:
    """A version with the rows of its training, and a fit to the older of these."""

    def __init__(
        self, declared: PipelineAssets, loaded: LoadedVersion, tables: PinnedTables, rows: Columns
    ) -> None:
        self.declared, self.qualities, self.loaded = declared, declared.quality, loaded
        self.tables, self.rows, self.pipeline = tables, rows, tables.bind(loaded.pipeline)
        newest = newest_rows(self.pipeline, rows, declared.holdout)
        self.older, self.newest = take_rows(rows, ~newest), take_rows(rows, newest)
        behind = self.pipeline.graph.path(rows, [quality.column for quality in self.qualities])
        self.models = [node for node in behind if isinstance(node, Model)]
        self.known = self.fit(self.older)
        self.measured = self.measure(self.known)
        self.load_before: Callable[[], LoadedVersion] | None = None

    def fit(self, rows: Columns, changed: Model | None = None) -> Pipeline:
        """Fit the models behind demands; given another form of one, only what that changes."""
        pipeline = self.pipeline.unfitted() if changed is None else self.known
        graph, names = pipeline.graph, [model.name for model in self.models]
        if changed is not None:
            nodes = {**graph.columns, changed.name: changed}.values()
            graph = Graph(nodes, pipeline.record_schema, pipeline.outcome_schema)
            names = [name for name in names if changed.name in {name, *graph.models_behind(name)}]
        return pipeline.bind(fit_models(graph, rows, names, bound=pipeline.bound))

    def measure(self, pipeline: Pipeline) -> dict[Quality, Floats]:
        """By demand, its metric on the held-out rows, and then on each of some parts of them."""
        names = {name for quality in self.qualities for name in (quality.column, quality.label)}
        evaluated = pipeline.evaluate(self.newest, tuple(names))
        rows = {name: evaluated[name] for name in names}
        part = fold_of(self.newest[pipeline.key], _PARTS, 1)
        every = [rows, *(take_rows(rows, part == number) for number in range(_PARTS))]
        return {quality: np.array([*map(quality.measure, every)]) for quality in self.qualities}


def _check_refit(case: _Case) -> CheckResult:
    again = replay(case.pipeline.unfitted().fit(case.rows), case.loaded.golden)
    rows = counted(len(case.rows[case.pipeline.key]), "row")
    return check_comparison(again, case.pipeline.graph, f"fitted again to the same {rows}")


def _check_feature_value(case: _Case) -> CheckResult:
    losses = permutation_importance(case.known, case.qualities, case.newest)
    every = dict.fromkeys(name for model in case.models for name in model.inputs)
    inputs = [name for name in every if name in case.newest]  # the others are of other models
    known = [name for name in inputs if all(name in loss for loss in losses.values())]
    table: list[_Row] = [
        {
            "feature": name,
            **{f"loss of {quality.title}": loss[name] for quality, loss in losses.items()},
            "without value": all(loss[name] <= 0 for loss in losses.values()),
        }
        for name in known
    ]
    found = _found(
        table,
        "{} of {} features of models make no demand worse when they are shuffled: {}.",
        "Each of {} features of models makes a demand worse when it is shuffled.",
    )
    lacking = dict.fromkeys({*inputs} - {*known}, "there was no time to shuffle it")
    return replace(found, unjudged=lacking)


def _check_feature_cost(case: _Case) -> CheckResult:
    pipeline, graph = case.pipeline, case.pipeline.graph
    rows = take_rows(case.newest, np.arange(_ROWS) % len(case.newest[pipeline.key]))
    known, table = pipeline.evaluate(rows, graph.served), list[dict[str, Any]]()
    for node in (node for node in graph.columns.values() if node.role != "label"):
        given = {name: known[name] for name in (pipeline.key, *node.inputs)}
        took, held = _cost(partial(pipeline.evaluate, given, tuple(node.gives)))
        cost = {_TIME: took * 1e6 / _ROWS, _ROOM: held / _ROWS}
        table.append({"column": node.name, "role": node.role, **cost})
    table.sort(key=lambda row: -row[_TIME])
    most, first = sum(row[_TIME] for row in table if row["role"] == "model"), table[0]
    features = ("feature", "lookup", "window")
    return _found(
        [row | {"dear": row["role"] in features and row[_TIME] > most > 0} for row in table],
        "{} of {} columns cost more than all models together: {}.",
        f"No feature among {{}} columns costs more than the models; {first['column']} costs most: "
        f"{brief(first[_TIME])} microseconds and {brief(first[_ROOM])} bytes a row.",
    )


def _check_tuning(case: _Case) -> CheckResult:
    table: list[_Row] = []
    for model, (name, value) in ((m, setting) for m in case.models for setting in _set(m)):
        for tried in (type(value)(value / 2), value * 2):
            with suppress(FitError):  # the estimator has no such value
                measured = case.measure(case.fit(case.older, _with(model, {name: tried})))
                table += [
                    {
                        "setting": f"{name.rpartition('__')[2]} of {model.name}",
                        "value": value,
                        "tried": tried,
                        "prediction": quality.title,
                        "measured": figures[0],
                        "as it is": case.measured[quality][0],
                        "better": _is_better(quality, figures, case.measured[quality]),
                    }
                    for quality, figures in measured.items()
                ]
    return _found(
        table,
        "{} of {} measurements with half or twice a setting are better: {}.",
        "No setting does better at half or twice its value, by {} measurements.",
        "No number is set of any estimator: its defaults were not tuned.",
    )


def _set(model: Model) -> Iterator[tuple[str, Any]]:
    """The numbers with which an estimator and its parts are made, other than by default."""
    parts = {"": estimator_of(model), **estimator_of(model).get_params()}
    for name, value in parts.items():
        owner, _, own = name.rpartition("__")
        if type(value) in (int, float) and value > 0 and own not in _NOT_TUNED:
            usual = inspect.signature(type(parts[owner])).parameters.get(own)
            if usual is None or usual.default != value:
                yield name, value


def _with(model: Model, settings: Mapping[str, Any]) -> Model:
    """A model whose estimator has other settings."""

    @wraps(model.function)
    def make() -> Any:
        return estimator_of(model).set_params(**settings)

    return replace(model, function=make)


def _is_better(quality: Quality, figures: Floats, others: Floats) -> bool:
    """Whether a demand is measured better than otherwise, by more than chance between parts."""
    gain = (figures - others)[1:] * (1 if METRICS[quality.metric].higher_is_better else -1)
    gain = gain[~np.isnan(gain)]
    return len(gain) > 1 and bool(gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain)))


def _check_staleness(case: _Case) -> CheckResult:
    time, most = case.pipeline.record_schema.event_time or "", case.declared.max_age.days
    times, table = case.older[time], list[_Row]()
    rows = np.argsort(times, kind="stable")[: int((~is_missing(times)).sum())]
    for window in np.array_split(rows, _WINDOWS)[::-1]:
        days = int((case.newest[time].min() - times[window[-1]]) / np.timedelta64(1, "D"))
        table += [
            {
                "fit": f"{quality.title} of a fit to rows {days} days older",
                "rows": len(window),
                "measured": figures[0],
                "missed": days <= most and not quality.is_met(figures[0]),
            }
            for quality, figures in case.measure(case.fit(take_rows(case.older, window))).items()
        ]
    return _found(
        table,
        f"{{}} of {{}} fits no older than max_age ({most} days) miss a demand: {{}}.",
        "; ".join(f"{row['fit']}: {brief(row['measured'])}" for row in table) + ".",
    )


def _check_regression(case: _Case) -> CheckResult:
    if case.load_before is None:
        return CheckResult.not_judged("There is no version before to compare with.")
    before = case.load_before()
    pairs = zip(_figures(case, before), _figures(case, case.loaded), strict=True)
    figures = [(title, quality, other, value) for (title, quality, other), (_, _, value) in pairs]
    table: list[_Row] = [
        {
            "figure": title,
            "before": other,
            "now": value,
            "worse": value > _SLOWER * other
            if quality is None
            else not quality.is_no_worse(value, other),
        }
        for title, quality, other, value in figures
        if not np.isnan(other)
    ]
    found = _found(
        table,
        f"{{}} of {{}} figures are worse than those of version {before.version}: {{}}.",
        f"No worse than version {before.version} in {{}} figures of quality, speed and memory.",
    )
    lacking = [title for title, _, other, _ in figures if np.isnan(other)]
    return replace(found, unjudged=dict.fromkeys(lacking, "the version before does not have it"))


def _figures(case: _Case, version: LoadedVersion) -> Iterator[tuple[str, Quality | None, float]]:
    """Figures of a version: what it takes to fit and to serve it, and the quality of its fit."""
    definition, begun = case.tables.bind(version.pipeline), process_time()
    measured = evaluate_champion(definition, case.rows, case.qualities, case.declared.holdout)
    yield "seconds of a fit", None, process_time() - begun
    yield from ((quality.title, quality, value) for quality, value in measured.items())
    golden, graph = version.golden, version.pipeline.graph
    fields = {name: golden.records[name] for name in graph.record.names}
    for size, times in ((1, 100), (_ROWS, 5)):
        rows = take_rows(fields, np.arange(size) % len(golden))
        pipeline = golden.bind(version.compiled.pipeline)
        took, held = _cost(partial(pipeline.evaluate, rows, graph.outputs), times)
        yield f"seconds for {counted(size, 'row')}", None, took
    yield f"bytes for {counted(_ROWS, 'row')}", None, held


def _cost(compute: Callable[[], object], times: int = 3) -> tuple[float, float]:
    """Seconds of processor that a computation takes, and the most bytes that it holds at a time."""
    tracemalloc.start()
    try:
        compute()
        _, held = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    begun = process_time()  # others' work on this machine does not count
    for _ in range(times):
        compute()
    return (process_time() - begun) / times, float(held)


def _found(table: Sequence[_Row], failure: str, success: str, lacking: str = "") -> CheckResult:
    """The result of a table whose rows begin with what they are of and end with what is bad."""
    if not table:
        return CheckResult.not_judged(lacking or "Nothing could be measured.")
    bad = [row for row in table if [*row.values()][-1]]
    names = listed(dict.fromkeys(next(iter(row.values())) for row in bad), 5)
    return CheckResult(
        passed=not bad,
        summary=failure.format(len(bad), len(table), names) if bad else success.format(len(table)),
        severity="WARN",
        table=sorted(table, key=lambda row: row not in bad),
    )


_FINDS: Mapping[str, Callable[[_Case], CheckResult]] = {
    "refit": _check_refit,
    "feature_value": _check_feature_value,
    "feature_cost": _check_feature_cost,
    "tuning": _check_tuning,
    "staleness_effect": _check_staleness,
    "regression": _check_regression,
}
"""By check, what carries it out."""
