"""Partition records: which attempts at the partitions of a stream there were, and which one counts.

    attempts/PARTITION/NUMBER/   an attempt's files and its record (`lockstep.store.attempts`)
    records/PARTITION.json       the attempt that counts, and the SHA-256 of its record
    published/PARTITION.parquet  a copy of what it made for consumers (a file that came as Parquet
                                 keeps its name)
    locks/PARTITION.lock         held by the one process that is at work on the partition

Replacing the small file in `records/` is the commit: until then everything is as it was before the
attempt, and whoever reads goes by that file and by nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lockstep.artifacts.disks import replace_file, replace_text
from lockstep.checks.check_results import CheckResult
from lockstep.checks.specs import Check
from lockstep.errors import (
    BlockedError,
    DamagedError,
    LockedError,
    NotStoredError,
    SupersededError,
)
from lockstep.store.attempts import RECORD, Attempt, AttemptRecord, sha256
from lockstep.store.lock import Holder, holder, locked
from lockstep.store.parquet import file_name, partition_of

CLOCKS_APART = 3600.0
"""Seconds by which the clock of a network drive may be behind that of whoever commits."""
_OF_DAYS = ("daily", "outcomes")
"""Streams whose partitions are days."""


@dataclass(frozen=True)
class Commit:
    """Which attempt at a partition counts.

    Attributes:
        partition: The day or file.
        attempt: Number of the attempt.
        committed_at: Since when, in ISO form.
        record: SHA-256 of the attempt's record.
        first_at: When an attempt at the partition was first committed, in ISO form; empty where an
            older Lockstep committed it, which did not tell.
    """

    partition: str
    attempt: int
    committed_at: str
    record: str
    first_at: str = ""

    @property
    def came_at(self) -> str:
        """When what the partition holds first counted, however often it was made anew since."""
        return self.first_at or self.committed_at


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
    _opened: dict[str, Attempt] | None = None

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self.root.name

    @property
    def holds_days(self) -> bool:
        """Whether its partitions are days, rather than files."""
        return self.stream in _OF_DAYS

    def partitions(self) -> list[str]:
        """Partitions of which an attempt is committed, in the order of their names."""
        return sorted(map(partition_of, _names(self.root / "records", ".json")))

    def written(self) -> list[tuple[float, str]]:
        """When the file was written that says which attempt counts, of each partition.

        That is never before the commit, unless clocks differ; and later where a home was copied.

        Returns:
            Seconds since 1970, UTC, and the partition.
        """
        try:
            with os.scandir(self.root / "records") as found:
                files = [one for one in found if one.name.endswith(".json")]
        except FileNotFoundError:
            return []
        written = []
        for file in files:
            with suppress(FileNotFoundError):  # what is recorded of it was just removed
                written.append(
                    (file.stat().st_mtime, partition_of(file.name.removesuffix(".json")))
                )
        return written

    def before(self, partition: str, most: int) -> list[str]:
        """The last partitions that count and come before one, in order.

        Days come before one by their names, files by when they first counted.

        Args:
            partition: The partition.
            most: How many at most.

        Raises:
            DamagedError: It is not known which attempt at one of them counts.
        """
        for one in self._lost():
            if one < partition or (one != partition and not self.holds_days):
                self.commit_of(one)  # which tells that it is lost
        if self.holds_days:
            return [one for one in self.partitions() if one < partition][-most:]
        return [name for _, name in self._came_before(partition, most)]

    def count_before(self, partition: str) -> int:
        """How many partitions count and come before one."""
        return len(self.before(partition, len(self.partitions()) + 1))

    def _came_before(self, partition: str, most: int) -> list[tuple[str, str]]:
        """When the last files before one first counted, and which they are, in order.

        The file that tells it of a partition was written then or later, so that not all of them
        have to be read.
        """
        own = self.commit_of(partition)
        found: list[tuple[str, str]] = []
        for written, name in sorted(self.written(), reverse=True):
            if len(found) == most:
                oldest = datetime.fromisoformat(found[0][0]).timestamp()
                if written + CLOCKS_APART < oldest:
                    break
            commit = self.commit_of(name) if name != partition else None
            if commit is not None and (own is None or commit.came_at < own.came_at):
                insort(found, (commit.came_at, name))
                found = found[-most:]
        return found

    def after(self, partition: str) -> list[str]:
        """The days that count and come after one; of files none does, but those that come later."""
        if not self.holds_days:
            return []
        return [one for one in self.partitions() if one > partition]

    def attempted(self) -> list[str]:
        """Partitions at which there was an attempt, in the order of their names."""
        return sorted(map(partition_of, _names(self.root / "attempts")))

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
            DamagedError: The file that says so is damaged, a copy of another partition's, or lost.
        """
        path = self._commit(partition)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Commit)
            for at in filter(None, (found.committed_at, found.first_at)):
                if datetime.fromisoformat(at).tzinfo is None:
                    raise ValueError(f"{at} is of no time zone")
        except FileNotFoundError:
            # What consumers read is written after the commit.
            if self.exported is None or not self.export_path(partition).exists():
                return None
            raise DamagedError(
                f"{path} is missing, which tells which attempt at {partition} counts, and what it "
                f"made is there for consumers; make it anew: {self.again(partition)}"
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise DamagedError(
                f"{path} does not tell which attempt at {partition} counts ({error}); make it "
                f"anew: {self.again(partition)}"
            ) from error
        if found.partition != partition:
            raise DamagedError(
                f"{path} is a copy of the record of {found.partition} under another name: remove it"
            )
        return found

    def for_a_step(self) -> Records:
        """The same records, of which each attempt that counts is opened once.

        The checks of a batch go back over the same weeks, each by itself; a record is large, since
        it tells what checks found. A step that begins later has to ask for them anew.
        """
        return replace(self, _opened={})

    def committed(self, partition: str) -> Attempt | None:
        """The attempt at a partition that counts; None if none does.

        Raises:
            DamagedError: Its record is not what was committed.
        """
        if self._opened is not None and partition in self._opened:
            return self._opened[partition]
        commit = self.commit_of(partition)
        if commit is None:
            return None
        folder = self._attempts(partition) / str(commit.attempt)
        attempt = self._open(folder, partition, commit.record)
        if self._opened is not None:
            self._opened[partition] = attempt
        return attempt

    def demand(self, partition: str) -> Attempt:
        """The attempt at a partition that counts.

        Raises:
            NotStoredError: None does.
            DamagedError: Its record is not what was committed.
        """
        found = self.committed(partition)
        if found is None:
            raise NotStoredError(
                f"No attempt at {self.stream}/{partition} has gone through yet: "
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
                f"No attempt {number} at {self.stream}/{partition} is kept; {shown}."
            )
        return self._open(self._attempts(partition) / str(number), partition)

    def newest_first(self, partition: str) -> Iterator[Attempt]:
        """All attempts at a partition, whatever came of them, from the last one on.

        Raises:
            DamagedError: The record of one is damaged.
        """
        for number in reversed(self.numbers(partition)):
            yield self.attempt(partition, number)

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
        if not after:
            self.export_what_is_missing()
        with locked(self._lock(partition), f"{self.stream}/{partition}"):
            yield self._attempt_for(partition, step, run, after)

    def commit(self, attempt: Attempt) -> None:
        """Make an attempt the one that counts, and let consumers read what it made.

        Raises:
            SupersededError: A later attempt has been committed meanwhile.
            DamagedError: What consumers are to read is not what was recorded.
        """
        partition = attempt.record.partition
        before = self._known_commit(partition)
        if before is not None and before.attempt > attempt.number:
            raise SupersededError(
                f"Attempt {attempt.number} at {self.stream}/{partition} is not committed: "
                f"attempt {before.attempt} began later and counts already. If it should not count, "
                f"make the partition anew: {self.again(partition)}"
            )
        if self.exported is not None:
            attempt.verify([f"{self.exported}.parquet"])
        now = datetime.now(UTC).isoformat()
        first_at = before.came_at if before is not None else now
        commit = Commit(partition, attempt.number, now, attempt.digest(), first_at)
        replace_text(self._commit(partition), json.dumps(asdict(commit), indent=1) + "\n")
        self._export(attempt)
        self._prune(partition, {attempt.number})

    def export_path(self, partition: str) -> Path:
        """Where consumers read what the committed attempt at a partition made."""
        assert self.exported is not None, "a stream that consumers read says what they read"
        return self.root / self.exported / _export_name(partition)

    def verify_export(self, attempt: Attempt) -> None:
        """Check that consumers read what a committed attempt made for them, if it made anything.

        Raises:
            DamagedError: They do not: it was edited, or never exported.
        """
        if self.exported is None:
            return
        partition = attempt.record.partition
        path, doubled = self.export_path(partition), self._doubled(partition)
        path = doubled if doubled.is_file() and not path.is_file() else path
        made = attempt.files[f"{self.exported}.parquet"]
        if not path.is_file() or sha256(path) != made:
            raise DamagedError(
                f"{path} is not what attempt {attempt.number} at {partition} made for consumers; "
                f"make it anew: {attempt.again}"
            )

    def holder(self, partition: str) -> Holder | None:
        """Who is at work on a partition now; None if nobody is."""
        return holder(self._lock(partition))

    def begin(self, partition: str, run: str) -> None:
        """Record that a run begins an attempt, before its first step has anything to work on.

        Raises:
            LockedError: Another process is at work on the partition, and goes on being.
        """
        with locked(self._lock(partition), f"{self.stream}/{partition}"):
            self._begin(partition, run)

    def export_what_is_missing(self) -> None:
        """Let consumers read what was committed by a process that was killed before it did so."""
        if self.exported is None:
            return
        for partition in self.partitions():
            if not self._is_export_older(partition):
                continue
            try:
                with locked(self._lock(partition), partition, wait=0):
                    attempt = self.demand(partition)
                    attempt.verify([f"{self.exported}.parquet"])
                    self._export(attempt)
            except (LockedError, DamagedError):
                continue  # whoever holds it exports it; damage is told by whoever reads it

    def forget(self, partition: str) -> None:
        """Remove what is recorded of a partition that there is no more.

        Raises:
            LockedError: Another process is at work on it.
        """
        with locked(self._lock(partition), f"{self.stream}/{partition}", wait=0):
            self._commit(partition).unlink(missing_ok=True)
            shutil.rmtree(self._attempts(partition), ignore_errors=True)
        self._lock(partition).unlink(missing_ok=True)

    def _open(self, folder: Path, partition: str, digest: str | None = None) -> Attempt:
        attempt = Attempt.open(folder, self.again(partition), digest)
        if attempt.record.partition != partition:
            raise DamagedError(
                f"{folder / RECORD} is a copy of the record of {attempt.record.partition}; make "
                f"{partition} anew: {attempt.again}"
            )
        return attempt

    def _attempt_for(self, partition: str, step: str, run: str, after: Sequence[str]) -> Attempt:
        if not after:
            return self._begun(partition, run) or self._begin(partition, run)
        origin: Attempt | None = None
        for attempt in self.newest_first(partition):
            steps = attempt.record.steps
            if attempt.record.run == run and step not in steps and set(after) <= set(steps):
                _demand_unblocked(attempt, after)
                return attempt
            if origin is None and steps:
                origin = attempt
        if origin is None:
            raise BlockedError(
                f"{self.stream}/{after[0]} of {partition} has not been materialized; do that "
                f"first: {self.again(partition)}"
            )
        _demand_unblocked(origin, after)
        return self._begin(partition, run, origin, after)

    def _begun(self, partition: str, run: str) -> Attempt | None:
        """The last attempt, if the run has begun it and done nothing yet."""
        try:
            last = next(self.newest_first(partition), None)
        except DamagedError:
            return None  # another attempt is how that is mended
        return last if last and last.record.run == run and not last.record.steps else None

    def _begin(
        self, partition: str, run: str, origin: Attempt | None = None, after: Sequence[str] = ()
    ) -> Attempt:
        commit = self._known_commit(partition)
        committed = commit.attempt if commit is not None else 0
        # Above the one that counts even where its folder is lost: else this one came before it.
        number = max([committed, *self._folders(partition)]) + 1
        taken = {step: origin.record.steps[step] for step in after} if origin is not None else {}
        record = AttemptRecord(partition, number, run, steps=taken)
        folder = self._attempts(partition) / str(number)
        begun = Attempt.begin(folder, record, self.again(partition), origin)
        self._prune(partition, {number, committed})
        return begun

    def _lost(self) -> list[str]:
        """Partitions of which no attempt is committed, and which consumers read all the same."""
        if self.exported is None:
            return []
        known = set(map(_export_name, self.partitions()))
        names = _names(self.root / self.exported, ".parquet")
        exported = {f"{name}.parquet" for name in names} - known
        attempted = self.attempted() if exported else ()
        return [one for one in attempted if _export_name(one) in exported]

    def _known_commit(self, partition: str) -> Commit | None:
        """Which attempt counts; None if none does, or nobody can tell any more."""
        try:
            return self.commit_of(partition)
        except DamagedError:
            return None  # another commit is how that is repaired

    def _export(self, attempt: Attempt) -> None:
        if self.exported is None:
            return
        source = attempt.path(f"{self.exported}.parquet")
        replace_file(
            self.export_path(attempt.record.partition),
            lambda target: shutil.copyfile(source, target),
        )
        self._doubled(attempt.record.partition).unlink(missing_ok=True)

    def _doubled(self, partition: str) -> Path:
        """Where an older Lockstep exported a partition that is called `NAME.parquet`."""
        path = self.export_path(partition)
        return path.with_name(f"{path.name}.parquet")

    def _is_export_older(self, partition: str) -> bool:
        try:
            exported = self.export_path(partition).stat()
        except FileNotFoundError:
            return True
        return exported.st_mtime_ns < self._commit(partition).stat().st_mtime_ns

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
        return sorted(int(name) for name in _names(self._attempts(partition)) if name.isdigit())

    def _attempts(self, partition: str) -> Path:
        return self.root / "attempts" / file_name(partition)

    def _commit(self, partition: str) -> Path:
        return self.root / "records" / f"{file_name(partition)}.json"

    def _lock(self, partition: str) -> Path:
        return self.root / "locks" / f"{file_name(partition)}.lock"


def _export_name(partition: str) -> str:
    """Name of the file in which consumers read a partition."""
    return f"{file_name(partition).removesuffix('.parquet')}.parquet"


def _names(folder: Path, suffix: str = "") -> list[str]:
    """Names of what is in a folder, without their suffix; none where there is no folder.

    A stream has thousands of partitions, and a `Path` of each takes ten times as long.
    """
    try:
        with os.scandir(folder) as found:
            names = [one.name for one in found]
    except FileNotFoundError:
        return []
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]


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


def blocking(checks: Iterable[Check], results: Mapping[str, CheckResult]) -> dict[str, str]:
    """The results that block what comes after, by check."""
    return {
        check.name: results[check.name].summary
        for check in checks
        if check.blocking and check.name in results and results[check.name].is_error
    }
