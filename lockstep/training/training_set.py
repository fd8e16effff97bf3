"""The training set: the parted history with every column that needs no fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lockstep.checks.check_results import carry_out
from lockstep.checks.comparisons import check_locality
from lockstep.checks.ingest import (
    Ingested,
    check_decoding,
    check_input_suite,
    check_readable,
    ingest,
)
from lockstep.checks.lookup_checks import check_no_future
from lockstep.checks.specs import (
    DECODING,
    HISTORY_CHECKS,
    TRAINING_SET_CHECKS,
    blocking,
    others_not_judged,
    worth_telling,
)
from lockstep.checks.streams import CANDIDATE, training_records
from lockstep.checks.suite_checks import Quarantined, check_suite
from lockstep.checks.table_deliveries import check_deliveries
from lockstep.columns.aside import quarantine_table, set_aside
from lockstep.columns.failing import at_first_row
from lockstep.columns.kinds import Columns
from lockstep.columns.plain import counted
from lockstep.columns.tables import from_arrow, kinds_of, take_rows
from lockstep.errors import FitError, FunctionError, UnreadableError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.sources import decode_source
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import applicable_rules, compile_rules, part
from lockstep.store.attempts import Attempt, StepRecord
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.results import CheckResult

LEAST_ROWS = 20
"""Least rows of history: with fewer, the rows held out would be a handful at most."""


@dataclass(frozen=True)
class LabelledHistory:
    """Labelled rows to train on.

    Attributes:
        ingested: The parted rows; None where they cannot be read.
        columns: The accepted ones.
        path: The file of the accepted rows; None where they cannot be read.
    """

    ingested: Ingested | None
    columns: Columns
    results: Mapping[str, CheckResult]
    blocked_by: Mapping[str, str]
    path: Path | None


@dataclass(frozen=True)
class TrainingSet:
    """The history with the features and labels that need no fit."""

    columns: Columns  # fields, features and labels of the rows to fit to
    counts: Mapping[str, int]  # numbers of rows: kept and quarantined
    results: Mapping[str, CheckResult]
    blocked_by: Mapping[str, str]
    path: Path  # the file of the columns


def ingest_history(declared: PipelineAssets, store: Store, run: str) -> LabelledHistory:
    """Read the history, and part its rows: the first step of an attempt at a candidate.

    Content that cannot be read is a failed check, as for a batch.

    Raises:
        InputError: It cannot be had, or is not as declared.
        LockedError: Another process is training the pipeline.
        BlockedError: A table that its look-ups and windows read has never been delivered.
    """
    schema = declared.pipeline.joint_schema
    tables = PinnedTables.now(store, declared.pipeline)
    with training_records(declared, store).step(CANDIDATE, "history", run) as attempt:
        try:
            rows = decode_source(declared.history, schema)
        except UnreadableError as error:
            return _unread(declared, attempt, error)
        suite = declared.suites_json()["input"]
        rules = RecordRules(declared.pipeline, compile_rules(suite))
        ingested, is_kept = ingest(rows, schema, rules, declared.max_quarantined)
        checked = {
            "table_delivery": carry_out(check_deliveries, declared, store),
            "decoding": carry_out(check_decoding, ingested),
            "input_suite": carry_out(
                check_input_suite,
                ingested,
                rows.columns,
                suite,
                partial(attempt.write_json, "input_suite"),
            ),
        }
        results = worth_telling(declared, "history", checked)
        wrong = (*ingested.refused.rows, *ingested.broken.rows)
        aside = quarantine_table(wrong, ingested.duplicates.rows)
        attempt.write("history_quarantine", aside)
        columns = take_rows(rows.columns, is_kept)
        path = attempt.write_columns("history", columns)
        blocked_by = blocking(HISTORY_CHECKS, results)
        done = StepRecord(ingested.counts, results, blocked_by, facts=tables.facts)
        attempt.keep("history", done)
    return LabelledHistory(ingested, columns, results, done.blocked_by, path)


def _unread(declared: PipelineAssets, attempt: Attempt, error: UnreadableError) -> LabelledHistory:
    failed = {DECODING.name: check_readable(error)}
    results = others_not_judged(declared, "history", failed)
    done = StepRecord(results=results, blocked_by=blocking(HISTORY_CHECKS, failed))
    attempt.keep("history", done)
    return LabelledHistory(None, {}, results, done.blocked_by, None)


def compute_training_set(declared: PipelineAssets, store: Store, run: str) -> TrainingSet:
    """Compute every feature and label of the recorded history, by the functions that serve.

    Rows that break a critical row-level expectation of the feature suite are set aside, as in
    scoring.

    Args:
        run: The run that does it. It goes on with its own history or, without one, with the last
            recorded.

    Raises:
        BlockedError: There is no history yet, or a check blocks it.
        DamagedError: The file of the history is not as recorded.
        FitError: The history has too few rows, or was read as another record than is declared now.
    """
    records = training_records(declared, store)
    with records.step(CANDIDATE, "training_set", run, after=("history",)) as attempt:
        raw = _history(declared, attempt)
        names = training_columns(declared)
        pipeline = read_tables(attempt, store).bind(declared.pipeline)
        try:
            computed = pipeline.evaluate(raw, names)
        except FunctionError as error:
            raise at_first_row(pipeline.graph, raw, error, pipeline.bound) from error.__cause__
        columns = {name: computed[name] for name in names}
        suite = declared.suites_json()["features"]
        kinds = {name: pipeline.graph.kind(name) for name in names}
        parted = part(columns, applicable_rules([suite], kinds))
        aside = set_aside(columns, parted.refused, pipeline.joint_schema)
        counts = {"rows": len(parted.kept[pipeline.key]), "quarantined": len(aside)}
        quarantined = _quarantined(declared, attempt, counts)
        checked = {
            "feature_suite": carry_out(
                check_suite,
                suite,
                columns,
                pipeline.key,
                quarantined,
                partial(attempt.write_json, "feature_suite"),
            ),
            "row_locality": carry_out(check_locality, pipeline, columns),
        }
        if pipeline.tables:
            checked["no_future"] = carry_out(check_no_future, pipeline, columns)
        results = worth_telling(declared, "training_set", checked)
        path = attempt.write_columns("training_set", parted.kept)
        attempt.write("training_set_quarantine", quarantine_table(aside))
        done = StepRecord(counts, results, blocking(TRAINING_SET_CHECKS, results))
        attempt.keep("training_set", done)
    return TrainingSet(parted.kept, counts, results, done.blocked_by, path)


def _quarantined(
    declared: PipelineAssets, attempt: Attempt, counts: Mapping[str, int]
) -> Quarantined:
    history = attempt.record.steps["history"].counts
    rows = history["quarantined"] + counts["quarantined"]
    return Quarantined(rows, history["rows_in"], counts["rows"], declared.max_quarantined)


def _history(declared: PipelineAssets, attempt: Attempt) -> Columns:
    """Read the accepted rows of an attempt's history; demand enough of them."""
    schema, table = declared.pipeline.joint_schema, attempt.read("history")
    if kinds_of(table) != schema.kinds:
        raise FitError(
            f"{declared.name}: the history was read as another record than {schema.name} is now; "
            f"read it again: lockstep train {declared.name}"
        )
    if len(table) < LEAST_ROWS:
        raise FitError(
            f"{declared.name}: the history has "
            f"{counted(len(table), 'row')} that can be used, and it takes "
            f"{LEAST_ROWS} to fit a version and to evaluate it on the newest of them. Have more "
            f"of it delivered by {declared.history.describe()}."
        )
    return from_arrow(table, schema.kinds)


def training_columns(declared: PipelineAssets) -> tuple[str, ...]:
    """Names of the training set's columns: fields, features and labels."""
    graph = declared.pipeline.graph
    known = {*declared.pipeline.joint_schema.names, *graph.model_free, *graph.labels}
    return tuple(name for name in graph.order if name in known)


def read_tables(attempt: Attempt, store: Store) -> PinnedTables:
    """The tables that an attempt reads: those that were there when its history was read."""
    return PinnedTables.of(store, attempt.record.steps["history"])


def read_training_set(attempt: Attempt) -> Columns:
    """Read the columns of an attempt's training set as recorded, whatever the code is now."""
    table = attempt.read("training_set")
    return from_arrow(table, kinds_of(table))
