"""What one record and a million cost on one core: decode, row rules, features, prediction.

Records are flights of January to March 2013. Up to a thousand are timed as parsed JSON, a million
as a DataFrame. Beside them stand the same features written in pandas, on a DataFrame that is
ready, and the estimators' own predictions on matrices that are ready: what a prediction costs
that is nothing but scikit-learn.

Every round times every stage once, so that a machine that gets busy favours none of them. Few rows
are another few on every call.
"""

import gc
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from assets.flight_delay import history
from benchmarks import _flights_in_pandas
from benchmarks._machine import Spread, machine, spread
from expectations.flight_delay import SUITES
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import matrix
from lockstep.rules.rules import RowRules, compile_rules
from lockstep.suites.suites import suite_json
from transforms.flight_delay import PIPELINE

RESULTS = Path(__file__).parent / "results" / "core.json"
FITTED_ROWS = 20_000
ROUNDS = {1: 15, 32: 15, 1_000: 15, 1_000_000: 3}
"""Rounds by number of rows."""
VARIANTS = {1: 40, 32: 10, 1_000: 3, 1_000_000: 1}
"""By number of rows, how many different batches a round goes through."""
OURS = ("decode", "rules", "features", "predict")


@dataclass(frozen=True)
class Batch:
    """Some rows in every form that a stage takes."""

    data: Any  # parsed JSON, or a DataFrame
    frame: pd.DataFrame
    columns: Columns
    matrices: Mapping[str, pd.DataFrame]  # by model


Stage = Callable[[Batch], object]


@dataclass(frozen=True)
class Target:
    """What the first three stages may take together."""

    rows: int
    seconds: float

    def __str__(self) -> str:
        if self.rows == 1:
            return f"one record through decode, rules and features: {self.seconds * 1e3:g} ms"
        return f"{self.rows:,} rows through decode, rules and features: {self.seconds:g} s"


TARGETS = (Target(1, 0.0002), Target(1_000_000, 3.0))


@dataclass(frozen=True)
class Outcome:
    """What was measured for a target: the sum of the stages' medians."""

    target: Target
    seconds: float

    @property
    def met(self) -> bool:
        """Whether it stays within the target."""
        return self.seconds <= self.target.seconds


def main() -> None:
    """Measure, print a report and write `benchmarks/results/core.json`."""
    here = machine()
    print(here, flush=True)
    keep_to_one_core()
    print("Fitting a model to predict with, untimed ...", flush=True)
    flights = history().to_pandas()
    pipeline = PIPELINE.unfitted().fit(flights.iloc[:FITTED_ROWS])
    rules = compile_rules(suite_json(SUITES.input()))
    with threadpool_limits(1):
        spreads = {
            rows: measure(stages(pipeline, rules), batches(pipeline, flights, rows), ROUNDS[rows])
            for rows in ROUNDS
        }
    outcomes = [judge(target, spreads[target.rows]) for target in TARGETS]
    print(report(spreads, outcomes))
    RESULTS.parent.mkdir(exist_ok=True)
    result = {"machine": asdict(here), **figures(spreads, outcomes)}
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


def keep_to_one_core() -> None:
    """Keep this process, and pyarrow's threads, to one core."""
    pa.set_cpu_count(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def stages(pipeline: Pipeline, rules: RowRules) -> dict[str, Stage]:
    """What is timed, by name."""
    schema, graph = pipeline.record_schema, pipeline.graph

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
        "features": lambda batch: graph.evaluate(batch.columns, graph.model_free),
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
        matrices = {
            name: matrix(pipeline.graph.nodes[name], known) for name in pipeline.graph.models
        }
        data = parsed_json(frame) if rows <= 1_000 else frame
        made.append(Batch(data, frame, columns, matrices))
    return made


def parsed_json(frame: pd.DataFrame) -> Any:
    """The rows as a JSON parser gives them: an object, or an array of several."""
    objects = frame.astype(object).where(frame.notna(), None)
    text = json.dumps(objects.to_dict("records"), default=pd.Timestamp.isoformat)
    records = json.loads(text)
    return records[0] if len(records) == 1 else records


def measure(
    stages: Mapping[str, Stage], batches: Sequence[Batch], rounds: int
) -> dict[str, Spread]:
    """Time every stage once a round: seconds a batch, by stage.

    A first round, which fills caches, is not counted.
    """
    samples: dict[str, list[float]] = {name: [] for name in stages}
    for number in range(rounds + 1):
        gc.collect()
        for name, stage in stages.items():
            seconds = timed(stage, batches)
            if number > 0:
                samples[name].append(seconds)
    return {name: spread(seconds) for name, seconds in samples.items()}


def timed(stage: Stage, batches: Sequence[Batch]) -> float:
    """Mean seconds that a stage takes for a batch."""
    start = time.perf_counter()
    for batch in batches:
        stage(batch)
    return (time.perf_counter() - start) / len(batches)


def judge(target: Target, spreads: Mapping[str, Spread]) -> Outcome:
    """Compare what the stages before the models took with what they may take."""
    return Outcome(target, sum(spreads[name].median for name in ("decode", "rules", "features")))


def figures(
    spreads: Mapping[int, Mapping[str, Spread]], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """The measurements, for the record."""

    def medians(rows: int, unit: float) -> dict[str, float]:
        return {name: found.median * unit for name, found in spreads[rows].items()}

    one, million = medians(1, 1e3), medians(1_000_000, 1.0)
    return {
        "one_record_ms": {name: one[name] for name in OURS},
        "million_rows_s": {name: million[name] for name in OURS},
        "pandas": {
            "one_record_ms": {"features": one["pandas"]},
            "million_rows_s": {"features": million["pandas"]},
        },
        "sklearn": {
            "one_record_ms": {"predict": one["sklearn"]},
            "million_rows_s": {"predict": million["sklearn"]},
        },
        "seconds": {
            str(rows): {name: asdict(found) for name, found in stages.items()}
            for rows, stages in spreads.items()
        },
        "targets": [
            {**asdict(outcome.target), "measured": outcome.seconds, "met": outcome.met}
            for outcome in outcomes
        ],
    }


def report(spreads: Mapping[int, Mapping[str, Spread]], outcomes: Sequence[Outcome]) -> str:
    """Tell the cost of each stage by number of rows, then how each target came out."""
    titles = {"pandas": "features in pandas", "sklearn": "models in scikit-learn alone"}
    lines = ["", "Milliseconds a batch, on one core: median (p10 to p90)"]
    for rows, stages in spreads.items():
        lines.append(f"  {rows:,} row{'s' if rows > 1 else ''}")
        for name, found in stages.items():
            milliseconds = Spread(found.median * 1e3, found.p10 * 1e3, found.p90 * 1e3)
            lines.append(f"    {titles.get(name, name):<28}  {milliseconds}")
    lines += ["", "Targets"]
    for outcome in outcomes:
        verdict = "met" if outcome.met else "FALLS SHORT"
        measured = outcome.seconds * (1e3 if outcome.target.rows == 1 else 1)
        lines.append(f"  {outcome.target}, measured {measured:.3g}: {verdict}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
