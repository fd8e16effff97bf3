"""Status of a partition by its records: its check results, and whether its files are whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockstep.checks.check_results import CheckResult
from lockstep.columns.plain import to_the_minute
from lockstep.errors import DamagedError
from lockstep.store.attempts import Attempt
from lockstep.store.damage import damage, verify
from lockstep.store.partition_records import Records

STEPS = ("batch", "scored", "published")
"""The steps of scoring, in order."""
RECORD = "record"
"""Stands for a check in findings about records and files."""


@dataclass(frozen=True)
class StepFinding:
    """A finding about a step.

    Attributes:
        step: The step.
        check: Name of the check, or `RECORD`.
        result: Its result.
    """

    step: str
    check: str
    result: CheckResult


def findings(
    records: Records, partition: str, number: int | None = None, steps: Sequence[str] = STEPS
) -> list[StepFinding]:
    """The check results of an attempt, and what is wrong with the partition's records and files.

    Args:
        records: The records of its stream.
        partition: The day or file.
        number: Number of the attempt; the last one by default.
        steps: The steps of an attempt, in order.

    Raises:
        NotStoredError: There is no such attempt.
    """
    try:
        if number is None:
            _, found = recorded_findings(records, partition, steps)
        else:
            found = _results(records.attempt(partition, number), steps)
        verify(records, partition)
    except DamagedError as error:
        return [damaged_record(partition, error, steps)]
    return found


def recorded_findings(
    records: Records, partition: str, steps: Sequence[str] = STEPS
) -> tuple[Attempt | None, list[StepFinding]]:
    """The last attempt at a partition, and what its record tells; no other file is read.

    Args:
        records: The records of its stream.
        partition: The day or file.
        steps: The steps of an attempt, in order.

    Raises:
        DamagedError: A record is damaged or lost, or not as committed.
    """
    commit, numbers = records.commit_of(partition), records.numbers(partition)
    committed = records.committed(partition)
    if not numbers:
        return None, []
    if commit is not None and commit.attempt == numbers[-1]:
        attempt, lacking = committed, None
    else:
        attempt = records.attempt(partition, numbers[-1])
        lacking = _unfinished(records, attempt, steps)
    assert attempt is not None, "a commit has an attempt"
    return attempt, [*_results(attempt, steps), *([lacking] if lacking is not None else [])]


def _results(attempt: Attempt, steps: Sequence[str]) -> list[StepFinding]:
    return [
        StepFinding(step, name, result)
        for step in steps
        if step in attempt.record.steps
        for name, result in attempt.record.steps[step].results.items()
    ]


def damaged_record(
    partition: str, error: DamagedError, steps: Sequence[str] = STEPS
) -> StepFinding:
    """The finding that the records of a partition are damaged."""
    return StepFinding(steps[-1], RECORD, _damaged(partition, str(error)))


def ended(records: Records, partition: str) -> tuple[Attempt, str] | None:
    """The last attempt at a partition and its last step; None if it broke off, or is under way.

    Raises:
        DamagedError: The record of the attempt or its commit is damaged.
    """
    if records.holder(partition) is not None:
        return None
    attempt = records.last(partition)
    if attempt is None or not attempt.record.steps:
        return None
    last, done = list(attempt.record.steps.items())[-1]
    commit = records.commit_of(partition)
    is_committed = commit is not None and commit.attempt == attempt.number
    return (attempt, last) if is_committed or done.blocked_by else None


def is_blocked(records: Records, partition: str) -> bool:
    """Whether the last attempt at a partition ended at a check that blocks it."""
    try:
        end = ended(records, partition)
    except DamagedError:
        return False  # the next attempt reports it
    return end is not None and bool(end[0].record.steps[end[1]].blocked_by)


def damaged(records: Records, steps: Sequence[str] = STEPS) -> dict[str, StepFinding]:
    """The findings of published partitions that are not as they were published, by partition."""
    return {
        partition: StepFinding(steps[-1], RECORD, _damaged(partition, why))
        for partition, why in damage(records).items()
    }


def _damaged(partition: str, why: str) -> CheckResult:
    return CheckResult(False, why, where=f"the files of {partition}")


def _unfinished(records: Records, attempt: Attempt, steps: Sequence[str]) -> StepFinding | None:
    """A finding if the last attempt is not committed and no check blocks it."""
    partition, done = attempt.record.partition, attempt.record.steps
    commit = records.commit_of(partition)
    if commit is not None and commit.attempt == attempt.number:
        return None
    if any(step.blocked_by for step in done.values()):
        return None
    step = next((step for step in steps if step not in done), steps[-1])
    counting = "What consumers read" if records.exported is not None else "What counts"
    before = (
        f"{counting} is attempt {commit.attempt} of {to_the_minute(commit.committed_at)}"
        if commit is not None
        else "Nothing is published of it"
        if records.exported is not None
        else "No attempt at it counts"
    )
    at_work = records.holder(partition)
    if at_work is not None:
        message = f"Attempt {attempt.number} goes on: {at_work}. {before}."
        wait = "Wait until it ends, or end it and make the partition anew: AGAIN"
        return StepFinding(step, RECORD, CheckResult(False, message, "WARN", todo=wait))
    message = (
        f"Attempt {attempt.number} of {to_the_minute(attempt.record.started_at)} broke off before "
        f"{step} was {'committed' if step in done else 'recorded'}{_because(attempt)}. {before}."
    )
    return StepFinding(step, RECORD, CheckResult(False, message, where=str(attempt.folder)))


def _because(attempt: Attempt) -> str:
    reason = attempt.reason
    return f": {reason}" if reason is not None else ""
