"""Validations: Great Expectations' results on a partition's suites, stored with its attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.checks.specs import FEATURE_SUITE, INPUT_SUITE, OUTPUT_SUITE
from lockstep.checks.streams import stream_records, streams
from lockstep.columns.plain import counted
from lockstep.errors import NotStoredError
from lockstep.project.declaration import PipelineAssets
from lockstep.store.attempts import Attempt
from lockstep.store.parquet import Store
from lockstep.suites.suite_results import ExpectationResult

SUITES = (INPUT_SUITE.name, FEATURE_SUITE.name, OUTPUT_SUITE.name)
"""The checks that hold a suite against rows: each stores a document of its name."""


@dataclass(frozen=True)
class Validations:
    """Great Expectations' results on a partition's suites."""

    attempt: Attempt
    results: Mapping[str, Mapping[str, Any]]  # as JSON, by check

    def demand_all(self) -> None:
        """Raise NotStoredError unless there is a result of each suite that was judged."""
        record = self.attempt.record
        judged = {
            name
            for step in record.steps.values()
            for name, result in step.results.items()
            if name in SUITES and result.judged
        }
        where = f"Attempt {record.number} at {record.partition}"
        if not judged:
            raise NotStoredError(f"{where} has held no suite against its rows.")
        if lacking := [name for name in SUITES if name in judged and name not in self.results]:
            raise NotStoredError(
                f"{where} keeps no result of Great Expectations' for {', '.join(lacking)}: an "
                f"older Lockstep made it, or the check broke. Make it anew: {self.attempt.again}"
            )

    def table(self) -> Iterator[dict[str, str]]:
        """A row for each suite with its counts, and for each expectation that is not met."""
        for name, whole in self.results.items():
            counts = whole["statistics"]
            evaluated, met = counts["evaluated_expectations"], counts["successful_expectations"]
            summary = f"{counted(evaluated, 'expectation')} evaluated, {met:,} met"
            yield {"suite": name, "expectation": summary, "column": "", "found": ""}
            for result in map(ExpectationResult, whole["results"]):
                if not result.success:
                    yield {
                        "suite": "",
                        "expectation": result.expectation,
                        "column": result.column or "",
                        "found": result.error or "; ".join(result.counts()),
                    }


def validations(
    declared: PipelineAssets, store: Store, partition: str, number: int | None = None
) -> Validations | None:
    """Great Expectations' results on a partition; None without an attempt at it.

    It is the last attempt by default; NotStoredError where it is not kept, and DamagedError where a
    result is not as recorded.
    """
    for stream in streams(declared):
        records = stream_records(declared, store, stream.name)
        numbers = records.numbers(partition)
        if numbers:
            attempt = records.attempt(partition, numbers[-1] if number is None else number)
            kept = [name for name in SUITES if f"{name}.json" in attempt.files]
            return Validations(attempt, {name: attempt.read_json(name, dict) for name in kept})
    return None
