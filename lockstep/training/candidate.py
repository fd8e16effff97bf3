"""A candidate: from the history to a fitted, evaluated and registered version, step by step.

Each step is recorded in the attempt of its run, and refuses to go on from one that a check blocks
or whose files are not as recorded. `train` carries out all of them; Dagster's assets run them one
at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np

from lockstep.artifacts.artifact_writing import check_storable
from lockstep.artifacts.closure import fit_environment
from lockstep.artifacts.evidence import Evidence, count
from lockstep.artifacts.round_trip import replay_in_new_process
from lockstep.artifacts.snapshot import Snapshot
from lockstep.checks.check_results import attempted, carry_out
from lockstep.checks.comparisons import (
    check_company,
    check_comparison,
    check_compiled,
    check_training_parity,
)
from lockstep.checks.specs import (
    CANDIDATE_CHECKS,
    TRAINING_PARITY,
    blocking,
    others_not_judged,
    worth_telling,
)
from lockstep.checks.streams import CANDIDATE, training_records
from lockstep.checks.table_deliveries import deliver_all
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import Fitting, ReferencePredictor
from lockstep.columns.tables import is_missing
from lockstep.constraints.constraint_set import discover
from lockstep.errors import LockstepError
from lockstep.parity.company import in_other_company
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.replay import wire_formats
from lockstep.parity.selection import choose_golden
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.registry import Registry
from lockstep.registry.version_tags import TrainingEvidence, write_evidence
from lockstep.registry.versions import Version
from lockstep.store.attempts import Attempt, StepRecord
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.results import CheckResult
from lockstep.training.calibration import calibrate
from lockstep.training.checks import (
    check_against_baseline,
    check_against_champion,
    check_fit,
    check_quality,
    check_slices,
)
from lockstep.training.holdout import Evaluation, evaluate_champion, evaluate_holdout
from lockstep.training.model_card import shown
from lockstep.training.plots import quality_table
from lockstep.training.training_set import (
    compute_training_set,
    ingest_history,
    read_tables,
    read_training_set,
)


@dataclass(frozen=True)
class Candidate:
    """The result of a fit.

    Attributes:
        version: The version in the registry; None where nothing was fitted.
        metrics: Metrics on held-out rows, by title.
        tables: Predictions beside labels on these rows, by title.
        counts: Numbers of golden records and other evidence that the version carries, by kind.
        unlabelled: By model, the rows that its fit left out, since they have no label.
    """

    version: Version | None
    rows: int
    metrics: Mapping[str, float]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    results: Mapping[str, CheckResult]
    counts: Mapping[str, int]
    unlabelled: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """The result of training."""

    results: Mapping[str, CheckResult]
    candidate: Candidate | None  # the candidate; None where a check of its rows blocks it


def train(
    declared: PipelineAssets, store: Store, registry: Registry, packages: Sequence[str] = ()
) -> Trained:
    """Take in a delivery of each table, fit a candidate on the history and register it.

    Raises:
        InputError: The history cannot be had, or is not as declared.
        BlockedError: A table has never been delivered, and is not now.
        FitError: A model cannot be fitted.
        RegistryError: The registry cannot be reached or written to; nothing is half-registered.
    """
    run = uuid4().hex
    deliver_all(declared, store, run)
    history = ingest_history(declared, store, run)
    if history.blocked_by:
        return Trained(history.results, None)
    training_set = compute_training_set(declared, store, run)
    results = {**history.results, **training_set.results}
    if training_set.blocked_by:
        return Trained(results, None)
    candidate = fit_candidate(declared, store, run, registry, packages)
    return Trained({**results, **candidate.results}, candidate)


def fit_candidate(
    declared: PipelineAssets,
    store: Store,
    run: str,
    registry: Registry,
    packages: Sequence[str] = (),
) -> Candidate:
    """Fit a version on all rows of the recorded training set, and register it.

    First the code that the version will carry computes the training set again: where that gives
    other values, nothing is fitted. Metrics come from a fit to the older rows alone; the version
    itself has seen all rows. The last step tags it with all check results of its training: a
    version without these tags does not go live.

    Args:
        run: The run that does it. It goes on with its own training set or, without one, with the
            last recorded.

    Raises:
        BlockedError: There is no training set yet, or a check blocks it or its history.
        DamagedError: The file of the training set is not as recorded.
        LockedError: Another process is training the pipeline.
        SnapshotError: The pipeline uses code that no version can carry.
        UntrustedTypeError: A model holds a type that may not be stored.
    """
    records = training_records(declared, store)
    steps = ("history", "training_set")
    with records.step(CANDIDATE, "candidate", run, after=steps) as attempt:
        tables = read_tables(attempt, store)
        candidate = _fit(declared, read_training_set(attempt), tables, registry, packages)
        _keep(candidate, records, attempt, registry.patient())
    return candidate


def _keep(candidate: Candidate, records: Records, attempt: Attempt, registry: Registry) -> None:
    version = candidate.version
    done = StepRecord(
        counts={"rows": candidate.rows},
        results=candidate.results,
        blocked_by=blocking(CANDIDATE_CHECKS, candidate.results),
        version=version.version if version is not None else None,
        manifest=version.digest if version is not None else None,
    )
    attempt.keep("candidate", done)
    if version is None:
        return
    if not done.blocked_by:
        records.commit(attempt)
    steps = attempt.record.steps
    checks = [check for step in steps.values() for check in step.results.items()]
    results = {name: result.result for name, result in checks}
    training_set = steps["training_set"].files["training_set.parquet"]
    write_evidence(registry, version, TrainingEvidence(training_set, results, candidate.counts))


def _fit(
    declared: PipelineAssets,
    columns: Columns,
    tables: PinnedTables,
    registry: Registry,
    packages: Sequence[str],
) -> Candidate:
    from lockstep.columns.compiled.predictor import Compiled
    from lockstep.parity.compiled import agreement

    pipeline = tables.bind(declared.pipeline)
    declared = replace(declared, pipeline=pipeline)
    qualities, rows = tuple(declared.quality), len(next(iter(columns.values())))
    source = Snapshot.of(pipeline, packages).with_data()
    check_storable(pipeline.unfitted(), source, registry.trusted)
    parity = carry_out(check_training_parity, source, columns, tables.bind)
    if parity.is_error:
        return _not_fitted(declared, rows, parity)
    evaluation = evaluate_holdout(pipeline, columns, qualities, declared.slices, declared.holdout)
    champion = registry.alias(declared.name, "champion")
    registry = registry.patient()  # a request that fails from now on would lose the fit
    fitted = pipeline.unfitted().fit(columns)
    check_storable(fitted, source, registry.trusted)
    raw = {name: columns[name] for name in pipeline.joint_schema.names}
    golden = choose_golden(fitted, pipeline.joint_schema.without_personal(raw))
    seen = {name: columns[name] for name in pipeline.watched_schema.names}
    calibrated = calibrate(declared, fitted, columns, evaluation)
    agreed = agreement(fitted, Compiled.of(fitted), golden)
    metrics, window = _metrics(evaluation), _training_window(declared, columns)
    evidence = Evidence(
        golden=golden,
        profile=calibrated.profile,
        constraints=discover(seen, pipeline.watched_schema, declared.timezone),
        outputs=calibrated.outputs,
        weekly=calibrated.weekly,
        suites=declared.suites_json(),
        environment=fit_environment(source, golden),
        metrics=metrics,
        rows=rows,
        trained_until=window[-1] if window else None,
        differing=agreed.differing,
        fitted_to=dict(tables.versions),
    )
    version = registry.log(fitted, source, evidence, shown(declared, evaluation, window))
    checked = {
        "training_parity": parity,
        "fit": carry_out(check_fit, _fittings(fitted)),
        "row_locality": attempted(in_other_company, pipeline, evaluation.held_out).check(
            check_company, pipeline.graph
        ),
        "round_trip": carry_out(_check_round_trip, registry, version),
        "wire_formats": carry_out(_check_wire_formats, registry, version, golden),
        "compiled_parity": carry_out(_check_compiled, registry, version),
        "quality": carry_out(check_quality, evaluation),
        "baseline": carry_out(check_against_baseline, evaluation),
        "champion_comparison": carry_out(
            _check_against_champion, declared, columns, evaluation, tables, registry, champion
        ),
        "slices": carry_out(check_slices, evaluation, declared.slices),
    }
    results = worth_telling(declared, "candidate", checked)
    left_out = {name: f.unlabelled for name, f in _fittings(fitted).items() if f.unlabelled}
    tenths = {f"{q.title}, by tenths": quality_table(q, evaluation.held_out) for q in qualities}
    return Candidate(version, rows, metrics, tenths, results, count(evidence), left_out)


def _not_fitted(declared: PipelineAssets, rows: int, parity: CheckResult) -> Candidate:
    results = others_not_judged(declared, "candidate", {TRAINING_PARITY.name: parity})
    return Candidate(None, rows, {}, {}, results, {})


def _metrics(evaluation: Evaluation) -> dict[str, float]:
    simple = {f"{q.title} of a simple baseline": value for q, value in evaluation.baseline.items()}
    return {**{q.title: value for q, value in evaluation.measured.items()}, **simple}


def _check_against_champion(
    declared: PipelineAssets,
    columns: Columns,
    evaluation: Evaluation,
    tables: PinnedTables,
    registry: Registry,
    champion: Version | None,
) -> CheckResult:
    if champion is None:
        return check_against_champion(evaluation, None)
    try:
        before = tables.bind(registry.load(declared.name, champion.version).pipeline)
        measured = evaluate_champion(before, columns, declared.quality, declared.holdout)
    except LockstepError as error:  # its successor must be trained all the same
        return CheckResult(False, f"The champion cannot be compared with: {error}", severity="WARN")
    return check_against_champion(evaluation, measured)


def _fittings(fitted: Pipeline) -> dict[str, Fitting]:
    """By model, how it was fitted."""
    return {
        name: predictor.fitting
        for name, predictor in fitted.bound.items()
        if isinstance(predictor, ReferencePredictor) and predictor.fitting is not None
    }


def _training_window(declared: PipelineAssets, columns: Columns) -> list[datetime]:
    """Event times of the oldest and the newest row; none where the rows have no event time."""
    time = declared.pipeline.record_schema.event_time
    times = columns[time] if time is not None else np.empty(0, dtype="datetime64[us]")
    known = times[~is_missing(times)]
    if not len(known):
        return []
    return [moment.item().replace(tzinfo=UTC) for moment in (known.min(), known.max())]


def _check_round_trip(registry: Registry, version: Version) -> CheckResult:

    loaded = registry.load(version.name, version.version)
    comparison = replay_in_new_process(loaded)
    return check_comparison(comparison, loaded.pipeline.graph, f"computed {comparison.setting}")


def _check_compiled(registry: Registry, version: Version) -> CheckResult:
    return check_compiled(registry.load(version.name, version.version))


def _check_wire_formats(registry: Registry, version: Version, golden: GoldenRecords) -> CheckResult:

    loaded = registry.load(version.name, version.version)
    comparison = wire_formats(loaded.pipeline, golden, version=version.version)
    return check_comparison(comparison, loaded.pipeline.graph, "in every wire format")
