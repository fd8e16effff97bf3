"""Status of a partition by its records: its check results, and whether its files are whole.

An attempt that neither counts nor is blocked goes on or broke off. Its run says which, where runs
are known; else its process does, wherever that can be seen; else only time tells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from lockstep.columns.plain import to_the_minute
from lockstep.errors import DamagedError
from lockstep.store.attempts import Attempt
from lockstep.store.damage import damage, verify
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult

STEPS = ("batch", "scored", "published")
"""The steps of scoring, in order."""
RECORD = "record"
"""Stands for a check in findings about records and files."""
Progress: TypeAlias = Literal["under_way", "interrupted", "broken_off"]
"""Of an attempt that neither counts nor is blocked: it goes on; its run was killed, or failed for a
cause from outside, and the next one comes by itself; or a person has to make it anew."""
RunProgress: TypeAlias = Literal["under_way", "interrupted", "ended", "unknown", "not_asked"]
"""Of the run of such an attempt: the same, it ended, nobody knows of it, or nobody asked yet."""
Runs: TypeAlias = Callable[[str], RunProgress]
"""The progress of a run, by its identifier."""
_PATIENCE = timedelta(hours=1)
"""How long an attempt may record nothing of which no run and no process is known."""


def nobody_knows(run: str) -> RunProgress:
    """The progress of a run where nothing says it."""
    return "unknown"


@dataclass(frozen=True)
class StepFinding:
    """A finding about a step."""

    step: str
    check: str  # its name, or `RECORD`
    result: CheckResult


def findings(
    records: Records,
    partition: str,
    number: int | None = None,
    steps: Sequence[str] = STEPS,
    runs: Runs = nobody_knows,
) -> list[StepFinding]:
    """The check results of an attempt, and what is wrong with the partition's records and files.

    It is the last attempt by default; NotStoredError where there is no such one.
    """
    try:
        if number is None:
            _, _, found = recorded_findings(records, partition, steps, runs)
        else:
            found = _results(records.attempt(partition, number), steps)
        verify(records, partition)
    except DamagedError as error:
        return [damaged_record(partition, error, steps)]
    return found


def recorded_findings(
    records: Records, partition: str, steps: Sequence[str] = STEPS, runs: Runs = nobody_knows
) -> tuple[Attempt | None, Progress | None, list[StepFinding]]:
    """The last attempt at a partition, and what its record tells; no other file is read.

    Args:
        runs: The progress of runs, asked before: what a run did before its end is recorded then.

    Returns:
        The attempt, its progress if it neither counts nor is blocked, and the findings.
    """
    commit, numbers = records.commit_of(partition), records.numbers(partition)
    committed = records.committed(partition)
    if not numbers:
        return None, None, []
    if commit is not None and commit.attempt == numbers[-1]:
        assert committed is not None, "a commit has an attempt"
        return committed, None, _results(committed, steps)
    attempt = records.attempt(partition, numbers[-1])
    found = _results(attempt, steps)
    if attempt.record.is_blocked:
        return attempt, None, found
    progress = progress_of(records, attempt, runs)
    return attempt, progress, [*found, _unfinished(records, attempt, steps, progress)]


def progress_of(records: Records, attempt: Attempt, runs: Runs = nobody_knows) -> Progress:
    """The progress of an attempt that neither counts nor is blocked."""
    record = attempt.record
    run, process = runs(record.run), record.process
    if run in ("under_way", "interrupted"):
        return run
    if run == "ended":
        return "broken_off"
    lives = process.lives if process is not None else None
    if lives is None:  # of another machine, or of a record of before
        is_at_work = records.holder(record.partition) is not None
        lives = is_at_work or record.seen_at + _PATIENCE > datetime.now(UTC)
    if lives and attempt.reason is None:
        return "under_way"
    return "interrupted" if run == "not_asked" else "broken_off"


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
    """The last attempt at a partition and its last step; None if it broke off, or is under way."""
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


def _unfinished(
    records: Records, attempt: Attempt, steps: Sequence[str], progress: Progress
) -> StepFinding:
    """What there is to tell of an attempt that is not committed, and that no check blocks."""
    record, done = attempt.record, attempt.record.steps
    commit = records.commit_of(record.partition)
    step = next((step for step in steps if step not in done), steps[-1])
    counting = "What consumers read" if records.exported is not None else "What counts"
    before = (
        f"{counting} is attempt {commit.attempt} of {to_the_minute(commit.committed_at)}"
        if commit is not None
        else "Nothing is published of it"
        if records.exported is not None
        else "No attempt at it counts"
    )
    begun = f"Attempt {attempt.number} of {to_the_minute(record.started_at)}"
    if progress == "under_way":
        lacking = f"{begun} goes on, by {record.by}. {before}."
        return StepFinding(step, RECORD, CheckResult.not_judged(lacking))
    broke_off = (
        f"{begun} broke off before {step} was {'committed' if step in done else 'recorded'}"
        f"{_because(attempt)}. {before}."
    )
    if progress == "interrupted":
        result = CheckResult(
            False,
            f"{broke_off} Another run of it comes by itself.",
            "WARN",
            where=str(attempt.folder),
            todo="Wait for that; to have it at once: AGAIN",
        )
    else:
        result = CheckResult(False, broke_off, where=str(attempt.folder))
    return StepFinding(step, RECORD, result)


def _because(attempt: Attempt) -> str:
    reason = attempt.reason
    return f": {reason}" if reason is not None else ""
