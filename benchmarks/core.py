"""What one record and a million cost on one core: decode, row rules, look-ups, features, models.

Records are flights of January to March 2013. Up to a thousand are timed as parsed JSON, a million
as a DataFrame. Beside them stand the same features written in pandas, on a DataFrame that is
ready, as what is looked up is to both; and the estimators' own predictions on matrices that are
ready: what a prediction costs that is nothing but scikit-learn. Few rows are another few on every
call.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyperf

from assets.flight_delay import ASSETS, history
from benchmarks import _flights_in_pandas
from benchmarks._report import Outcome, machine, table, write
from benchmarks._rounds import HERE, BenchmarkError, Checkout, time_rounds
from expectations.flight_delay import SUITES
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import matrix
from lockstep.rules.row_rules import RowRules, compile_rules
from lockstep.suites.suites import suite_json
from lockstep.testing import with_tables

SCRIPT = HERE / "benchmarks" / "_time_core.py"
RESULTS = HERE / "benchmarks" / "results" / "core.json"
ROUNDS = 3
FITTED_ROWS = 20_000
VARIANTS = {1: 40, 32: 10, 1_000: 3, 1_000_000: 1}
"""By number of rows, how many different batches are gone through."""
TARGETS = {1: 0.0002, 1_000_000: 3.0}
"""Seconds that so many rows may take through decode, rules and features."""


@dataclass(frozen=True)
class Setting:
    """What the stages work on: a fitted pipeline, its row rules, and rows to take batches of."""

    pipeline: Pipeline
    rules: RowRules
    flights: pd.DataFrame


@dataclass(frozen=True)
class Batch:
    """Some rows in every form that a stage takes."""

    data: Any  # parsed JSON, or a DataFrame
    frame: pd.DataFrame  # with what is looked up
    columns: Columns
    looked_up: Columns  # and these with what is looked up
    matrices: Mapping[str, pd.DataFrame]  # by model


Stage = Callable[[Batch], object]


def main() -> None:
    """Measure, print a report and write `benchmarks/results/core.json`."""
    (suite,) = time_rounds(SCRIPT, [Checkout(HERE)], ROUNDS, lambda _: one_core())
    print(f"\n{machine(suite)}\n\nTime a batch, on one core: median (least to largest)")
    print(table(suite))
    print("\nTargets")
    for outcome in outcomes(suite):
        print(f"  {outcome}")
    write(suite, RESULTS)


def one_core() -> list[str]:
    """The option that keeps what is timed to one core, where the system can."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return [f"--affinity={max(os.sched_getaffinity(0))}"]


def setting() -> Setting:
    """Fit a model to predict with, and compile the rules."""
    flights = history().to_pandas()
    return Setting(
        pipeline=with_tables(ASSETS).unfitted().fit(flights.iloc[:FITTED_ROWS]),
        rules=compile_rules(suite_json(SUITES.input())),
        flights=flights,
    )


def stages(pipeline: Pipeline, rules: RowRules) -> dict[str, Stage]:
    """What is timed, by name."""
    schema, graph = pipeline.record_schema, pipeline.graph
    looked_up = names_looked_up(pipeline)

    def predict(batch: Batch) -> Columns:
        columns = decode(batch.data, schema).columns
        refused = rules.apply(columns).mask
        if refused.any():
            columns = {name: array[~refused] for name, array in columns.items()}
        return pipeline.evaluate(columns, graph.outputs)

    def estimate(batch: Batch) -> None:
        for name, frame in batch.matrices.items():
            estimator = pipeline.models_[name]
            (getattr(estimator, "predict_proba", None) or estimator.predict)(frame)

    return {
        "decode": lambda batch: decode(batch.data, schema),
        "rules": lambda batch: rules.apply(batch.columns),
        "lookups": lambda batch: pipeline.evaluate(batch.columns, looked_up),
        "features": lambda batch: graph.evaluate(batch.looked_up, graph.model_free),
        "predict": predict,
        "pandas": lambda batch: _flights_in_pandas.features(batch.frame),
        "sklearn": estimate,
    }


def batches(pipeline: Pipeline, flights: pd.DataFrame, rows: int) -> list[Batch]:
    """Different batches of so many rows."""
    names = list(pipeline.record_schema.names)
    random = np.random.default_rng(rows)
    made = []
    for _ in range(VARIANTS[rows]):
        chosen = flights[names].iloc[random.integers(0, len(flights), rows)]
        frame = chosen.reset_index(drop=True)
        frame[pipeline.key] = [f"{key} {row}" for row, key in enumerate(frame[pipeline.key])]
        columns = decode(frame, pipeline.record_schema).columns
        known = pipeline.evaluate(columns)
        looked_up = {**columns, **{name: known[name] for name in names_looked_up(pipeline)}}
        matrices = {
            name: matrix(pipeline.graph.nodes[name], known) for name in pipeline.graph.models
        }
        data = parsed_json(frame) if rows <= 1_000 else frame
        ready = frame.assign(**{name: looked_up[name] for name in names_looked_up(pipeline)})
        made.append(Batch(data, ready, columns, looked_up, matrices))
    return made


def names_looked_up(pipeline: Pipeline) -> tuple[str, ...]:
    """Names of the columns of look-ups and windows."""
    return tuple(name for node in pipeline.reading for name in node.gives)


def parsed_json(frame: pd.DataFrame) -> Any:
    """The rows as a JSON parser gives them: an object, or an array of several."""
    objects = frame.astype(object).where(frame.notna(), None)
    text = json.dumps(objects.to_dict("records"), default=pd.Timestamp.isoformat)
    records = json.loads(text)
    return records[0] if len(records) == 1 else records


def outcomes(suite: pyperf.BenchmarkSuite) -> list[Outcome]:
    """Compare what the stages before the models took together with what they may take."""
    return [
        Outcome(
            f"decode, rules and features of {rows:,}, seconds",
            measured=sum(
                suite.get_benchmark(f"{stage} of {rows:,}").median()
                for stage in ("decode", "rules", "features")
            ),
            limit=limit,
        )
        for rows, limit in TARGETS.items()
    ]


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"bench-core: {error}")
