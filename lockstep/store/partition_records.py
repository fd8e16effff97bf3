"""Partition records: the attempts at the partitions of a stream, and which one counts.

    attempts/PARTITION/NUMBER/   an attempt's files and its record (`lockstep.store.attempts`)
    records/PARTITION.json       the attempt that counts, and the SHA-256 of its record
    published/PARTITION.parquet  a copy of its rows for consumers (a file that came as Parquet keeps
                                 its name)
    locks/PARTITION.lock         held by the process at work on the partition

Replacing the small file in `records/` is the commit: until then everything is as before the
attempt, and readers go by that file alone.
"""

from __future__ import annotations

import os
import shutil
from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias

from lockstep.columns.plain import file_name, one_line, partition_of, to_the_minute
from lockstep.errors import (
    BlockedError,
    DamagedError,
    LockedError,
    NotStoredError,
    SupersededError,
)
from lockstep.store.attempts import RECORD, Attempt, AttemptRecord, sha256
from lockstep.store.disks import replace_file
from lockstep.store.lock import WAIT_SECONDS, Holder, holder, locked
from lockstep.store.state_files import read_state, state_or, state_text

CLOCKS_APART = 3600.0
"""Seconds by which a network drive's clock may be behind the committing process's."""
_EXPORTED = ".exported"
"""The file of an attempt that becomes the export: what a kill leaves goes with the attempt."""
Mark: TypeAlias = tuple[int, int, int]
_TICK = timedelta(milliseconds=1)
"""By how much a commit is later than the one before it, at least."""
_LONGEST_REASON = 2_000
"""Characters that are kept of why an attempt broke off."""
_OF_DAYS = ("daily", "outcomes")
"""Streams whose partitions are days."""


@dataclass(frozen=True)
class Commit:
    """The attempt at a partition that counts."""

    partition: str
    attempt: int
    committed_at: str  # in ISO form, as `first_at`
    record: str  # SHA-256 of the attempt's record
    first_at: str  # when the partition first counted, however often it was made again since

    def __post_init__(self) -> None:
        for at in (self.committed_at, self.first_at):
            if datetime.fromisoformat(at).tzinfo is None:
                raise ValueError(f"{at} is of no time zone")


@dataclass(frozen=True, eq=False)
class Records:
    """The attempts at the partitions of a stream, and which of them count.

    Its methods raise DamagedError where a commit or record is damaged or lost, and LockedError
    where another process keeps the partition locked.

    Attributes:
        again: Returns the command that makes a partition again, for messages.
        kept: Number of attempts kept at a partition, with the committed one.
        exported: Name without suffix of the attempt's file that consumers read from
            `NAME/PARTITION.parquet`; None without consumers.
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
        """Partitions with a committed attempt, in the order of their names."""
        return sorted(map(partition_of, _names(self.root / "records", ".json")))

    def written(self) -> list[tuple[float, str]]:
        """When the commit's file of each partition was written, in seconds since 1970, UTC.

        That is never before the commit, unless clocks differ; it is later where a home was copied.
        """
        try:
            with os.scandir(self.root / "records") as entries:
                files = [entry for entry in entries if entry.name.endswith(".json")]
        except FileNotFoundError:
            return []
        written = []
        for file in files:
            with suppress(FileNotFoundError):  # its record was just removed
                written.append(
                    (file.stat().st_mtime, partition_of(file.name.removesuffix(".json")))
                )
        return written

    def now(self) -> datetime:
        """The time, in UTC: after all commits, though the clock may have been set back since."""
        last = max((at for at, _ in self.written()), default=0.0)
        return max(datetime.now(UTC), datetime.fromtimestamp(last, UTC) + _TICK)

    def before(self, partition: str, most: int) -> list[str]:
        """The last committed partitions before one, in order.

        Days are ordered by their names, files by when they first counted.
        """
        for name in self._lost():
            if name < partition or (name != partition and not self.holds_days):
                self.commit_of(name)  # raises, since it is lost
        if self.holds_days:
            return [name for name in self.partitions() if name < partition][-most:]
        return [name for _, name in self._came_before(partition, most)]

    def count_before(self, partition: str) -> int:
        """Number of committed partitions before one."""
        return len(self.before(partition, len(self.partitions()) + 1))

    def _came_before(self, partition: str, most: int) -> list[tuple[str, str]]:
        """When the last files before one first counted, with their partitions, in order.

        A commit's file was written then or later, so that not all of them have to be read.
        """
        own = self.commit_of(partition)
        earlier: list[tuple[str, str]] = []
        for written, name in sorted(self.written(), reverse=True):
            if len(earlier) == most:
                oldest = datetime.fromisoformat(earlier[0][0]).timestamp()
                if written + CLOCKS_APART < oldest:
                    break
            commit = self.commit_of(name) if name != partition else None
            if commit is not None and (own is None or commit.first_at < own.first_at):
                insort(earlier, (commit.first_at, name))
                earlier = earlier[-most:]
        return earlier

    def attempted_before(self, partition: str, most: int) -> list[str]:
        """The last partitions attempted before one, with whatever result, in order.

        Days are ordered by their names, files by when they first counted, or were begun if they
        never did. Files whose record is damaged are left out.
        """
        if self.holds_days:
            return [name for name in self.attempted() if name < partition][-most:]
        until = self._time_of(partition)
        times = {name: self._time_of(name) for name in self.attempted() if name != partition}
        earlier = [
            (time, name) for name, time in times.items() if time and (not until or time < until)
        ]
        return [name for _, name in sorted(earlier)[-most:]]

    def _time_of(self, partition: str) -> str | None:
        """When a partition first counted, or else was begun, in ISO form; None if that is lost."""
        with suppress(DamagedError):
            commit = self.commit_of(partition)
            if commit is not None:
                return commit.first_at
            last = self.last(partition)
            return None if last is None else last.record.started_at
        return None

    def attempted(self) -> list[str]:
        """Partitions with an attempt, in the order of their names."""
        return sorted(map(partition_of, _names(self.root / "attempts")))

    def numbers(self, partition: str) -> list[int]:
        """Numbers of the kept attempts at a partition, in order."""
        return [
            number
            for number in self._folders(partition)
            if (self._attempts(partition) / str(number) / RECORD).exists()
        ]

    def commit_of(self, partition: str) -> Commit | None:
        """The commit of a partition; None without one."""
        path = self._commit(partition)
        fails, todo = f"does not tell which attempt at {partition} counts", self.again(partition)
        commit = read_state(path, Commit, fails, f"make it anew: {todo}")
        if commit is None:
            # The export is written after the commit.
            if self.exported is None or not self.export_path(partition).exists():
                return None
            raise DamagedError(
                f"{path} is missing, which tells which attempt at {partition} counts, and what it "
                f"made is there for consumers; make it anew: {todo}"
            )
        if commit.partition != partition:
            raise DamagedError(
                f"{path} is a copy of the record of {commit.partition} under another name: "
                "remove it"
            )
        return commit

    def came_at(self, partition: str) -> datetime | None:
        """When a partition first counted, however often it was made again since; None if never.

        Of rows with one key in several partitions, those of the one that came last count.
        """
        commit = self._known_commit(partition)
        return datetime.fromisoformat(commit.first_at) if commit is not None else None

    def for_a_step(self) -> Records:
        """The same records, which open each committed attempt once.

        The checks of a batch go back over the same weeks, each by itself, and a record is large,
        since it holds check results. A later step has to call this again.
        """
        return replace(self, _opened={})

    def committed(self, partition: str) -> Attempt | None:
        """The committed attempt at a partition; None without one."""
        if self._opened is not None and partition in self._opened:
            return self._opened[partition]
        commit = self.commit_of(partition)
        if commit is None:
            return None
        folder = self._attempts(partition) / str(commit.attempt)
        try:
            attempt = self._open(folder, partition, commit.record)
        except DamagedError:
            if commit != self.commit_of(partition):  # it was replaced meanwhile
                return self.committed(partition)
            raise
        if self._opened is not None:
            self._opened[partition] = attempt
        return attempt

    def demand(self, partition: str) -> Attempt:
        """The committed attempt at a partition; NotStoredError where there is none."""
        attempt = self.committed(partition)
        if attempt is None:
            raise NotStoredError(
                f"No attempt at {self.stream}/{partition} has gone through yet: "
                f"{self.again(partition)}"
            )
        return attempt

    def attempt(self, partition: str, number: int) -> Attempt:
        """An attempt at a partition, committed or not; NotStoredError where it is not kept."""
        kept = self.numbers(partition)
        if number not in kept:
            shown = f"there are {', '.join(map(str, kept))}" if kept else "there is none"
            raise NotStoredError(
                f"No attempt {number} at {self.stream}/{partition} is kept; {shown}."
            )
        return self._open(self._attempts(partition) / str(number), partition)

    def newest_first(self, partition: str) -> Iterator[Attempt]:
        """All attempts at a partition, committed or not, from the last one on."""
        for number in reversed(self.numbers(partition)):
            yield self.attempt(partition, number)

    def last(self, partition: str) -> Attempt | None:
        """The last attempt at a partition, committed or not; None without any."""
        return next(self.newest_first(partition), None)

    @contextmanager
    def step(
        self, partition: str, step: str, run: str, *, after: Sequence[str] = ()
    ) -> Iterator[Attempt]:
        """The attempt in which a run carries out a step, with the partition's lock held.

        A run goes on with its own attempt. A run without one, since somebody carries out a later
        step alone, begins an attempt that takes over the steps before from the last attempt.

        Args:
            after: The steps before it; none for the first step, which begins an attempt.

        Raises:
            BlockedError: A step before it has not been carried out, or a check blocks it.
        """
        if not after:
            self.export_what_is_missing()
        with self.locked(partition):
            yield self._attempt_for(partition, step, run, after)

    def commit(self, attempt: Attempt, *, once: bool = False) -> None:
        """Make an attempt the one that counts, and export its rows to consumers.

        With `once`, it counts only if no other run's does; else it is removed. Raises
        SupersededError where a later attempt has been committed meanwhile; or any, with `once`.
        """
        partition = attempt.record.partition
        before = self._known_commit(partition)
        if once:
            try:
                self._demand_open(partition, attempt.record.run)
            except SupersededError:
                _remove_attempt(attempt.folder)
                raise
        if before is not None and before.attempt > attempt.number:
            raise SupersededError(
                f"Attempt {attempt.number} at {self.stream}/{partition} is not committed: "
                f"attempt {before.attempt} began later and counts already. If it should not count, "
                f"make the partition anew: {self.again(partition)}"
            )
        if self.exported is not None:
            attempt.verify([f"{self.exported}.parquet"])
        now = self.now()
        first_at = before.first_at if before is not None else now.isoformat()
        commit = Commit(partition, attempt.number, now.isoformat(), attempt.digest(), first_at)
        write = partial(_write_at, text=state_text(commit), at=now)
        replace_file(self._commit(partition), write)
        self._export(attempt)
        self._prune(partition, {attempt.number})

    def export_path(self, partition: str) -> Path:
        """Path of a partition's export, which consumers read."""
        assert self.exported is not None, "a stream that consumers read says what they read"
        return self.root / self.exported / _export_name(partition)

    def verify_export(self, attempt: Attempt) -> None:
        """Check that consumers read what a committed attempt made for them, if anything."""
        if self.exported is None:
            return
        partition = attempt.record.partition
        path = self.export_path(partition)
        made = attempt.files[f"{self.exported}.parquet"]
        if not path.is_file() or sha256(path) != made:
            raise DamagedError(
                f"{path} is not what attempt {attempt.number} at {partition} made for consumers; "
                f"make it anew: {attempt.again}"
            )

    def files(self, partition: str) -> list[Path]:
        """The files of a committed partition: its commit, its attempt's files, and its export."""
        path = self._commit(partition)
        exported = [self.export_path(partition)] if self.exported is not None else []
        commit = state_or(path, Commit, None)
        attempt = [] if commit is None else self.files_of(partition, commit.attempt)
        return [path, *attempt, *exported]

    def files_of(self, partition: str, number: int) -> list[Path]:
        """The files of an attempt, in the order of their names."""
        folder = self._attempts(partition) / str(number)
        return [folder / name for name in sorted(_names(folder))]

    def unrecorded(self) -> dict[str, Path]:
        """The exports that no commit stands behind, by partition as far as these are known."""
        exports = self._unrecorded_exports()
        attempted = {_export_name(name): name for name in self.attempted()} if exports else {}
        return {
            attempted.get(name, partition_of(path.stem)): path for name, path in exports.items()
        }

    @contextmanager
    def keeping_reason(self, partition: str, run: str) -> Iterator[None]:
        """Keep beside the attempt that a run has begun why a step of it failed."""
        try:
            yield
        except Exception as error:
            with suppress(DamagedError, OSError):  # what is raised matters more
                last = self.last(partition)
                if last is not None and last.record.run == run:
                    last.keep_reason(one_line(str(error), _LONGEST_REASON))
            raise

    def holder(self, partition: str) -> Holder | None:
        """The process at work on a partition now; None without one."""
        return holder(self._lock(partition))

    @contextmanager
    def locked(self, partition: str, wait: float = WAIT_SECONDS) -> Iterator[None]:
        """Hold a partition's lock, so that nobody else works on it."""
        with locked(self._lock(partition), f"{self.stream}/{partition}", wait=wait):
            yield

    def begin(self, partition: str, run: str, *, once: bool = False) -> None:
        """Record that a run begins an attempt, before its first step has anything to work on.

        With `once`, it raises SupersededError if another run's attempt counts.
        """
        with self.locked(partition):
            if once:
                self._demand_open(partition, run)
            self._begin(partition, run)

    def unexported(self) -> list[str]:
        """The committed partitions that consumers cannot read as committed, by their exports' age.

        A process exports after its commit; it may be at work, or was killed in between.
        """
        if self.exported is None:
            return []
        return [name for name in self.partitions() if self._is_export_older(name)]

    def export_what_is_missing(self) -> None:
        """Export what a process committed that was killed before it exported."""
        for partition in self.unexported():
            try:
                with self.locked(partition, wait=0):
                    attempt = self.demand(partition)
                    attempt.verify([f"{self.exported}.parquet"])
                    self._export(attempt)
            except (LockedError, DamagedError):
                continue  # the process at work exports it; readers report damage

    def mark(self, partition: str, number: int) -> tuple[Mark, ...]:
        """What changes with a partition's attempts, with the record of one, and with the commit."""
        folder = self.folder(partition)
        commit = f"{self.root}/records/{file_name(partition)}.json"
        return mark_of(folder), mark_of(f"{folder}/{number}/{RECORD}"), mark_of(commit)

    def folder(self, partition: str) -> str:
        """The folder of a partition's attempts, which changes when one is begun."""
        return f"{self.root}/attempts/{file_name(partition)}"

    def folders(self) -> tuple[Mark, Mark]:
        """What changes when a partition is attempted for the first time, and at every commit."""
        return mark_of(f"{self.root}/attempts"), mark_of(f"{self.root}/records")

    def forget(self, partition: str) -> None:
        """Remove the records of a partition."""
        with self.locked(partition, wait=0):
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
                attempt.demand_unblocked(after)
                return attempt
            if origin is None and steps:
                origin = attempt
        if origin is None:
            raise BlockedError(
                f"{self.stream}/{after[0]} of {partition} has not been materialized; do that "
                f"first: {self.again(partition)}"
            )
        origin.demand_unblocked(after)
        return self._begin(partition, run, origin, after)

    def _begun(self, partition: str, run: str) -> Attempt | None:
        """The last attempt, if the run has begun it and recorded no step yet."""
        try:
            last = self.last(partition)
        except DamagedError:
            return None  # another attempt repairs that
        return last if last and last.record.run == run and not last.record.steps else None

    def _begin(
        self, partition: str, run: str, origin: Attempt | None = None, after: Sequence[str] = ()
    ) -> Attempt:
        commit = self._known_commit(partition)
        committed = commit.attempt if commit is not None else 0
        # Above the committed one even where its folder is lost: else this one came before it.
        number = max([committed, *self._folders(partition)]) + 1
        taken = {step: origin.record.steps[step] for step in after} if origin is not None else {}
        record = AttemptRecord(partition, number, run, steps=taken)
        folder = self._attempts(partition) / str(number)
        begun = Attempt.begin(folder, record, self.again(partition), origin)
        self._prune(partition, {number, committed})
        self._sweep(partition, number - 1)
        return begun

    def _sweep(self, partition: str, number: int) -> None:
        """Remove what an attempt left that was killed; with the lock held, nobody is at work."""
        with suppress(DamagedError, NotStoredError):  # without its record, nobody knows what is its
            self.attempt(partition, number).sweep()

    def _demand_open(self, partition: str, run: str) -> None:
        """Demand that no attempt of another run counts, such as one of another machine."""
        commit = self._known_commit(partition)
        if commit is None:
            return
        with suppress(DamagedError, NotStoredError):  # another commit repairs that
            record = self.attempt(partition, commit.attempt).record
            if record.run != run:
                raise SupersededError(
                    f"{self.stream}/{partition} is published already, by {record.by or 'a process'}"
                    f" at {to_the_minute(commit.committed_at)} (attempt {commit.attempt}, run "
                    f"{record.run}). To score it again: {self.again(partition)}"
                )

    def _lost(self) -> list[str]:
        """Partitions with an export but without a commit."""
        exports = self._unrecorded_exports()
        attempted = self.attempted() if exports else ()
        return [name for name in attempted if _export_name(name) in exports]

    def _unrecorded_exports(self) -> dict[str, Path]:
        """The exports that no commit stands behind, by the names of their files.

        The commit is written before the export, so the exports are listed first.
        """
        if self.exported is None:
            return {}
        folder = self.root / self.exported
        names = {f"{name}.parquet" for name in _names(folder, ".parquet")}
        known = set(map(_export_name, self.partitions()))
        return {name: folder / name for name in sorted(names - known)}

    def _known_commit(self, partition: str) -> Commit | None:
        """The commit of a partition; None without one, or where it is damaged."""
        try:
            return self.commit_of(partition)
        except DamagedError:
            return None  # another commit repairs that

    def _export(self, attempt: Attempt) -> None:
        if self.exported is None:
            return
        partition, source = attempt.record.partition, attempt.path(f"{self.exported}.parquet")
        committed = self._commit(partition).stat().st_mtime_ns

        def copy(target: str) -> None:
            shutil.copyfile(source, target)
            os.utime(target, ns=(committed, committed))  # it is as old, whatever the clock says

        replace_file(self.export_path(partition), copy, by=attempt.path(_EXPORTED))

    def _is_export_older(self, partition: str) -> bool:
        try:
            exported = self.export_path(partition).stat()
        except FileNotFoundError:
            return True
        return exported.st_mtime_ns < self._commit(partition).stat().st_mtime_ns

    def _prune(self, partition: str, needed: set[int]) -> None:
        """Remove the oldest attempts until `kept` are left, except the needed ones."""
        others = [number for number in self._folders(partition) if number not in needed]
        most = max(self.kept - len(needed - {0}), 0)
        for number in others[: max(len(others) - most, 0)]:
            _remove_attempt(self._attempts(partition) / str(number))

    def _folders(self, partition: str) -> list[int]:
        """Numbers that are taken, also by attempts killed before their first record."""
        return sorted(int(name) for name in _names(self._attempts(partition)) if name.isdecimal())

    def _attempts(self, partition: str) -> Path:
        return self.root / "attempts" / file_name(partition)

    def _commit(self, partition: str) -> Path:
        return self.root / "records" / f"{file_name(partition)}.json"

    def _lock(self, partition: str) -> Path:
        return self.root / "locks" / f"{file_name(partition)}.lock"


def mark_of(path: str) -> Mark:
    """The time, size and inode of a file or folder; zeros without one."""
    try:
        state = os.stat(path)  # noqa: PTH116 - a page asks for thousands, and `Path` is slow
    except OSError:
        return 0, 0, 0
    return state.st_mtime_ns, state.st_size, state.st_ino


def _remove_attempt(folder: Path) -> None:
    (folder / RECORD).unlink(missing_ok=True)  # without it, the rest is no attempt
    shutil.rmtree(folder)


def _write_at(path: str, text: str, at: datetime) -> None:
    """Write a text file as if at a time."""
    Path(path).write_text(text, encoding="utf-8")
    nanoseconds = round(at.timestamp() * 1e6) * 1_000
    os.utime(path, ns=(nanoseconds, nanoseconds))


def _export_name(partition: str) -> str:
    return f"{file_name(partition).removesuffix('.parquet')}.parquet"


def _names(folder: Path, suffix: str = "") -> list[str]:
    """Names of a folder's entries with a suffix, without it; none without a folder.

    A stream has thousands of partitions, and a `Path` of each takes ten times as long.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except FileNotFoundError:
        return []
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
