"""Partition records: what became of a partition at a stage, for later stages to rely on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from lockstep.checks.results import CheckResult
from lockstep.checks.specs import Check
from lockstep.columns.errors import LockstepError
from lockstep.scoring.store import Store


class BlockedError(LockstepError):
    """A partition was blocked by a check, and is not to go on."""


@dataclass(frozen=True)
class PartitionRecord:
    """What became of a partition at a stage.

    Attributes:
        counts: Rows by what became of them.
        blocked_by: Blocking checks that failed, each with what it found.
        version: The version that was used.
        written_at: When, in ISO form.
    """

    counts: Mapping[str, int]
    blocked_by: Mapping[str, str]
    version: str
    written_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


def blocking(checks: Iterable[Check], results: Mapping[str, CheckResult]) -> dict[str, str]:
    """The results that block what comes after, by check."""
    return {
        check.name: results[check.name].summary
        for check in checks
        if check.blocking and results[check.name].is_error
    }


def write_record(store: Store, stage: str, partition: str, record: PartitionRecord) -> None:
    """Keep a record, replacing that of an earlier run."""
    store.write_json(f"{stage}_record", asdict(record), partition)


def read_record(store: Store, stage: str, partition: str) -> PartitionRecord:
    """The record of a stage.

    Raises:
        BlockedError: The stage has not run.
    """
    found = store.read_json(f"{stage}_record", partition)
    if found is None:
        raise BlockedError(f"{stage} of {partition} has not been materialized; do that first.")
    return PartitionRecord(**found)


def demand_unblocked(store: Store, stage: str, partition: str) -> PartitionRecord:
    """The record of a stage that nothing blocks.

    Dagster stops a run at a blocking check, but a person can materialize a later asset by
    itself; this keeps blocked rows in all the same.

    Raises:
        BlockedError: The stage has not run, or a blocking check failed.
    """
    record = read_record(store, stage, partition)
    if record.blocked_by:
        reasons = "; ".join(f"{name}: {why}" for name, why in record.blocked_by.items())
        raise BlockedError(f"{stage} of {partition} is blocked by {reasons}")
    return record
