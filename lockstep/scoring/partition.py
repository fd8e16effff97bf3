"""Scoring a partition: from the rows of a day or file to published columns, in three steps.

    ingest_batch   part the rows, and compare them with training and with the batches before
    score_batch    compute every column by the live version, and check the result
    publish        let consumers read it, if nothing blocks it

An executor works on the rows in units (`lockstep.scoring.unit`); what comes back adds up. Each step
reads from the attempt what the step before wrote, so they can also run one at a time, as Dagster's
assets. A process of a pool does without registry and orchestrator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.age import check_age, scoring_time
from lockstep.checks.check_results import attempted, carry_out
from lockstep.checks.code_checks import check_code, check_environment
from lockstep.checks.comparisons import check_company, check_replay, check_sample
from lockstep.checks.drift_checks import Population
from lockstep.checks.handovers import Handovers
from lockstep.checks.ingest import QuarantinedValues, check_decoding, check_input_suite
from lockstep.checks.lookup_checks import (
    check_hits,
    check_no_future,
)
from lockstep.checks.specs import (
    BATCH_CHECKS,
    CHECKS_BY_ASSET,
    COMPUTATION,
    SCORED_CHECKS,
    blocking,
    others_not_judged,
    worth_telling,
)
from lockstep.checks.suite_checks import Keep, Quarantined, check_suite
from lockstep.checks.table_deliveries import check_deliveries
from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import with_time
from lockstep.columns.units import Units
from lockstep.errors import BlockedError
from lockstep.parity.counterfactuals import Counterfactuals
from lockstep.project.declaration import PipelineAssets
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.scoring.among import compare, constraint_checks, keep_for_later
from lockstep.scoring.drifting import Followed, follow, population_of
from lockstep.scoring.earlier import ACCEPTED, demand_known
from lockstep.scoring.live_check import SINCE, check_live, last_published
from lockstep.scoring.reduction import (
    IngestedUnits,
    hold_days,
    ingest_units,
    score_units,
)
from lockstep.scoring.restated import (
    SIDE_BY_SIDE,
    check_rescored,
    check_restated,
    side_by_side,
)
from lockstep.scoring.rows import (
    check_computation,
    check_conservation,
    keys_aside,
    looked_up_rows,
)
from lockstep.scoring.unit import ScoredUnit
from lockstep.scoring.work import FIGURES, Batch, Stage, Work
from lockstep.stats.sampling import Sampling
from lockstep.stats.sums import ExactSum
from lockstep.store.attempts import Attempt, StepRecord
from lockstep.store.partition_records import Records
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.put_back import PUT_BACK
from lockstep.store.results import CheckResult

ENVIRONMENTS = "environments"
"""The fact of a step that holds the fingerprints of the environments that worked on units."""
_TOO_FEW_TO_PREDICT = (
    "Training has too few rows to fit models to a part of them: what they predict of others is not "
    "known."
)
_CLOSED = CheckResult.not_judged("There are no rows, as a person accepted.")
_OF_ROWS = ("row_locality", "reference_sample", "feature_suite", "output_suite")
"""Checks that demand rows."""


def ingest_batch(
    work: Work,
    live: LoadedVersion,
    rows: Decoded | Units,
    *,
    accept: Sequence[str] = (),
) -> Stage:
    """Begin an attempt: part the rows, and compare them with training and the batches before.

    Args:
        rows: Its rows, decoded as the version's record type declares them; or units of them.
        accept: Findings that are real and meant to stay, by name, or all findings of a field.

    Raises:
        LockstepError: `accept` names neither a finding nor a field of the record.
        LockedError: Another process keeps the partition locked.
        BlockedError: A table that the version reads has never been delivered.
        UnreadableError: The content of a unit cannot be decoded.
    """
    schema = live.pipeline.record_schema
    demand_known(accept, live.pipeline.looked_up_schema)
    units, tables = Units.of(rows), PinnedTables.now(work.store, live.pipeline)
    live = live.with_tables(tables)
    with work.records.step(work.partition, "batch", work.run) as attempt:
        joined = ingest_units(work, live, units, attempt)
        records = work.records.for_a_step()
        compared = attempted(
            compare,
            work,
            live,
            records,
            joined.ingested,
            accept,
            attempt,
            joined.days,
            joined.set_aside,
        )
        if compared.value is not None:
            joined = hold_days(work, live, attempt, joined, compared.value.held_back)
        ingested = joined.ingested
        draw, columns = joined.draw, joined.sample.kept_columns
        wrong = ingested.refused + ingested.broken
        batch = Batch(
            columns=columns,
            draw=draw,
            records=records,
            counterfactuals=counterfactuals_of(live, columns),
            quarantined=QuarantinedValues(wrong, columns, schema, draw.of_each),
        )
        drift = input_drift(work, live, batch)
        checked = {
            **check_version(work, live),
            "table_delivery": carry_out(check_deliveries, work.declared, work.store),
            **input_checks(
                live,
                joined,
                partial(attempt.write_json, "input_suite"),
                is_closed=compared.value is not None and compared.value.judged.is_closed,
            ),
            "input_drift": drift.result,
            **constraint_checks(compared, batch, live),
            "restated": carry_out(
                check_restated, batch, work.partition, schema, partial(keys_aside, attempt, "batch")
            ),
        }
        results = worth_telling(work.declared, "batch", checked)
        blocked_by = blocking(BATCH_CHECKS, results)
        accepted = keep_for_later(attempt, compared.value, live, blocked_by)
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
                    ENVIRONMENTS: joined.environments,
                    **({PUT_BACK: joined.back} if joined.back else {}),
                    **tables.facts,
                    **drift.facts,
                },
            ),
        )
    return Stage.of(attempt, "batch")


def input_checks(
    live: LoadedVersion, batch: IngestedUnits, keep: Keep, *, is_closed: bool = False
) -> dict[str, CheckResult]:
    """Results of the checks that look at the batch's rows alone.

    `keep` stores Great Expectations' results, as JSON. A batch is closed if a person accepted that
    it has no rows.
    """
    suite = live.suites["input"]
    suited = partial(check_input_suite, batch.ingested, batch.sample.columns, suite, keep)
    return {
        "decoding": carry_out(check_decoding, batch.ingested),
        "input_suite": _CLOSED if is_closed else batch.counts.check(suited),
    }


def input_drift(work: Work, live: LoadedVersion, batch: Batch) -> Followed:
    """The drift of the accepted rows, and of what is looked up for them, from the training."""
    schema = live.pipeline.looked_up_schema
    kinds = {name: kind for name, kind in schema.kinds.items() if name != schema.key}

    def population() -> Population:
        columns = looked_up_rows(live.pipeline, batch.columns, len(batch.columns[schema.key or ""]))
        return population_of(live.constraints, live, columns, kinds)

    return follow(
        batch.records,
        work.partition,
        "batch",
        live,
        attempted(population),
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
    with work.records.step(work.partition, "scored", work.run, after=["batch"]) as attempt:
        _demand_version(attempt, live)
        tables = PinnedTables.of(work.store, attempt.record.steps["batch"])
        live = live.with_tables(tables)
        before = _quarantined(work, attempt)
        accepted = attempt.record.steps["batch"].facts.get(PUT_BACK, {}).get("accepted", ())
        joined = score_units(work, live, attempt, before, accepted)
        if isinstance(joined, CheckResult):
            attempt.written.clear()  # parts of other units, which say nothing by themselves
            checked = {COMPUTATION.name: joined}
            attempt.keep("scored", failed_step(work, "scored", checked, live))
            return Stage.of(attempt, "scored")
        compared = side_by_side(work.records, attempt, live)
        if compared is not None:
            attempt.write(SIDE_BY_SIDE, compared)
        drift = prediction_drift(work, live, joined.sample.kept_columns)
        checked = _scored_checks(work, live, attempt, joined, before)
        checked["prediction_drift"] = drift.result
        results = worth_telling(work.declared, "scored", checked)
        counts = {"scored": joined.scored, "quarantined": joined.aside}
        figures = _figures(live.pipeline, joined.sums)
        published = list(published_columns(live.pipeline))
        attempt.keep(
            "scored",
            StepRecord(
                counts=counts,
                results=results,
                blocked_by=blocking(SCORED_CHECKS, results),
                version=live.version,
                manifest=live.digest,
                facts={"published": published, FIGURES: figures, **tables.facts, **drift.facts},
            ),
        )
    return Stage.of(attempt, "scored")


def failed_step(
    work: Work, step: str, results: Mapping[str, CheckResult], live: LoadedVersion | None = None
) -> StepRecord:
    """The record of a step that has nothing to work on; one of the results is an error at least."""
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
        wanted = scored.facts["published"]  # the checkout may have other outputs by now
        came_at = records.came_at(work.partition) or records.now()
        parts = attempt.parts("scored", [*wanted, "version", "scored_at"])
        attempt.write_joined("published", (with_time(part, "came_at", came_at) for part in parts))
        counts = {"published": attempt.row_count("published")}
        attempt.keep(
            "published",
            StepRecord(counts=counts, version=scored.version, manifest=scored.manifest),
        )
        records.commit(attempt, once=work.once)
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


def _scored_checks(
    work: Work, live: LoadedVersion, attempt: Attempt, rows: ScoredUnit, before: Quarantined
) -> dict[str, CheckResult]:
    """Results of the checks of all computed rows, with those that are set aside."""
    columns, key, graph = rows.sample.columns, live.pipeline.key, live.pipeline.graph
    batch, draw = attempt.record.steps["batch"], Sampling(rows.computed)
    proven = batch.results["live_version"].passed
    quarantined = replace(before, rows=before.rows + rows.aside, left=rows.scored)
    serving = live.compiled.pipeline
    names = (("features", "feature_suite"), ("outputs", "output_suite"))

    def suite(role: str, check: str, counts: SuiteCounts) -> CheckResult:
        keep = partial(attempt.write_json, check)
        return check_suite(live.suites[role], columns, key, quarantined, keep, counts)

    suites = {check: rows.counts[role].check(partial(suite, role, check)) for role, check in names}
    environments = {*batch.facts.get(ENVIRONMENTS, ()), *rows.environments}
    return {
        **(_lookup_checks(live, columns) if live.pipeline.tables else {}),
        "golden_replay": carry_out(check_replay, live, serving),
        "row_locality": rows.company.check(check_company, graph),
        "reference_sample": carry_out(check_sample, live, columns),
        "computation": carry_out(
            check_computation,
            rows.failing,
            rows.computed - len(rows.failing),
            len(graph.served),
            quarantined,
        ),
        **suites,
        **({} if before.total else dict.fromkeys(_OF_ROWS, _CLOSED)),
        "row_conservation": carry_out(check_conservation, work, attempt, key, draw),
        "rescored": carry_out(check_rescored, work.records, work.partition, columns, live, draw),
        "code_parity": carry_out(check_code, work.declared.pipeline, live, proven=proven),
        "environment_parity": carry_out(check_environment, live, proven=proven, units=environments),
    }


def _lookup_checks(live: LoadedVersion, columns: Columns) -> dict[str, CheckResult]:
    """Results of the checks of look-ups and windows."""
    without_future = partial(check_no_future, sampled=True)
    return {
        "no_future": carry_out(without_future, live.pipeline, columns),
        "table_freshness": carry_out(check_hits, live.pipeline, columns, live.profile),
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
    serving = live.compiled.pipeline
    return Counterfactuals(serving, columns, live.profile)


def prediction_drift(work: Work, live: LoadedVersion, kept: Columns) -> Followed:
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
        attempted(population_of, live.outputs, live, kept, kinds),
        ask=counterfactuals_of(live, kept).mixed,
        each=True,
    )


def _figures(pipeline: Pipeline, sums: Mapping[str, ExactSum]) -> dict[str, float]:
    """The mean of every output that is a number, and the share of every one that is a flag."""
    is_flag = {name: pipeline.graph.kind(name) is Kind.BOOL for name in sums}
    return {
        f"{'share of' if is_flag[name] else 'mean'} {name}": total.mean
        for name, total in sums.items()
        if total.count
    }
