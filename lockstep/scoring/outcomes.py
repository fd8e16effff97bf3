"""Outcomes of the published rows, and the quality of their predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from math import isfinite
from pathlib import Path
from uuid import uuid4

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.arrival import (
    Arrival,
    Delivery,
    check_arrival,
    compare_delivery,
    due,
)
from lockstep.checks.check_results import carry_out, untold
from lockstep.checks.live_quality import (
    QUALITY,
    Watch,
    check_calibration,
    check_live_quality,
    demands,
    where_known,
)
from lockstep.checks.specs import worth_telling
from lockstep.checks.streams import outcome_records, stream_records
from lockstep.columns.aside import quarantine_table
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, verb
from lockstep.columns.schema import Schema
from lockstep.columns.tables import concat, from_arrow, kinds_of
from lockstep.errors import DamagedError, NotDeliveredError, UnreadableError
from lockstep.parity.changes import CHANGES, Changes
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.project.sources import Source, decode_source
from lockstep.refusals import Rejected
from lockstep.registry.registry import Registry
from lockstep.scoring.drifting import changes_before
from lockstep.scoring.outcome_attempts import STEP, days_before
from lockstep.scoring.scorer import load_scorer
from lockstep.store.attempts import StepRecord
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult


@dataclass(frozen=True)
class Outcomes:
    """A day's rows compared with their outcomes.

    Attributes:
        path: The file of the rows whose outcome is known.
        arrival: How many outcomes are known.
        counts: Numbers of rows: published, known, unknown so far, not published, refused.
        recent: Labels and measured predictions of the last days up to this one with enough known
            outcomes.
        measured: The demands that they can be measured by.
        figures: The metrics of these days, and the bias, where they are defined.
    """

    path: Path
    arrival: Arrival
    counts: Mapping[str, int]
    results: Mapping[str, CheckResult]
    recent: Columns
    measured: tuple[Quality, ...]
    figures: Mapping[str, float]


def compare_outcomes(
    declared: PipelineAssets,
    source: Source,
    registry: Registry,
    store: Store,
    day: str,
    *,
    run: str | None = None,
    now: datetime | None = None,
) -> Outcomes:
    """Compare a day's published predictions with their outcomes.

    They are measured by the columns of the version that scored them. Demands on columns that it
    lacks are not judged.

    Raises:
        NotStoredError: The day has not been published.
        DamagedError: The scored rows are not those recorded.
        ArtifactError: The version that scored the day is gone, or cannot be used.
        UnavailableError: The outcomes cannot be had now; or they are overdue.
        LockedError: Another process keeps the day locked.
    """
    published = stream_records(declared, store, "daily").demand(day)
    scored = published.record.steps["scored"]
    at, run = now or datetime.now(UTC), run or str(uuid4())
    records = outcome_records(declared, store)
    records.begin(day, run)  # a run that fails from here on left a trace
    scorer = load_scorer(registry, declared.name, published, "scored")
    served = scorer.pipeline
    graph, key = served.graph, served.key
    predicted = published.read_columns("scored", {name: graph.kind(name) for name in graph.served})
    arrived = _read(source, served, day, is_due=at >= due(declared, day))
    with records.step(day, STEP, run) as attempt:
        before, personal = _earlier(records, day, served), served.graph.personal
        delivery = _delivery(arrived, before, predicted[key], key, personal)
        columns = graph.evaluate(join_outcomes(served, predicted, delivery.outcomes), graph.labels)
        arrival = Arrival.of(declared, day, len(predicted[key]), len(columns[key]), at)
        demanded = demands(declared.quality, graph)
        names = compared_columns(served, demanded.measured)
        kinds = {name: graph.kind(name) for name in names}
        path = attempt.write_columns(STEP, {name: columns[name] for name in names})
        attempt.write("outcomes_quarantine", quarantine_table(delivery.refused))
        days, left_out = days_before(declared, store, day, kinds)
        recent = concat([*days, *([columns] if arrival.is_enough else [])], kinds)
        watch = Watch.of(
            scorer.weekly,
            _changes_before(records, day, scorer),
            day,
            demanded.measured,
            recent if arrival.is_enough else None,
        )
        results = {
            "arrival": carry_out(check_arrival, arrival, delivery, key),
            "live_quality": where_known(
                arrival,
                left_out,
                lambda: check_live_quality(
                    demanded.measured, columns, recent, demanded.lacking, watch
                ),
            ),
            "calibration": where_known(
                arrival, left_out, lambda: check_calibration(demanded.measured, recent, watch)
            ),
        }
        done = attempt.keep(
            STEP,
            StepRecord(
                counts={
                    "published": arrival.rows,
                    "known": arrival.known,
                    "unknown so far": arrival.rows - arrival.known,
                    "not published": len(delivery.strangers),
                    "refused": len(delivery.refused),
                },
                results=worth_telling(declared, "outcomes", results),
                version=scored.version,
                manifest=scored.manifest,
                facts={
                    "of": published.digest(),
                    "attempt": published.number,
                    "looked_at": at.isoformat(),
                    CHANGES: asdict(watch.changes),
                    QUALITY: watch.to_json(),
                },
            ),
        )
        records.commit(attempt)
    figures = {name: value for name, value in watch.measured.items() if isfinite(value)}
    return Outcomes(path, arrival, done.counts, done.results, recent, demanded.measured, figures)


def _changes_before(records: Records, day: str, scorer: LoadedVersion) -> Changes:
    """The lasting changes at the look before; none where its record is damaged."""
    try:
        return changes_before(records, day, STEP, scorer.digest)
    except DamagedError:
        return Changes(scorer.digest)  # the day is among those left out


@dataclass(frozen=True)
class _Read:
    """Outcomes as a source gave them; `note` is a remark, `fault` why they cannot be read."""

    columns: Columns
    refused: Sequence[Rejected] = ()
    note: str | None = None
    fault: UnreadableError | None = None


def _read(source: Source, pipeline: Pipeline, day: str, *, is_due: bool) -> _Read:
    """Read the outcomes of a day; none where they are not there yet and not due."""
    schema = outcome_schema(pipeline)
    try:
        decoded = decode_source(source, schema, date.fromisoformat(day))
        refuse_repeated(pipeline, decoded.columns)
    except NotDeliveredError as error:
        if is_due:
            raise
        return _Read(concat((), schema.kinds), note=str(error))
    except UnreadableError as error:
        return _Read(concat((), schema.kinds), fault=error)
    return _Read(decoded.columns, decoded.rejected)


def refuse_repeated(pipeline: Pipeline, arrived: Columns) -> None:
    """Refuse outcomes with a repeated key: nothing tells which one is right."""
    keys = arrived[pipeline.key].tolist()
    counts = Counter(keys)
    if len(counts) == len(keys):
        return
    repeated = [key for key, count in counts.most_common(3) if count > 1]
    raise UnreadableError(
        f"{pipeline.name}: {counted(len(keys) - len(counts), 'row')} of outcomes "
        f"{verb(len(keys) - len(counts), 'repeats', 'repeat')} the {pipeline.key} of "
        f"another, such as {', '.join(map(repr, repeated))}, and nothing tells which one is right. "
        "Have one outcome a record delivered.",
        pipeline.key,
    )


def _earlier(records: Records, day: str, pipeline: Pipeline) -> _Read:
    """Read the outcomes of a day that were known at the last look."""
    kinds = outcome_schema(pipeline).kinds
    try:
        look = records.committed(day)
        table = look.read(STEP) if look is not None else None
    except DamagedError as error:
        lost = f"what was known before is not compared: {error}"
        return _Read(concat((), kinds), note=lost)
    if table is None:
        return _Read(concat((), kinds))
    if not kinds.items() <= kinds_of(table).items():
        other = "what was known before has other fields, and is not compared"
        return _Read(concat((), kinds), note=other)
    return _Read(from_arrow(table, kinds))


def _delivery(
    arrived: _Read, earlier: _Read, published: Array, key: str, personal: Set[str]
) -> Delivery:
    delivery = compare_delivery(arrived.columns, earlier.columns, published, key)
    if arrived.fault is not None:
        return replace(delivery, withdrawn=(), fault=arrived.fault)
    notes = [read.note for read in (arrived, earlier) if read.note is not None]
    changed = untold(delivery.changed, personal)
    return replace(delivery, refused=arrived.refused, notes=notes, changed=changed)


def outcome_schema(pipeline: Pipeline) -> Schema:
    """The schema of an outcome's row: the key of its record, and the outcome's fields."""
    key, outcome = pipeline.record_schema[pipeline.key], pipeline.outcome_schema
    if outcome is None:  # a version from before its pipeline declared any
        return Schema(pipeline.record_schema.name, (key,))
    return Schema(outcome.name, (key, *outcome.fields))


def compared_columns(pipeline: Pipeline, qualities: Sequence[Quality]) -> tuple[str, ...]:
    """The key, the outcome's fields, the labels and the measured predictions, in graph order."""
    graph, outcome = pipeline.graph, pipeline.outcome_schema
    fields = outcome.names if outcome is not None else ()
    wanted = {pipeline.key, *fields, *graph.labels, *(quality.column for quality in qualities)}
    return tuple(name for name in graph.order if name in wanted)


def join_outcomes(pipeline: Pipeline, predicted: Columns, arrived: Columns) -> Columns:
    """Join scored rows with the outcomes that have arrived, in the order of the scored rows."""
    position = {key: row for row, key in enumerate(arrived[pipeline.key].tolist())}
    keys = predicted[pipeline.key].tolist()
    rows = np.array([row for row, key in enumerate(keys) if key in position], dtype=np.int64)
    matches = np.array([position[keys[row]] for row in rows.tolist()], dtype=np.int64)
    names = pipeline.outcome_schema.names if pipeline.outcome_schema is not None else ()
    return {
        **{name: array[rows] for name, array in predicted.items()},
        **{name: arrived[name][matches] for name in names},
    }
