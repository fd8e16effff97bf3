"""Evidently: its default preset of data drift, and its preset of data stability tests.

The training is the reference: every eighth row of it, and the rows that hold the extremes of the
numbers and each category, so that ranges and lists are those of all rows; with all of them a day
takes ten seconds. Tests of the table as a whole are left out: the number of rows, since the
reference holds three months, and the types, which end in an error with these libraries. Pictures,
which nobody looks at here, are not drawn: they take three quarters of the time of a report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.pipeline.column_mapping import ColumnMapping
from evidently.legacy.test_preset import DataStabilityTestPreset
from evidently.legacy.test_suite import TestSuite
from evidently.metrics.column_statistics import ValueDriftCalculation
from evidently.presets import DataDriftPreset

from benchmarks.skew.peers.batches import TABLE, Batches, Judges, features, tell

EVERY = 8


def judges_of(batches: Batches) -> Judges:
    """Judge deliveries against the training."""
    _draw_nothing()
    training = features(batches.training())
    names = [str(name) for name in training]
    numbers = [name for name in names if pd.api.types.is_numeric_dtype(training[name])]
    texts = [name for name in names if name not in numbers]
    reference = _representative(training, numbers, texts)
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
    mapping = ColumnMapping(numerical_features=numbers, categorical_features=texts)
    before = Dataset.from_pandas(reference, data_definition=definition)

    def drifted(batch: str) -> set[str]:
        today = Dataset.from_pandas(features(batches.rows(batch)), data_definition=definition)
        found = Report([DataDriftPreset()], include_tests=True).run(today, before)
        return {
            one.metric_config.params.get("column", TABLE)
            for one in found.tests_results
            if one.status.value == "FAIL"
        }

    def unstable(batch: str) -> set[str]:
        suite = TestSuite(tests=[DataStabilityTestPreset()])
        today = features(batches.rows(batch))
        suite.run(reference_data=reference, current_data=today, column_mapping=mapping)
        failed = (one for one in suite.as_dict()["tests"] if one["status"] == "FAIL")
        return {column for one in failed if (column := _column(one))}

    return {"data drift preset": drifted, "data stability tests": unstable}


def _draw_nothing() -> None:
    """Leave out the pictures of the report and of each column; its tests need none."""

    def nothing(*given: object, **named: object) -> list[Any]:
        return []

    DataDriftPreset.render = nothing
    ValueDriftCalculation._render = nothing


def _representative(
    training: pd.DataFrame, numbers: Sequence[str], texts: Sequence[str]
) -> pd.DataFrame:
    """Fewer rows, with the same ranges and categories."""
    chosen = {*training.index[::EVERY]}
    for name in numbers:
        chosen |= {training[name].idxmin(), training[name].idxmax()}
    for name in texts:
        chosen |= {*training.index[~training[name].duplicated()]}
    return training.loc[sorted(chosen)].reset_index(drop=True)


def _column(test: Mapping[str, Any]) -> str | None:
    """The column that a test is about; some tell it in their description alone."""
    named = re.search(r"column \*\*(.+?)\*\*", test["description"])
    return test["parameters"].get("column_name") or (named and named[1])


if __name__ == "__main__":
    tell(judges_of)
