"""A candidate: from the history to a fitted, evaluated and registered version, in three steps.

    ingest_history         part the labelled rows
    compute_training_set   compute what the column graph computes before anything is fitted
    fit_candidate          fit, evaluate on held-out rows, register, and check what was registered

`train` carries out all three. Each but the last leaves what it made in the store, where the next
one finds it, so that they can also be carried out one at a time, as Dagster's assets do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from lockstep.checks.evidence import check_comparison, check_locality, check_suite
from lockstep.checks.results import CheckResult, carry_out
from lockstep.checks.specs import HISTORY_CHECKS, TRAINING_SET_CHECKS, worth_telling
from lockstep.columns.errors import FitError, LockstepError
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import is_missing
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.project.sources import decode_source
from lockstep.scoring.ingest import Ingested, check_decoding, check_input_suite, ingest
from lockstep.scoring.records import blocking
from lockstep.scoring.rows import quarantine_table
from lockstep.scoring.store import Store
from lockstep.scoring.window import write_history_profiles
from lockstep.training.checks import (
    check_against_baseline,
    check_against_champion,
    check_quality,
    check_slices,
)
from lockstep.training.holdout import Evaluation, evaluate_champion, evaluate_holdout
from lockstep.training.plots import quality_plot

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from lockstep.parity.golden import GoldenRecords
    from lockstep.registry.registry import Registry
    from lockstep.registry.versions import Version

FAILED_CHECKS = "lockstep.failed_checks"
"""Tag of a version with the names of its checks that are in error, separated by commas."""
LEAST_ROWS = 20
"""Rows of history that it takes: with fewer, the rows held out would be a handful at most."""


@dataclass(frozen=True)
class History:
    """Labelled rows to train on.

    Attributes:
        ingested: The rows, parted.
        results: What the checks found, by name.
        path: The file of the accepted rows.
    """

    ingested: Ingested
    results: Mapping[str, CheckResult]
    path: Path


@dataclass(frozen=True)
class TrainingSet:
    """The history with the features and labels that are computed before anything is fitted.

    Attributes:
        columns: Fields, features and labels.
        results: What the checks found, by name.
        path: The file of the columns.
    """

    columns: Columns
    results: Mapping[str, CheckResult]
    path: Path


@dataclass(frozen=True)
class Candidate:
    """A registered version and what was found out about it.

    Attributes:
        version: The version in the registry.
        rows: Number of rows that it was fitted on.
        metrics: The figures measured on held-out rows.
        plots: Plots of its quality, by title.
        results: What the checks found, by name.
    """

    version: Version
    rows: int
    metrics: Mapping[str, float]
    plots: Mapping[str, Figure]
    results: Mapping[str, CheckResult]


@dataclass(frozen=True)
class Trained:
    """What came of training.

    Attributes:
        results: What all checks found, by name.
        candidate: The version; None where a check of the rows before it blocks it.
    """

    results: Mapping[str, CheckResult]
    candidate: Candidate | None


def train(
    declared: PipelineAssets, store: Store, registry: Registry, packages: Sequence[str] = ()
) -> Trained:
    """Fit a candidate on the pipeline's history and register it.

    Args:
        declared: The pipeline and the demands on it.
        store: Where the pipeline's rows are kept.
        registry: Where to register the version.
        packages: The project's packages, whose code the version carries where it uses it.

    Raises:
        InputError: The history cannot be read.
        FitError: A model cannot be fitted.
        RegistryError: The registry cannot be reached or written to; nothing is half-registered.
    """
    history = ingest_history(declared, store)
    if blocking(HISTORY_CHECKS, history.results):
        return Trained(history.results, None)
    training_set = compute_training_set(declared, store)
    results = {**history.results, **training_set.results}
    if blocking(TRAINING_SET_CHECKS, training_set.results):
        return Trained(results, None)
    candidate = fit_candidate(declared, training_set.columns, registry, packages)
    return Trained({**results, **candidate.results}, candidate)


def ingest_history(declared: PipelineAssets, store: Store) -> History:
    """Read the history, and part its rows.

    Raises:
        InputError: It cannot be read.
    """
    schema = declared.pipeline.joint_schema
    rows = decode_source(declared.history, schema)
    suite = declared.suites.to_json("input")
    ingested = ingest(rows, schema, suite, declared.max_quarantined)
    results = {
        "decoding": carry_out(check_decoding, ingested),
        "input_suite": carry_out(check_input_suite, ingested),
    }
    aside = quarantine_table((*ingested.refused, *ingested.broken), ingested.duplicates)
    store.write("history_quarantine", aside)
    path = store.write_columns("history", ingested.columns)
    if declared.calendar is not None:
        write_history_profiles(
            store,
            ingested.columns,
            declared.pipeline.record_schema,
            declared.calendar.timezone,
            declared.calendar.start.isoformat(),
        )
    return History(ingested, results, path)


def compute_training_set(declared: PipelineAssets, store: Store) -> TrainingSet:
    """Compute every feature and label of the stored history, by the functions that serve.

    Raises:
        NotStoredError: There is no history yet.
        FitError: It has so few rows that nothing can be learnt from it.
        FunctionError: A function of a column fails.
    """
    pipeline = declared.pipeline
    raw = store.read_columns("history", pipeline.joint_schema.kinds)
    rows = len(raw[pipeline.key])
    if rows < LEAST_ROWS:
        raise FitError(
            f"{declared.name}: the history has {rows} rows that can be used, and it takes "
            f"{LEAST_ROWS} to fit a version and to evaluate it on the newest of them. Have more "
            f"of it delivered by {declared.history.describe()}."
        )
    names = training_columns(declared)
    computed = pipeline.graph.evaluate(raw, names)
    columns = {name: computed[name] for name in names}
    suite = declared.suites.to_json("features")
    found = {
        "feature_suite": carry_out(check_suite, suite, computed, pipeline.key),
        "row_locality": carry_out(check_locality, pipeline, raw),
    }
    results = worth_telling(declared, "training_set", found)
    return TrainingSet(columns, results, store.write_columns("training_set", columns))


def training_columns(declared: PipelineAssets) -> tuple[str, ...]:
    """Names of the training set's columns: fields, features and labels."""
    graph = declared.pipeline.graph
    known = {*declared.pipeline.joint_schema.names, *graph.model_free, *graph.labels}
    return tuple(name for name in graph.order if name in known)


def read_training_set(declared: PipelineAssets, store: Store) -> Columns:
    """The columns of the training set as it was stored.

    Raises:
        NotStoredError: There is none yet.
    """
    graph = declared.pipeline.graph
    kinds = {name: graph.kind(name) for name in training_columns(declared)}
    return store.read_columns("training_set", kinds)


def fit_candidate(
    declared: PipelineAssets, columns: Columns, registry: Registry, packages: Sequence[str] = ()
) -> Candidate:
    """Fit a version on all rows of the training set, and register it.

    The figures come from a fit to the older rows alone; the version itself has seen all rows.

    Args:
        declared: The pipeline and the demands on it.
        columns: The training set.
        registry: Where to register it.
        packages: The project's packages, whose code the version carries where it uses it.

    Raises:
        FitError: A model cannot be fitted.
        SnapshotError: The pipeline uses code that no version can carry.
        RegistryError: The registry cannot be reached or written to; nothing is half-registered.
    """
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.artifacts.writing import Evidence
    from lockstep.parity.environment import Environment
    from lockstep.parity.profiles import Profile
    from lockstep.parity.selection import choose_golden

    pipeline, graph = declared.pipeline, declared.pipeline.graph
    qualities, rows = tuple(declared.quality), len(columns[pipeline.key])
    source = Snapshot.of(pipeline, packages)
    evaluation = evaluate_holdout(pipeline, columns, qualities, declared.slices, declared.holdout)
    champion = registry.alias(declared.name, "champion")
    fitted = pipeline.unfitted().fit(columns)
    raw = {name: columns[name] for name in pipeline.joint_schema.names}
    golden = choose_golden(fitted, raw)
    profiled = {name: graph.kind(name) for name in graph.served if name != pipeline.key}
    metrics, window = _metrics(qualities, evaluation), _training_window(declared, columns)
    plots = {quality.title: quality_plot(quality, evaluation.held_out) for quality in qualities}
    evidence = Evidence(
        golden=golden,
        profile=Profile.of(fitted.evaluate(raw), profiled),
        suites={name: declared.suites.to_json(name) for name in ("input", "features", "outputs")},
        environment=Environment.capture(),
        metrics=metrics,
        rows=rows,
        trained_until=window[-1] if window else None,
    )
    names = ("trained_from", "trained_until") if window else ()
    tags = {name: time.isoformat() for name, time in zip(names, window, strict=True)}
    version = registry.log(fitted, source, evidence, tags=tags, plots=plots)
    found = {
        "round_trip": carry_out(_check_round_trip, registry, version),
        "wire_formats": carry_out(_check_wire_formats, registry, version, golden),
        "quality": carry_out(check_quality, qualities, evaluation),
        "baseline": carry_out(check_against_baseline, qualities, evaluation),
        "champion_comparison": carry_out(
            _check_against_champion, declared, columns, evaluation, registry, champion
        ),
        "slices": carry_out(check_slices, qualities, evaluation),
    }
    results = worth_telling(declared, "candidate", found)
    failed = [name for name, result in results.items() if result.is_error]
    if failed:
        registry.tag(version, FAILED_CHECKS, ",".join(failed))
    return Candidate(version, rows, metrics, plots, results)


def _metrics(qualities: tuple[Quality, ...], evaluation: Evaluation) -> dict[str, float]:
    """The figures of the held-out rows by title."""
    return {
        **{q.title: value for q, value in zip(qualities, evaluation.measured, strict=True)},
        **{
            f"{q.title} of a simple baseline": value
            for q, value in zip(qualities, evaluation.baseline, strict=True)
        },
    }


def _check_against_champion(
    declared: PipelineAssets,
    columns: Columns,
    evaluation: Evaluation,
    registry: Registry,
    champion: Version | None,
) -> CheckResult:
    qualities = tuple(declared.quality)
    if champion is None:
        return check_against_champion(qualities, evaluation, None)
    try:
        loaded = registry.load(declared.name, champion.version)
        measured = evaluate_champion(loaded.pipeline, columns, qualities, declared.holdout)
    except LockstepError as error:  # its successor must be trained all the same
        return CheckResult(False, f"The champion cannot be compared with: {error}", severity="WARN")
    return check_against_champion(qualities, evaluation, measured)


def _training_window(declared: PipelineAssets, columns: Columns) -> list[datetime]:
    """Event times of the oldest and the newest row; none where the rows have no event time."""
    time = declared.pipeline.record_schema.event_time
    times = columns[time] if time is not None else np.empty(0, dtype="datetime64[us]")
    known = times[~is_missing(times)]
    if not len(known):
        return []
    return [one.item().replace(tzinfo=UTC) for one in (known.min(), known.max())]


def _check_round_trip(registry: Registry, version: Version) -> CheckResult:
    from lockstep.artifacts.round_trip import replay_in_new_process

    loaded = registry.load(version.name, version.version)
    return check_comparison(replay_in_new_process(loaded), "in a new process")


def _check_wire_formats(registry: Registry, version: Version, golden: GoldenRecords) -> CheckResult:
    from lockstep.parity.replay import wire_formats

    loaded = registry.load(version.name, version.version)
    found = wire_formats(loaded.pipeline, golden, version=version.version)
    return check_comparison(found, "in every wire format")
