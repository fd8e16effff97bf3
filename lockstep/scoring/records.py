"""Records: which attempts at the partitions of a stream there were, and which one counts.

    attempts/PARTITION/NUMBER/   an attempt's files and its record (`lockstep.scoring.attempts`)
    records/PARTITION.json       the attempt that counts, and the SHA-256 of its record
    published/PARTITION.parquet  a copy of what it made for consumers
    locks/PARTITION.lock         held by the one process that is at work on the partition

Replacing the small file in `records/` is the commit: until then everything is as it was before the
attempt, and whoever reads goes by that file and by nothing else.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lockstep.artifacts.atomic import replace, replace_text
from lockstep.checks.results import CheckResult
from lockstep.checks.specs import Check
from lockstep.columns.errors import LockstepError
from lockstep.scoring.attempts import RECORD, Attempt, AttemptRecord, DamagedError
from lockstep.scoring.lock import LockedError, locked
from lockstep.scoring.store import NotStoredError, Store, file_name, partition_of


class BlockedError(LockstepError):
    """A partition was blocked by a check, and is not to go on."""


class SupersededError(LockstepError):
    """While an attempt was under way, a later one was committed."""


@dataclass(frozen=True)
class Commit:
    """Which attempt at a partition counts.

    Attributes:
        partition: The day or file.
        attempt: Number of the attempt.
        committed_at: Since when, in ISO form.
        record: SHA-256 of the attempt's record.
    """

    partition: str
    attempt: int
    committed_at: str
    record: str


@dataclass(frozen=True, eq=False)
class Records:
    """The attempts at the partitions of a stream, and which of them count.

    Attributes:
        root: The stream's folder.
        again: The command that makes a partition anew, for messages.
        kept: How many attempts at a partition are kept, the committed one among them.
        exported: The file of an attempt that consumers read from `NAME/PARTITION.parquet`,
            without its suffix; None where there are none.
    """

    root: Path
    again: Callable[[str], str]
    kept: int = 3
    exported: str | None = None

    def partitions(self) -> list[str]:
        """Partitions of which an attempt is committed, in the order of their names."""
        found = (self.root / "records").glob("*.json")
        return sorted(partition_of(path.stem) for path in found)

    def attempted(self) -> list[str]:
        """Partitions at which there was an attempt, in the order of their names."""
        return sorted(partition_of(path.name) for path in (self.root / "attempts").glob("*"))

    def numbers(self, partition: str) -> list[int]:
        """Numbers of the attempts at a partition that are kept, in order."""
        return [
            number
            for number in self._folders(partition)
            if (self._attempts(partition) / str(number) / RECORD).exists()
        ]

    def commit_of(self, partition: str) -> Commit | None:
        """Which attempt at a partition counts; None if none does.

        Raises:
            DamagedError: The file that says so is damaged.
        """
        path = self._commit(partition)
        try:
            return Commit(**msgspec.json.decode(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise DamagedError(
                f"{path} does not tell which attempt at {partition} counts ({error}); make it "
                f"anew: {self.again(partition)}"
            ) from error

    def committed(self, partition: str) -> Attempt | None:
        """The attempt at a partition that counts; None if none does.

        Raises:
            DamagedError: Its record is not what was committed.
        """
        commit = self.commit_of(partition)
        if commit is None:
            return None
        folder = self._attempts(partition) / str(commit.attempt)
        return Attempt.open(folder, self.again(partition), commit.record)

    def demand(self, partition: str) -> Attempt:
        """The attempt at a partition that counts.

        Raises:
            NotStoredError: None does.
            DamagedError: Its record is not what was committed.
        """
        found = self.committed(partition)
        if found is None:
            raise NotStoredError(
                f"No attempt at {self.root.name}/{partition} has gone through yet: "
                f"{self.again(partition)}"
            )
        return found

    def attempt(self, partition: str, number: int) -> Attempt:
        """An attempt at a partition, whatever came of it.

        Raises:
            NotStoredError: There is none of that number, or it is kept no longer.
            DamagedError: Its record is damaged.
        """
        kept = self.numbers(partition)
        if number not in kept:
            shown = f"there are {', '.join(map(str, kept))}" if kept else "there is none"
            raise NotStoredError(
                f"No attempt {number} at {self.root.name}/{partition} is kept; {shown}."
            )
        return Attempt.open(self._attempts(partition) / str(number), self.again(partition))

    def newest(self, partition: str) -> Attempt | None:
        """The last attempt at a partition, whatever came of it; None if there was none.

        Raises:
            DamagedError: Its record is damaged.
        """
        return next(self._newest_first(partition), None)

    @contextmanager
    def step(
        self, partition: str, step: str, run: str, *, after: Sequence[str] = ()
    ) -> Iterator[Attempt]:
        """The attempt in which a run carries out a step, with the partition's lock held.

        A run goes on with its own attempt. One that has none, since somebody carries out a later
        step alone, takes over the steps before it from the last attempt, as an attempt of its own.

        Args:
            partition: The partition.
            step: The step to carry out.
            run: The run that does it.
            after: The steps before it; none for the first step, which begins an attempt.

        Raises:
            LockedError: Another process is at work on the partition, and goes on being.
            BlockedError: A step before it has not been carried out, or a check blocks it.
            DamagedError: A file of a step before it is not what was recorded.
        """
        self.export_what_is_missing()
        with locked(self._lock(partition), f"{self.root.name}/{partition}"):
            yield self._attempt_for(partition, step, run, after)

    def commit(self, attempt: Attempt) -> None:
        """Make an attempt the one that counts, and let consumers read what it made.

        Raises:
            SupersededError: A later attempt has been committed meanwhile.
        """
        partition = attempt.record.partition
        before = self._committed_number(partition)
        if before > attempt.number:
            raise SupersededError(
                f"Attempt {attempt.number} at {self.root.name}/{partition} is not committed: "
                f"attempt {before} began later and counts already. If it should not count, make "
                f"the partition anew: {self.again(partition)}"
            )
        commit = Commit(partition, attempt.number, datetime.now(UTC).isoformat(), attempt.digest())
        replace_text(self._commit(partition), json.dumps(asdict(commit), indent=1) + "\n")
        self._export(attempt)
        self._prune(partition, {attempt.number})

    def export_path(self, partition: str) -> Path:
        """Where consumers read what the committed attempt at a partition made."""
        assert self.exported is not None, "a stream that consumers read says what they read"
        return self.root / self.exported / f"{file_name(partition)}.parquet"

    def export_what_is_missing(self) -> None:
        """Let consumers read what was committed by a process that was killed before it did so."""
        if self.exported is None:
            return
        for partition in self.partitions():
            if not self._is_export_older(partition):
                continue
            try:
                with locked(self._lock(partition), partition, wait=0):
                    self._export(self.demand(partition))
            except (LockedError, DamagedError):
                continue  # whoever holds it exports it; damage is told by whoever reads it

    def _attempt_for(self, partition: str, step: str, run: str, after: Sequence[str]) -> Attempt:
        if not after:
            return self._begin(partition, run)
        origin: Attempt | None = None
        for attempt in self._newest_first(partition):
            steps = attempt.record.steps
            if attempt.record.run == run and step not in steps and set(after) <= set(steps):
                _demand_unblocked(attempt, after)
                return attempt
            if origin is None and steps:
                origin = attempt
        if origin is None:
            raise BlockedError(
                f"{self.root.name}/{after[0]} of {partition} has not been materialized; do that "
                f"first: {self.again(partition)}"
            )
        _demand_unblocked(origin, after)
        return self._begin(partition, run, origin, after)

    def _begin(
        self, partition: str, run: str, origin: Attempt | None = None, after: Sequence[str] = ()
    ) -> Attempt:
        number = max(self._folders(partition), default=0) + 1
        taken = {step: origin.record.steps[step] for step in after} if origin is not None else {}
        record = AttemptRecord(partition, number, run, steps=taken)
        folder = self._attempts(partition) / str(number)
        begun = Attempt.begin(folder, record, self.again(partition), origin)
        self._prune(partition, {number, self._committed_number(partition)})
        return begun

    def _newest_first(self, partition: str) -> Iterator[Attempt]:
        for number in reversed(self.numbers(partition)):
            yield self.attempt(partition, number)

    def _committed_number(self, partition: str) -> int:
        """Number of the attempt that counts; 0 if none does, or nobody can tell any more."""
        try:
            commit = self.commit_of(partition)
        except DamagedError:
            return 0  # another commit is how that is repaired
        return commit.attempt if commit is not None else 0

    def _export(self, attempt: Attempt) -> None:
        if self.exported is None:
            return
        name = f"{self.exported}.parquet"
        attempt.verify([name])
        replace(
            self.export_path(attempt.record.partition),
            lambda target: shutil.copyfile(attempt.path(name), target),
        )

    def _is_export_older(self, partition: str) -> bool:
        export = self.export_path(partition)
        if not export.exists():
            return True
        return export.stat().st_mtime_ns < self._commit(partition).stat().st_mtime_ns

    def _prune(self, partition: str, needed: set[int]) -> None:
        """Remove the oldest attempts until `kept` are left, but none that is needed."""
        others = [number for number in self._folders(partition) if number not in needed]
        most = max(self.kept - len(needed - {0}), 0)
        for number in others[: max(len(others) - most, 0)]:
            folder = self._attempts(partition) / str(number)
            (folder / RECORD).unlink(missing_ok=True)  # half of an attempt is none
            shutil.rmtree(folder)

    def _folders(self, partition: str) -> list[int]:
        """Numbers that are taken, by attempts that were killed before their first record too."""
        found = self._attempts(partition).glob("*")
        return sorted(int(path.name) for path in found if path.name.isdigit())

    def _attempts(self, partition: str) -> Path:
        return self.root / "attempts" / file_name(partition)

    def _commit(self, partition: str) -> Path:
        return self.root / "records" / f"{file_name(partition)}.json"

    def _lock(self, partition: str) -> Path:
        return self.root / "locks" / f"{file_name(partition)}.lock"


def _demand_unblocked(attempt: Attempt, steps: Iterable[str]) -> None:
    """Check that steps of an attempt are done and nothing blocks them.

    Dagster stops a run at a blocking check, but a person can materialize a later asset by
    itself; this keeps blocked rows in all the same.
    """
    partition = attempt.record.partition
    for step in steps:
        done = attempt.record.steps.get(step)
        if done is None:
            raise BlockedError(
                f"{step} of {partition} has not been materialized: attempt {attempt.number} of "
                f"{attempt.record.started_at} broke off before, or goes on; do that first: "
                f"{attempt.again}"
            )
        if done.blocked_by:
            reasons = "; ".join(f"{name}: {why}" for name, why in done.blocked_by.items())
            raise BlockedError(f"{step} of {partition} is blocked by {reasons}")


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
        if check.blocking and check.name in results and results[check.name].is_error
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
