"""A batch among the batches before: what constraints find of it, computed once for all checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import msgspec
import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import Attempted, CheckResult
from lockstep.checks.constraint_checks import (
    Terms,
    WeighedBatch,
    check_constraints,
    check_shift,
    judge,
)
from lockstep.checks.ingest import Ingested
from lockstep.columns.kinds import Columns, Ints
from lockstep.constraints.past import PastBatch
from lockstep.constraints.view import View, by_clock
from lockstep.scoring.earlier import Earlier, accepted_before, earlier_batches, keep_past
from lockstep.scoring.work import Batch, Work
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records


@dataclass(frozen=True, eq=False)
class ComparedBatch:
    """A batch beside the constraints of a version, among the batches before.

    Attributes:
        judged: What it breaks.
        past: What is kept of it for those that follow it, as if it were published.
        accepted: The findings that are accepted after it, each with its extent.
        why_empty: Why a batch without rows is no error; None where it is one.
    """

    judged: WeighedBatch
    past: Sequence[PastBatch]
    accepted: Mapping[str, float]
    why_empty: str | None


def compare(
    work: Work,
    live: LoadedVersion,
    records: Records,
    ingested: Ingested,
    accept: Sequence[str],
    written: Mapping[str, str],
) -> ComparedBatch:
    """Hold a batch against the constraints of the version that serves.

    Args:
        work: The partition.
        live: The version.
        records: The stream's.
        ingested: The rows, parted.
        accept: What a person accepts now.
        written: SHA-256 of the files of the attempt under way, by name.
    """
    constraints, policy = live.constraints, work.declared.constraints
    earlier = earlier_batches(records, work.partition, live.digest, policy.first_batches)
    days = days_of(work, live, ingested.columns)
    view = constraints.view(ingested.columns, days, earlier.batches)
    before = accepted_before(records, work.partition, written, live.digest)
    terms = replace(
        terms_of(work, live, ingested, earlier, view),
        accept=accept,
        accepted={**earlier.accepted, **before},
    )
    judged = judge(constraints, view, terms, of_one_day=work.stream == "daily")
    return ComparedBatch(
        judged=judged,
        past=constraints.remembered(view, judged.days, work.partition),
        accepted=judged.accepted(terms.accepted),
        why_empty=why_empty(work, live, ingested),
    )


def constraint_checks(compared: Attempted[ComparedBatch], batch: Batch) -> dict[str, CheckResult]:
    """What the checks find that constraints tell of.

    Args:
        compared: The batch beside the constraints.
        batch: Its rows.
    """
    ask = batch.counterfactuals
    found = compared.check(
        lambda one: check_constraints(one.judged, ask.typical, batch.quarantined, one.why_empty)
    )
    return {
        "sudden_shift": compared.check(lambda one: check_shift(one.judged, ask.mixed)),
        "constraints": replace(found, seconds=compared.seconds + found.seconds),
    }


def keep_for_later(
    attempt: Attempt, compared: ComparedBatch | None, *, is_blocked: bool
) -> Mapping[str, float]:
    """Keep what those that follow a batch look back for, and tell what is accepted after it.

    Args:
        attempt: The attempt, in whose step it is kept.
        compared: The batch beside the constraints; None where that failed, which blocks.
        is_blocked: Whether it is held back.
    """
    if compared is None:
        return {}
    kept = [
        msgspec.structs.replace(one, blocked=is_blocked, accepted=dict(compared.accepted))
        for one in compared.past
    ]
    if kept:
        keep_past(attempt, kept)
    return compared.accepted


def terms_of(
    work: Work, live: LoadedVersion, ingested: Ingested, earlier: Earlier, view: View
) -> Terms:
    """On what terms findings are weighed, but for what people accept.

    Args:
        work: The partition.
        live: The version.
        ingested: The rows, parted.
        earlier: What is known of the batches before.
        view: The rows as constraints see them.
    """
    graph, policy = live.pipeline.graph, work.declared.constraints
    is_file = not work.records.holds_days
    held_back = any(batch.blocked for batch in earlier.batches)  # then sums over days may be wrong
    set_aside = ingested.total - ingested.accepted
    too_many = set_aside > work.declared.max_quarantined * ingested.total
    return Terms(
        policy=policy,
        reaching={name for output in graph.outputs for name in graph.ancestors(output)},
        is_new=earlier.published < policy.first_batches,
        lacks_rows=held_back or is_file or set_aside > 0 or _is_after_gap(live, view),
        any_size=is_file or too_many,
    )


def why_empty(work: Work, live: LoadedVersion, ingested: Ingested) -> str | None:
    """Why a batch without rows is no error; None where it is one."""
    if ingested.total:
        return "all of them are set aside"
    constraints = live.constraints
    if constraints.layout.event_time is None or work.stream != "daily":
        return "nothing tells how many there should be"
    days = [one.day for one in constraints.past]
    if len(days) > 1 and np.diff(days).max() == 1:
        return None
    return "training had days without rows"


def _is_after_gap(live: LoadedVersion, view: View) -> bool:
    """Whether the batch before is longer ago than training days were from each other."""
    trained = [one.day for one in live.constraints.past]
    known = [one.day for one in view.past]
    if len(trained) < 2 or not known or not len(view):
        return False
    first = int(view.day.min())
    before = max((one for one in known if one < first), default=first)
    return first - before > int(np.diff(trained).max())


def days_of(work: Work, live: LoadedVersion, columns: Columns) -> Ints:
    """The day of each row, counted from 1970; without event times files are counted.

    Args:
        work: The partition.
        live: The version.
        columns: The rows.
    """
    schema, constraints = live.pipeline.record_schema, live.constraints
    count = len(next(iter(columns.values())))
    if work.stream == "daily":
        of_partition = date.fromisoformat(work.partition).toordinal()
        return np.full(count, of_partition - date(1970, 1, 1).toordinal())
    if schema.event_time is None:
        return np.full(count, constraints.days + work.records.count_before(work.partition))
    local = by_clock(columns[schema.event_time], constraints.layout.timezone)
    return local.astype("datetime64[D]").astype(np.int64)
