"""Scoring a partition: from the rows of a day or file to published columns, in three steps.

    ingest_batch   part the rows, and compare them with training and with the batches before
    score_batch    compute every column by the live version, and check the result
    publish        let consumers read it, if nothing blocks it

`score` carries out all three, as one attempt. Each step reads from the attempt what the step before
wrote, so that they can also run one at a time, as Dagster's assets. They need a live version, a
store and rows only: a process of a pool does without registry and orchestrator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lockstep.artifacts.reading_guard import guarding
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.age import check_age, scoring_time
from lockstep.checks.check_results import CheckResult, attempted, carry_out
from lockstep.checks.code_checks import check_code, check_environment
from lockstep.checks.comparisons import (
    check_company,
    check_replay,
    check_sample,
    outside_readings,
)
from lockstep.checks.ingest import (
    Ingested,
    QuarantinedValues,
    check_decoding,
    check_input_suite,
    ingest,
)
from lockstep.checks.specs import (
    BATCH_CHECKS,
    CHECKS_BY_ASSET,
    COMPUTATION,
    SCORED_CHECKS,
    others_not_judged,
    worth_telling,
)
from lockstep.checks.suite_checks import Keep, Quarantined, check_suite
from lockstep.columns.aside import quarantine_table
from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import to_arrow
from lockstep.errors import BlockedError, FailingFunctionError, OutsideReadingError
from lockstep.parity.counterfactuals import Counterfactuals
from lockstep.project.declaration import PipelineAssets
from lockstep.rules.row_rules import RowRules, applicable_rules
from lockstep.scoring.among import compare, constraint_checks, keep_for_later
from lockstep.scoring.drifting import Followed, follow, population_of
from lockstep.scoring.earlier import ACCEPTED, demand_known
from lockstep.scoring.restated import check_rescored, check_restated
from lockstep.scoring.rows import (
    ComputedRows,
    check_computation,
    check_conservation,
    compute_rows,
    not_computed,
)
from lockstep.scoring.side_by_side import NAME as SIDE_BY_SIDE
from lockstep.scoring.side_by_side import side_by_side
from lockstep.scoring.work import FIGURES, Batch, Stage, Work
from lockstep.store.attempts import Attempt, StepRecord
from lockstep.store.handovers import Handovers
from lockstep.store.live_version import SINCE, check_live, last_published
from lockstep.store.partition_records import Records, blocking
from lockstep.store.put_back import PUT_BACK, read_put_back, with_rows_back

if TYPE_CHECKING:
    import pyarrow as pa


_TOO_FEW_TO_PREDICT = (
    "Training has too few rows to fit models to a part of them: what they predict of others is not "
    "known."
)


@dataclass(frozen=True)
class ScoredPartition:
    """The steps of a scored partition: plain data, to send between processes.

    Attributes:
        partition: The day or file.
        version: Number of the live version.
        batch: Its rows, ingested.
        scored: Its rows, scored; None where a check of the batch blocks it.
        published: The published rows; None where a check blocks them.
    """

    partition: str
    version: int
    batch: Stage
    scored: Stage | None = None
    published: Stage | None = None

    @property
    def results(self) -> dict[str, CheckResult]:
        """All check results by name."""
        return {**self.batch.results, **(self.scored.results if self.scored else {})}


def score(
    work: Work, live: LoadedVersion, rows: Decoded, *, accept: Sequence[str] = ()
) -> ScoredPartition:
    """Score a partition and publish it, unless a check blocks it.

    Args:
        work: The partition. Published rows of it are replaced, if nothing blocks.
        live: The version that serves.
        rows: Its rows, decoded as the version's record type declares them.
        accept: Findings that are real and meant to stay, by name, or all findings of a field.

    Raises:
        LockstepError: `accept` names neither a finding nor a field of the record.
        LockedError: Another process keeps the partition locked.
        SupersededError: Another run published the partition meanwhile.
    """
    batch = ingest_batch(work, live, rows, accept=accept)
    if batch.blocked_by:
        return ScoredPartition(work.partition, live.version, batch)
    scored = score_batch(work, live)
    if scored.blocked_by:
        return ScoredPartition(work.partition, live.version, batch, scored)
    return ScoredPartition(work.partition, live.version, batch, scored, publish(work))


def ingest_batch(
    work: Work, live: LoadedVersion, rows: Decoded, *, accept: Sequence[str] = ()
) -> Stage:
    """Begin an attempt: part the rows, and compare them with training and the batches before.

    Args:
        work: The partition.
        live: The version that serves.
        rows: Its rows, decoded as the version's record type declares them.
        accept: Findings that are real and meant to stay, by name, or all findings of a field.

    Raises:
        LockstepError: `accept` names neither a finding nor a field of the record.
        LockedError: Another process keeps the partition locked.
    """
    schema = live.pipeline.record_schema
    demand_known(accept, schema)
    with work.records.step(work.partition, "batch", work.run) as attempt:
        back = with_rows_back(rows, schema, read_put_back(work.records, work.partition))
        rows, most = back.rows, work.declared.max_quarantined
        ingested = ingest(rows, schema, live.suites["input"], most, back.accepted)
        aside = (*ingested.refused, *ingested.broken)
        attempt.write_columns("batch", ingested.columns)
        attempt.write("batch_quarantine", quarantine_table(aside, ingested.duplicates))
        records = work.records.for_a_step()
        compared = attempted(compare, work, live, records, ingested, accept, attempt.written)
        batch = Batch(
            columns=ingested.columns,
            records=records,
            counterfactuals=counterfactuals_of(live, ingested.columns),
            quarantined=QuarantinedValues(aside, ingested.columns, schema),
        )
        drift = input_drift(work, live, batch)
        checked = {
            **check_version(work, live),
            **input_checks(live, ingested, rows, partial(attempt.write_json, "input_suite")),
            "input_drift": drift.result,
            **constraint_checks(compared, batch),
            "restated": carry_out(
                check_restated,
                batch,
                work.partition,
                schema,
                aside={str(row.key) for row in (*aside, *ingested.duplicates)},
            ),
        }
        results = worth_telling(work.declared, "batch", checked)
        blocked_by = blocking(BATCH_CHECKS, results)
        accepted = keep_for_later(attempt, compared.value, is_blocked=bool(blocked_by))
        attempt.keep(
            "batch",
            StepRecord(
                counts=ingested.counts,
                results=results,
                blocked_by=blocked_by,
                version=live.version,
                manifest=live.digest,
                facts={
                    ACCEPTED: accepted,
                    SINCE: work.live_since,
                    **({PUT_BACK: back.facts} if back.facts else {}),
                    **drift.facts,
                },
            ),
        )
    return Stage.of(attempt, "batch")


def input_checks(
    live: LoadedVersion, ingested: Ingested, rows: Decoded, keep: Keep
) -> dict[str, CheckResult]:
    """Results of the checks that look at the batch's rows alone.

    Args:
        live: The version that serves.
        ingested: The parted rows.
        rows: All rows that fit their declaration.
        keep: Stores Great Expectations' results, as JSON.
    """
    suite = live.suites["input"]
    return {
        "decoding": carry_out(check_decoding, ingested),
        "input_suite": carry_out(check_input_suite, ingested, rows.columns, suite, keep),
    }


def input_drift(work: Work, live: LoadedVersion, batch: Batch) -> Followed:
    """The drift of the accepted rows from the training."""
    schema = live.pipeline.record_schema
    kinds = {name: kind for name, kind in schema.kinds.items() if name != schema.key}
    return follow(
        batch.records,
        work.partition,
        "batch",
        live,
        attempted(population_of, live.constraints, live, batch.columns, kinds),
        ask=batch.counterfactuals.mixed,
        aside=batch.quarantined,
    )


def check_version(work: Work, live: LoadedVersion) -> dict[str, CheckResult]:
    """Results of the checks that look at the live version alone."""
    at = scoring_time(work.declared, work.stream, work.partition, datetime.now(UTC))
    return {
        "live_version": carry_out(_check_live, work, live),
        "live_age": carry_out(check_age, live, at, work.declared.max_age),
    }


def score_batch(work: Work, live: LoadedVersion) -> Stage:
    """Compute every column of an ingested partition by the live version.

    Rows that break a critical row-level expectation of the feature or the output suite are set
    aside, like those on which a function fails. The checks look at all computed rows; there are
    none where functions fail on more rows than may be set aside, or are refused what they read.

    Raises:
        BlockedError: The partition has not been ingested by this version, or a check blocks it.
        DamagedError: The ingested rows are not those recorded.
        LockedError: Another process keeps the partition locked.
    """
    pipeline = live.pipeline
    with work.records.step(work.partition, "scored", work.run, after=["batch"]) as attempt:
        _demand_version(attempt, live)
        raw = attempt.read_columns("batch", pipeline.record_schema.kinds)
        serving = live.fastest(len(raw[pipeline.key]))
        before = _quarantined(work, attempt)
        failure = None
        with suppress(OutsideReadingError), guarding() as guard:
            try:
                accepted = _accepted(attempt)
                rows = compute_rows(serving, raw, before.room, _row_rules(live), accepted)
            except FailingFunctionError as error:
                failure = not_computed(error, before)
        if guard.readings:
            failure = outside_readings(guard.readings)
        if failure is not None:
            checked = {COMPUTATION.name: failure}
            attempt.keep("scored", failed_step(work, "scored", checked, live))
            return Stage.of(attempt, "scored")
        attempt.write("scored", _with_origin(to_arrow(rows.kept), live.version))
        attempt.write("scored_quarantine", quarantine_table(rows.aside))
        compared = side_by_side(work.records, work.partition, rows.kept, live)
        if compared is not None:
            attempt.write(SIDE_BY_SIDE, compared)
        drift = prediction_drift(work, live, rows)
        checked = _scored_checks(work, live, serving, attempt, rows, before)
        checked["prediction_drift"] = drift.result
        results = worth_telling(work.declared, "scored", checked)
        counts = {"scored": len(rows.kept[pipeline.key]), "quarantined": len(rows.aside)}
        figures = _figures({name: rows.kept[name] for name in pipeline.graph.outputs})
        published = list(published_columns(pipeline))
        attempt.keep(
            "scored",
            StepRecord(
                counts=counts,
                results=results,
                blocked_by=blocking(SCORED_CHECKS, results),
                version=live.version,
                manifest=live.digest,
                facts={"published": published, FIGURES: figures, **drift.facts},
            ),
        )
    return Stage.of(attempt, "scored")


def failed_step(
    work: Work, step: str, results: Mapping[str, CheckResult], live: LoadedVersion | None = None
) -> StepRecord:
    """The record of a step that has nothing to work on.

    Args:
        work: The partition.
        step: The step.
        results: Results of the checks that could be judged, with at least one error.
        live: The version that serves, where it could be loaded.
    """
    return StepRecord(
        results=others_not_judged(work.declared, step, results),
        blocked_by=blocking(CHECKS_BY_ASSET[step], results),
        version=live.version if live is not None else None,
        manifest=live.digest if live is not None else None,
    )


def publish(work: Work) -> Stage:
    """Commit a scored partition, let consumers read it, and give it to the sinks.

    A sink that fails holds nothing back: the check `sinks` tells it.

    Raises:
        BlockedError: The partition has not been scored, or a check blocks it.
        DamagedError: The scored rows are not those recorded.
        LockedError: Another process keeps the partition locked.
        SupersededError: Another run published the partition meanwhile.
    """
    records, run = work.records, work.run
    before = ["batch", "scored"]
    with (
        records.keeping_reason(work.partition, run),
        records.step(work.partition, "published", run, after=before) as attempt,
    ):
        scored = attempt.record.steps["scored"]
        table = attempt.read("scored")
        wanted = scored.facts["published"]  # the checkout may have other outputs by now
        came_at = records.came_at(work.partition) or datetime.now(UTC)
        table = table.select([*wanted, "version", "scored_at"])
        attempt.write("published", _with_time(table, "came_at", came_at))
        counts = {"published": len(table)}
        attempt.keep(
            "published",
            StepRecord(counts=counts, version=scored.version, manifest=scored.manifest),
        )
        records.commit(attempt)
        work.handovers.hand_over(attempt)
    return published_stage(work.declared, records, attempt)


def published_stage(declared: PipelineAssets, records: Records, attempt: Attempt) -> Stage:
    """The result of `publish`, with what the sinks hold now."""
    partition = attempt.record.partition
    stage = Stage.of(attempt, "published", records.export_path(partition))
    handovers = Handovers.of(declared, records)
    return replace(stage, results=handovers.results(partition))


def published_columns(pipeline: Pipeline) -> tuple[str, ...]:
    """Names of the published columns, besides the version and the time."""
    time = pipeline.record_schema.event_time
    return (pipeline.key, *([time] if time is not None else []), *pipeline.graph.outputs)


def _demand_version(attempt: Attempt, live: LoadedVersion) -> None:
    """Demand that the batch was parted and checked by the declarations of the same version."""
    batch = attempt.record.steps["batch"]
    if batch.manifest != live.digest:
        raise BlockedError(
            f"The batch of {attempt.record.partition} was ingested by version {batch.version}, and "
            f"version {live.version} is live now; score it from the beginning: {attempt.again}"
        )


def _with_origin(table: pa.Table, version: int) -> pa.Table:
    import pyarrow as pa

    table = table.append_column("version", pa.array([version] * len(table), pa.int64()))
    return _with_time(table, "scored_at", datetime.now(UTC))


def _with_time(table: pa.Table, name: str, time: datetime) -> pa.Table:
    import pyarrow as pa

    return table.append_column(name, pa.array([time] * len(table), pa.timestamp("us", tz="UTC")))


def _row_rules(live: LoadedVersion) -> tuple[RowRules, ...]:
    """The rules of computed rows; a suite that does not fit the columns fails in its own check."""
    graph = live.pipeline.graph
    kinds = {name: graph.kind(name) for name in graph.served}
    return applicable_rules((live.suites["features"], live.suites["outputs"]), kinds)


def _accepted(attempt: Attempt) -> tuple[str, ...]:
    """Keys of the rows that a person accepted as they are."""
    return tuple(attempt.record.steps["batch"].facts.get(PUT_BACK, {}).get("accepted", ()))


def _scored_checks(
    work: Work,
    live: LoadedVersion,
    serving: Pipeline,
    attempt: Attempt,
    rows: ComputedRows,
    before: Quarantined,
) -> dict[str, CheckResult]:
    """Results of the checks of all computed rows, with those that are set aside."""
    columns, key = rows.columns, live.pipeline.key
    proven = attempt.record.steps["batch"].results["live_version"].passed
    quarantined = replace(before, rows=before.rows + len(rows.aside), left=len(rows.kept[key]))

    suites = {
        check: carry_out(
            check_suite,
            live.suites[role],
            columns,
            key,
            quarantined,
            partial(attempt.write_json, check),
            _accepted(attempt),
        )
        for role, check in (("features", "feature_suite"), ("outputs", "output_suite"))
    }
    return {
        "golden_replay": carry_out(check_replay, live, serving),
        "row_locality": carry_out(check_company, serving, columns),
        "reference_sample": carry_out(check_sample, live, columns),
        "computation": carry_out(check_computation, rows, quarantined),
        **suites,
        "row_conservation": carry_out(check_conservation, work, attempt, key),
        "rescored": carry_out(check_rescored, work.records, work.partition, columns, live),
        "code_parity": carry_out(check_code, work.declared.pipeline, live, proven=proven),
        "environment_parity": carry_out(check_environment, live, proven=proven),
    }


def _quarantined(work: Work, attempt: Attempt) -> Quarantined:
    counts = attempt.record.steps["batch"].counts
    return Quarantined(
        rows=counts["quarantined"],
        total=counts["rows_in"],
        left=counts["accepted"],
        limit=work.declared.max_quarantined,
    )


def _check_live(work: Work, live: LoadedVersion) -> CheckResult:
    return check_live(live, work.live, last_published(work.declared, work.store))


def counterfactuals_of(live: LoadedVersion, columns: Columns) -> Counterfactuals:
    """Counterfactuals of rows: a version's outputs, had the rows other values."""
    serving = live.fastest(len(columns[live.pipeline.key]))
    return Counterfactuals(serving, columns, live.profile)


def prediction_drift(work: Work, live: LoadedVersion, rows: ComputedRows) -> Followed:
    """The drift of the kept rows' outputs: each day's decisions count by themselves."""
    if live.outputs is None:
        return Followed(CheckResult.not_judged(_TOO_FEW_TO_PREDICT), {})
    graph = live.pipeline.graph
    kinds = {name: graph.kind(name) for name in graph.outputs}
    return follow(
        work.records,
        work.partition,
        "scored",
        live,
        attempted(population_of, live.outputs, live, rows.kept, kinds),
        ask=counterfactuals_of(live, rows.kept).mixed,
        each=True,
    )


def _figures(outputs: Columns) -> dict[str, float]:
    """The mean of every output that is a number, and the share of every one that is a flag."""
    figures = {}
    for name, array in outputs.items():
        if len(array) and array.dtype.kind in "fib":
            mean = float(np.nanmean(array.astype(float)))
            if np.isfinite(mean):
                figures[f"share of {name}" if array.dtype == bool else f"mean {name}"] = mean
    return figures
