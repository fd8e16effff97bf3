"""A partition, scored: from the rows of a day or file to what consumers read, in three steps.

    ingest_batch   part the rows, and compare them with training and with the batches before
    score_batch    compute every column by the live version, and check what came of it
    publish        let consumers read it, if nothing blocks it

`score` carries out all three, as one attempt. Each reads from the attempt what the one before left
there, so that they can also be carried out one at a time, as Dagster's assets do. A version that
is live, a store and rows are all they need: a process of a pool does without registry and
orchestrator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.age import check_age, scoring_time
from lockstep.checks.code import check_code, check_environment
from lockstep.checks.constraints import check_constraints, check_shift
from lockstep.checks.drift import Population
from lockstep.checks.evidence import check_company, check_replay, check_sample
from lockstep.checks.ingest import check_decoding, check_input_suite, ingest
from lockstep.checks.quarantined import Aside, values_aside
from lockstep.checks.results import CheckResult, carry_out, coverage
from lockstep.checks.specs import (
    BATCH_CHECKS,
    CHECKS_BY_ASSET,
    COMPUTATION,
    SCORED_CHECKS,
    others_not_judged,
    worth_telling,
)
from lockstep.checks.suites import Quarantined, check_suite
from lockstep.columns.aside import quarantine_table
from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import all_of, counted, verb
from lockstep.columns.schema import Schema
from lockstep.columns.tables import to_arrow
from lockstep.project.declaration import PipelineAssets
from lockstep.rules.parting import applicable_rules
from lockstep.rules.rules import RowRules
from lockstep.scoring.accepting import demand_known
from lockstep.scoring.among import Among
from lockstep.scoring.drifting import Followed, follow
from lockstep.scoring.earlier import ACCEPTED, keep_for_later
from lockstep.scoring.restated import check_rescored, check_restated
from lockstep.scoring.rows import ComputedRows, FailingFunctionError, compute_rows
from lockstep.store.attempts import Attempt, DamagedError, StepRecord
from lockstep.store.live import SINCE, LiveState, check_live, last_published
from lockstep.store.parquet import Store
from lockstep.store.records import BlockedError, Records, blocking
from lockstep.store.streams import stream_records

if TYPE_CHECKING:
    import pyarrow as pa

    from lockstep.constraints.constraint_set import ConstraintSet
    from lockstep.parity.counterfactuals import Counterfactuals
    from lockstep.parity.profiles import Profile

_EXAMPLES = 5
"""Keys that a message names."""
_TOO_FEW_TO_PREDICT = (
    "Training has too few rows to fit models to a part of them: what they predict of others is not "
    "known."
)


@dataclass(frozen=True, eq=False)
class Work:
    """What one run does at one partition.

    Attributes:
        declared: The pipeline and the demands on its rows.
        store: Where the pipeline's rows are kept.
        stream: Name of the stream that the partition is of.
        partition: The day or file.
        run: The run: its steps share an attempt.
        live: What gate and registry tell of which version is live; None where nobody was asked.
    """

    declared: PipelineAssets
    store: Store
    stream: str
    partition: str
    run: str = field(default_factory=lambda: str(uuid4()))
    live: LiveState | None = None

    @property
    def records(self) -> Records:
        """The records of the stream."""
        return stream_records(self.declared, self.store, self.stream)

    @property
    def live_since(self) -> str | None:
        """Since when the version is live, in ISO form; None where the gate does not tell."""
        allowed = self.live.allowed if self.live is not None else None
        return None if allowed is None else allowed.since.isoformat()


@dataclass(frozen=True)
class Stage:
    """What a step made of a partition.

    Attributes:
        path: The file that it wrote; None where it had nothing to work on.
        counts: Rows by what became of them.
        results: What its checks found, by name.
        blocked_by: Blocking checks that are in error, each with what it found.
        figures: Means and shares of the outputs, by title.
        version: Number of the version that it used; None where it used none.
    """

    path: Path | None
    counts: Mapping[str, int]
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    blocked_by: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True)
class ScoredPartition:
    """What became of a partition: plain data, to be sent between processes.

    Attributes:
        partition: The day or file.
        version: Number of the version that was live.
        batch: Its rows, ingested.
        scored: Its rows, scored; None where a check of the batch blocks it.
        published: What consumers read; None where a check blocks it.
    """

    partition: str
    version: int
    batch: Stage
    scored: Stage | None = None
    published: Stage | None = None

    @property
    def results(self) -> dict[str, CheckResult]:
        """What all checks found, by name."""
        return {**self.batch.results, **(self.scored.results if self.scored else {})}


def score(
    work: Work, live: LoadedVersion, rows: Decoded, *, accept: Sequence[str] = ()
) -> ScoredPartition:
    """Score a partition and publish it, as far as its blocking checks let it.

    Args:
        work: The partition; what was published of it before is replaced, if nothing blocks.
        live: The version that serves.
        rows: Its rows, decoded as the version's record type declares them.
        accept: Findings that are real and meant to stay, by name, or all findings of a field.

    Raises:
        LockstepError: `accept` names neither a finding nor a field of the record.
        LockedError: Another process is at work on the partition, and goes on being.
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
    work: Work,
    live: LoadedVersion,
    rows: Decoded,
    *,
    accept: Sequence[str] = (),
    now: datetime | None = None,
) -> Stage:
    """Begin an attempt: part the rows, and compare them with training and the batches before.

    Args:
        work: The partition.
        live: The version that serves.
        rows: Its rows, decoded as the version's record type declares them.
        accept: Findings that are real and meant to stay, by name, or all findings of a field.
        now: When it is scored; by the clock if it is not said.

    Raises:
        LockstepError: `accept` names neither a finding nor a field of the record.
        LockedError: Another process is at work on the partition, and goes on being.
    """
    schema = live.pipeline.record_schema
    suite = live.suites["input"]
    demand_known(accept, schema)
    with work.records.step(work.partition, "batch", work.run) as attempt:
        ingested = ingest(rows, schema, suite, work.declared.max_quarantined)
        otherwise = partial(_otherwise, live, ingested.columns)
        aside_of = partial(
            values_aside, (*ingested.refused, *ingested.broken), ingested.columns, schema
        )
        path = attempt.write_columns("batch", ingested.columns)
        aside = quarantine_table((*ingested.refused, *ingested.broken), ingested.duplicates)
        attempt.write("batch_quarantine", aside)
        before = work.records.for_a_step()
        among = Among(work, live, before, ingested, accept, attempt.written)
        profile = cache(partial(_profile, ingested.columns, schema))
        drift = _input_drift(before, work, live, ingested.columns, profile, otherwise, aside_of)
        found = {
            **check_version(work, live, now),
            "decoding": carry_out(check_decoding, ingested),
            "input_suite": carry_out(
                check_input_suite,
                ingested,
                rows.columns,
                suite,
                partial(attempt.write_json, "input_suite"),
            ),
            "input_drift": drift.result,
            "sudden_shift": carry_out(_check_shift, among, otherwise),
            "constraints": carry_out(_check_constraints, among, otherwise, aside_of),
            "restated": carry_out(
                check_restated,
                before,
                work.partition,
                ingested.columns,
                schema,
                lambda *values: otherwise().otherwise(*values),
                aside=ingested.keys_aside,
            ),
        }
        results = worth_telling(work.declared, "batch", found)
        blocked_by = blocking(BATCH_CHECKS, results)
        kept, accepted = among.for_later(is_blocked=bool(blocked_by))
        if kept:
            keep_for_later(attempt, kept)
        done = attempt.keep(
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
                    **drift.facts,
                },
            ),
        )
    return Stage(path, done.counts, done.results, done.blocked_by, version=live.version)


def check_version(
    work: Work, live: LoadedVersion, now: datetime | None = None
) -> dict[str, CheckResult]:
    """What the checks of a batch find that look at the live version alone.

    Args:
        work: The partition.
        live: The version that serves.
        now: When it is scored; by the clock if it is not said.
    """
    at = scoring_time(work.declared, work.stream, work.partition, now or datetime.now(UTC))
    return {
        "live_version": carry_out(_check_live, work, live),
        "live_age": carry_out(check_age, live, at, work.declared.max_age),
    }


def score_batch(work: Work, live: LoadedVersion) -> Stage:
    """Compute every column of an ingested partition by the live version.

    Rows that break a critical row-level expectation of the feature or the output suite are set
    aside, like those on which a function fails. The checks look at all rows that were computed;
    where functions fail on more rows than may be set aside, there are none.

    Raises:
        BlockedError: The partition has not been ingested by this version, or a check blocks it.
        DamagedError: The ingested rows are not what was recorded.
        LockedError: Another process is at work on the partition, and goes on being.
    """
    pipeline = live.pipeline
    with work.records.step(work.partition, "scored", work.run, after=["batch"]) as attempt:
        _demand_version(attempt, live)
        raw = attempt.read_columns("batch", pipeline.record_schema.kinds)
        serving = live.fastest(len(raw[pipeline.key]))
        before = _quarantined(work, attempt)
        try:
            rows = compute_rows(serving, raw, before.room, _row_rules(live))
        except FailingFunctionError as error:
            found = {COMPUTATION.name: _not_computed(error, before)}
            done = attempt.keep("scored", failed_step(work, "scored", found, live))
            return Stage(None, done.counts, done.results, done.blocked_by, version=done.version)
        path = attempt.write("scored", _with_origin(to_arrow(rows.kept), live.version))
        attempt.write("scored_quarantine", quarantine_table(rows.aside))
        drift = _prediction_drift(work, live, rows)
        found = _scored_checks(work, live, serving, attempt, rows)
        found["prediction_drift"] = drift.result
        results = worth_telling(work.declared, "scored", found)
        counts = {"scored": len(rows.kept[pipeline.key]), "quarantined": len(rows.aside)}
        done = attempt.keep(
            "scored",
            StepRecord(
                counts=counts,
                results=results,
                blocked_by=blocking(SCORED_CHECKS, results),
                version=live.version,
                manifest=live.digest,
                facts={"published": list(published_columns(pipeline)), **drift.facts},
            ),
        )
    figures = _figures({name: rows.kept[name] for name in pipeline.graph.outputs})
    return Stage(path, done.counts, done.results, done.blocked_by, figures, live.version)


def failed_step(
    work: Work, step: str, found: Mapping[str, CheckResult], live: LoadedVersion | None = None
) -> StepRecord:
    """The record of a step that has nothing to work on.

    Args:
        work: The partition.
        step: The step.
        found: What the checks found that had something to look at, an error of one among it.
        live: The version that serves, where it could be loaded.
    """
    return StepRecord(
        results=others_not_judged(work.declared, step, found),
        blocked_by=blocking(CHECKS_BY_ASSET[step], found),
        version=live.version if live is not None else None,
        manifest=live.digest if live is not None else None,
    )


def publish(work: Work) -> Stage:
    """Commit a scored partition, and let consumers read it.

    Raises:
        BlockedError: The partition has not been scored, or a check blocks it.
        DamagedError: The scored rows are not what was recorded.
        LockedError: Another process is at work on the partition, and goes on being.
        SupersededError: Another run published the partition meanwhile.
    """
    records = work.records
    before = ["batch", "scored"]
    with records.step(work.partition, "published", work.run, after=before) as attempt:
        scored = attempt.record.steps["scored"]
        table = attempt.read("scored")
        wanted = scored.facts["published"]  # the checkout may have other outputs by now
        attempt.write("published", table.select([*wanted, "version", "scored_at"]))
        counts = {"published": len(table)}
        attempt.keep(
            "published",
            StepRecord(counts=counts, version=scored.version, manifest=scored.manifest),
        )
        records.commit(attempt)
    return Stage(records.export_path(work.partition), counts)


def published_columns(pipeline: Pipeline) -> tuple[str, ...]:
    """Names of the columns that consumers read, besides the version and the time."""
    time = pipeline.record_schema.event_time
    return (pipeline.key, *([time] if time is not None else []), *pipeline.graph.outputs)


def _demand_version(attempt: Attempt, live: LoadedVersion) -> None:
    """What a version is to score was parted and checked by its own declarations and suites."""
    batch = attempt.record.steps["batch"]
    if batch.manifest != live.digest:
        raise BlockedError(
            f"The batch of {attempt.record.partition} was ingested by version {batch.version}, and "
            f"version {live.version} is live now; score it from the beginning: {attempt.again}"
        )


def _with_origin(table: pa.Table, version: int) -> pa.Table:
    """The rows with the version that scored them, and when."""
    import pyarrow as pa

    count = len(table)
    now = datetime.now(UTC)
    return table.append_column("version", pa.array([version] * count, pa.int64())).append_column(
        "scored_at", pa.array([now] * count, pa.timestamp("us", tz="UTC"))
    )


def _row_rules(live: LoadedVersion) -> tuple[RowRules, ...]:
    """What each computed row must keep; a suite that cannot be asked fails in its own check."""
    graph = live.pipeline.graph
    kinds = {name: graph.kind(name) for name in graph.served}
    return applicable_rules((live.suites["features"], live.suites["outputs"]), kinds)


def _scored_checks(
    work: Work, live: LoadedVersion, serving: Pipeline, attempt: Attempt, rows: ComputedRows
) -> dict[str, CheckResult]:
    """What the checks find of all rows that were computed, those that are set aside among them."""
    columns, key = rows.columns, live.pipeline.key
    proven = attempt.record.steps["batch"].results["live_version"].passed
    before = _quarantined(work, attempt)
    quarantined = replace(before, rows=before.rows + len(rows.aside), left=len(rows.kept[key]))

    def hold(role: str, check: str) -> CheckResult:
        keep = partial(attempt.write_json, check)
        return carry_out(check_suite, live.suites[role], columns, key, quarantined, keep)

    return {
        "golden_replay": carry_out(check_replay, live, serving),
        "row_locality": carry_out(check_company, serving, columns),
        "reference_sample": carry_out(check_sample, live, columns),
        "computation": carry_out(_check_computation, rows, quarantined),
        "feature_suite": hold("features", "feature_suite"),
        "output_suite": hold("outputs", "output_suite"),
        "row_conservation": carry_out(_check_conservation, work, attempt, key),
        "rescored": carry_out(check_rescored, work.records, work.partition, columns, live),
        "code_parity": carry_out(check_code, work.declared.pipeline, live, proven=proven),
        "environment_parity": carry_out(check_environment, live, proven=proven),
    }


def _quarantined(work: Work, attempt: Attempt) -> Quarantined:
    """How many rows of an ingested partition are quarantined before any is computed."""
    counts = attempt.record.steps["batch"].counts
    return Quarantined(
        rows=counts["quarantined"],
        total=counts["rows_in"],
        left=counts["accepted"],
        limit=work.declared.max_quarantined,
    )


def _not_computed(error: FailingFunctionError, before: Quarantined) -> CheckResult:
    """The result of a partition on too many rows of which functions fail."""
    quarantined = replace(before, rows=before.rows + error.failed)
    return CheckResult(False, f"{error}{quarantined.excess}", column=error.column)


def _check_computation(rows: ComputedRows, quarantined: Quarantined) -> CheckResult:
    """Whether every row could be computed; those that could not are set aside."""
    failing = rows.failing
    total = len(failing) + len(next(iter(rows.columns.values())))
    numbers = {**coverage(total, len(rows.columns), {}), "failing": len(failing)}
    if not failing:
        return CheckResult(
            True, f"{all_of(total, 'row', 'was', 'were')} computed.", numbers=numbers
        )
    (reason, *_) = failing[0].reasons
    return CheckResult(
        False,
        f"{len(failing):,} of {counted(total, 'row')} cannot be computed, and "
        f"{verb(len(failing), 'is', 'are')} set aside: "
        f"{reason.message}{quarantined.excess}",
        severity="ERROR" if quarantined.too_many else "WARN",
        column=reason.column,
        keys=tuple(str(row.key) for row in failing),
        numbers=numbers,
    )


def _check_live(work: Work, live: LoadedVersion) -> CheckResult:
    return check_live(live, work.live, last_published(work.declared, work.store))


def _otherwise(live: LoadedVersion, accepted: Columns) -> Counterfactuals:
    """What the outputs of the accepted rows would be, had they other values."""
    from lockstep.parity.counterfactuals import Counterfactuals

    serving = live.fastest(len(accepted[live.pipeline.key]))
    return Counterfactuals(serving, accepted, live.profile)


def _profile(accepted: Columns, schema: Schema) -> Profile:
    """The profile of the rows that go on: of all fields but the key, which is new in every row."""
    from lockstep.parity.profiles import Profile

    kinds = {name: kind for name, kind in schema.kinds.items() if name != schema.key}
    return Profile.of(accepted, kinds)


def _input_drift(
    records: Records,
    work: Work,
    live: LoadedVersion,
    accepted: Columns,
    profile: Callable[[], Profile],
    otherwise: Callable[[], Counterfactuals],
    aside: Aside,
) -> Followed:
    """The drift of the accepted rows."""
    from lockstep.constraints.drift import drift

    known = live.constraints
    return follow(
        records,
        work.partition,
        "batch",
        live,
        lambda: Population(drift(known, accepted), known, live.profile, profile()),
        ask=lambda columns: otherwise().mixed(columns),
        aside=aside,
    )


def _prediction_drift(work: Work, live: LoadedVersion, rows: ComputedRows) -> Followed:
    """The drift of the outputs of the rows that are kept: decisions count on each day."""
    if live.outputs is None:
        return Followed(CheckResult.not_judged(_TOO_FEW_TO_PREDICT), {})
    return follow(
        work.records,
        work.partition,
        "scored",
        live,
        partial(_outputs, live, live.outputs, rows),
        ask=lambda columns: _otherwise(live, rows.kept).mixed(columns),
        each=True,
    )


def _outputs(live: LoadedVersion, outputs: ConstraintSet, rows: ComputedRows) -> Population:
    """The outputs of the rows that are kept, beside those of the training."""
    from lockstep.constraints.drift import drift
    from lockstep.parity.profiles import Profile

    graph = live.pipeline.graph
    kinds = {name: graph.kind(name) for name in graph.outputs}
    now = Profile.of(rows.kept, kinds)
    return Population(drift(outputs, rows.kept), outputs, live.profile, now)


def _check_shift(among: Among, otherwise: Callable[[], Counterfactuals]) -> CheckResult:
    """Whether the values of the accepted rows are those of the days before."""
    return check_shift(among.judged, lambda columns: otherwise().mixed(columns))


def _check_constraints(
    among: Among, otherwise: Callable[[], Counterfactuals], aside: Aside
) -> CheckResult:
    """Whether the accepted rows keep the constraints of the version.

    Args:
        among: The rows among the batches before.
        otherwise: Tells what outputs they would have, had they other values.
        aside: Tells what is missing of columns since its rows were quarantined.
    """
    found = check_constraints(
        among.judged,
        lambda column, rows: otherwise().typical([column], rows),
        aside,
        among.why_empty,
    )
    if found.judged:
        assert among.remembered is not None  # rows of which nothing can be kept do not pass
    return found


def _check_conservation(work: Work, attempt: Attempt, key: str) -> CheckResult:
    """Count the rows in the files themselves, and those that are published and came no more."""
    rows_in = attempt.record.steps["batch"].counts["rows_in"]
    scored = attempt.row_count("scored")
    steps = ("batch", "scored")
    aside = [attempt.read(f"{step}_quarantine", ["key", "fate"]) for step in steps]
    fates = [fate for table in aside for fate in table.column("fate").to_pylist()]
    quarantined, duplicates = fates.count("quarantined"), fates.count("duplicate")
    out = scored + quarantined + duplicates
    gone = _gone(work, attempt, key, aside)
    came = counted(rows_in, "row")
    went = f"{scored} scored + {quarantined} quarantined + {counted(duplicates, 'duplicate')}"
    said = f"{came} in = {went}" if rows_in == out else f"{came} came in, but {went} make {out}"
    if gone:
        said += (
            f"; {counted(len(gone), 'row')} that {verb(len(gone), 'was', 'were')} published of "
            f"{work.partition} before came no more, such as {gone[0]}"
        )
    return CheckResult(
        passed=rows_in == out and not gone,
        summary=f"{said}.",
        severity="ERROR" if rows_in != out else "WARN",
        keys=tuple(gone[:_EXAMPLES]),
        numbers={
            "rows_in": rows_in,
            "scored": scored,
            "quarantined": quarantined,
            "duplicates": duplicates,
            "came no more": len(gone),
        },
    )


def _gone(work: Work, attempt: Attempt, key: str, aside: Sequence[pa.Table]) -> list[str]:
    """Keys of rows that are published and were not delivered this time."""
    try:
        before = work.records.committed(work.partition)
        published = before.read("published") if before is not None else None
    except DamagedError:
        return []  # another attempt is how that is mended
    if published is None:
        return []
    columns = [attempt.read("scored", [key]).column(key), *(table.column("key") for table in aside)]
    delivered = {str(one) for column in columns for one in column.to_pylist()}
    keys = map(str, published.column(0).to_pylist())  # its version may have named the key otherwise
    return [one for one in keys if one not in delivered]


def _figures(outputs: Columns) -> dict[str, float]:
    """The mean of every output that has one, and the share of every output that is yes or no."""
    figures = {}
    for name, array in outputs.items():
        if len(array) and array.dtype.kind in "fib":
            mean = float(np.nanmean(array.astype(float)))
            figures[f"share of {name}" if array.dtype == bool else f"mean {name}"] = mean
    return figures
