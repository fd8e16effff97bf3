"""Attempts: the files of a run on a partition, in a folder of their own, and their record.

A step writes its files, and then replaces the attempt's record by one that has the step too, with
the SHA-256 of each of its files. What is not in the record did not happen: nobody reads the files
of a killed step. A recorded step is never carried out again in the same attempt.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.plain import one_line, to_the_minute
from lockstep.columns.tables import from_arrow, to_arrow
from lockstep.errors import BlockedError, DamagedError, ReplacedError
from lockstep.store.disks import (
    as_private_as_folder,
    flush_directory,
    make_folder,
    replace_file,
    replace_text,
)
from lockstep.store.processes import Process
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

FORMAT = 1
RECORD = "record.json"
"""The file of an attempt's record; a folder without one is no attempt."""
_REASON = "reason.txt"
"""The file that tells why a step of an attempt could not be carried out; no file of the record."""


class Results(Mapping[str, CheckResult]):
    """Check results of a record, parsed at first use: they are by far its largest part."""

    def __init__(self, written: bytes) -> None:
        self._written = written

    def __getitem__(self, name: str) -> CheckResult:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    @cached_property
    def _read(self) -> dict[str, CheckResult]:
        try:
            results = msgspec.json.decode(self._written, type=dict[str, Any])
            return {name: CheckResult.from_json(result) for name, result in results.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"what checks found cannot be read: {error}") from error


@dataclass(frozen=True)
class StepRecord:
    """The record of a step.

    Attributes:
        counts: Numbers of rows, such as accepted and quarantined.
        blocked_by: Blocking checks that are in error, each with its summary.
        manifest: SHA-256 of that version's manifest.
        facts: Further facts for later steps and partitions, as plain data.
        files: SHA-256 of the files that it wrote, by name; filled in by the attempt.
        finished_at: The time of its end, in ISO form.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    blocked_by: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    manifest: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    finished_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        results = {name: result.to_json() for name, result in self.results.items()}
        return {**asdict(replace(self, results={})), "results": results}

    @classmethod
    def of(cls, written: _WrittenStep) -> StepRecord:
        """The record from the output of `to_json` in its file."""
        values = msgspec.structs.asdict(written)
        return cls(**{**values, "results": Results(bytes(written.results))})


@dataclass(frozen=True)
class AttemptRecord:
    """The record of an attempt so far."""

    partition: str
    number: int  # counted from 1
    run: str
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())  # in ISO form
    # The process that began it, and its machine.
    by: str = field(default_factory=lambda: str(Process.here()))
    steps: Mapping[str, StepRecord] = field(default_factory=dict)
    # The same process, to see whether it lives; None in old records.
    process: Process | None = field(default_factory=Process.here)

    def to_text(self) -> str:
        """The record as the text of a JSON file."""
        steps = {name: step.to_json() for name, step in self.steps.items()}
        document = {"format": FORMAT, **asdict(replace(self, steps={})), "steps": steps}
        # A record is read again by the batches of four weeks: laid out, it is half as long again.
        return json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n"

    @classmethod
    def from_text(cls, text: bytes) -> AttemptRecord:
        """The record that `to_text` wrote; KeyError, TypeError or ValueError of any other text."""
        data = msgspec.json.decode(text, type=_Written)
        if data.format != FORMAT:
            raise ValueError(f"it has format {data.format}, and this Lockstep reads {FORMAT}")
        steps = {name: StepRecord.of(step) for name, step in data.steps.items()}
        return cls(
            data.partition, data.number, data.run, data.started_at, data.by, steps, data.process
        )

    @property
    def is_blocked(self) -> bool:
        """Whether a check blocks it."""
        return any(step.blocked_by for step in self.steps.values())

    @property
    def seen_at(self) -> datetime:
        """When it was begun, or its last step ended."""
        ends = (step.finished_at for step in self.steps.values())
        return datetime.fromisoformat(max((self.started_at, *ends)))


class _WrittenStep(msgspec.Struct, forbid_unknown_fields=True):
    """The record of a step in its file, whose check results are not parsed yet."""

    results: msgspec.Raw
    counts: Any
    blocked_by: Any
    version: Any
    manifest: Any
    facts: Any
    files: Any
    finished_at: Any


class _Written(msgspec.Struct):
    """The record of an attempt in its file."""

    format: int
    partition: str
    number: int
    run: str
    started_at: str
    by: str
    steps: dict[str, _WrittenStep]
    process: Process | None = None


@dataclass
class Attempt:
    """An attempt at a partition: its record, and its files.

    Whatever reads a file raises DamagedError where it is missing, or not as recorded.
    """

    folder: Path
    record: AttemptRecord
    again: str  # the command that makes the partition again, for messages
    # SHA-256 of every file of the step under way, by name.
    written: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(
        cls, folder: Path, record: AttemptRecord, again: str, origin: Attempt | None = None
    ) -> Attempt:
        """Begin an attempt in a new folder, which appears with its record or not at all.

        Steps that the record has already are taken over from `origin`, an earlier attempt at the
        partition.
        """
        begun = cls(folder.with_name(f".{folder.name}.begun"), record, again)
        if origin is not None:
            origin.verify(begun.files)
        shutil.rmtree(begun.folder, ignore_errors=True)  # of a process that was killed here
        make_folder(begun.folder)
        if origin is not None:
            for name in begun.files:
                _link(origin.path(name), begun.path(name))
        replace_text(begun.folder / RECORD, record.to_text())
        begun.folder.rename(folder)
        flush_directory(folder.parent)
        return cls(folder, record, again)

    @classmethod
    def open(cls, folder: Path, again: str, digest: str | None = None) -> Attempt:
        """Open a recorded attempt; DamagedError where its record, or its digest, is another."""
        path = folder / RECORD
        try:
            data = path.read_bytes()
            if digest is not None and hashlib.sha256(data).hexdigest() != digest:
                raise ValueError("it was changed after it was published")
            record = AttemptRecord.from_text(data)
            if digest is None:  # with a digest, the record is known to be as written
                for step in record.steps.values():
                    len(step.results)
        except FileNotFoundError as error:
            raise DamagedError(
                f"{path} is missing, which tells what came of the partition; make it anew: {again}"
            ) from error
        except (OSError, ValueError, KeyError, TypeError, DamagedError) as error:
            raise DamagedError(
                f"{path} does not tell what came of the partition ({error}); make it anew: {again}"
            ) from error
        return cls(folder, record, again)

    @property
    def number(self) -> int:
        """Number of the attempt at the partition."""
        return self.record.number

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file of the recorded steps, by name."""
        return {
            name: sha for step in self.record.steps.values() for name, sha in step.files.items()
        }

    def path(self, name: str) -> Path:
        """Path of a file of the attempt."""
        return self.folder / name

    def only(self, *names: str) -> Attempt:
        """The attempt as far as it has some files: for a process that reads no others."""
        known = {name: digest for name in names if (digest := self._digest_of(name)) is not None}
        return Attempt(self.folder, replace(self.record, steps={}), self.again, known)

    def sweep(self) -> None:
        """Remove what a step left that was killed: files that are not in the record."""
        recorded = {RECORD, _REASON, *self.files}
        for path in self.folder.iterdir():
            if path.name not in recorded:
                path.unlink(missing_ok=True)

    def write(self, name: str, table: pa.Table) -> Path:
        """Write a table as `NAME.parquet`, for the step under way."""
        file, self.written[file] = write_part(self.folder, name, 0, table)
        return self.path(file)

    def write_joined(self, name: str, tables: Iterable[pa.Table]) -> Path:
        """Write tables of the same columns as `NAME.parquet`, in turn, for the step under way."""
        from pyarrow import parquet

        def write(path: str) -> None:
            rest = iter(tables)
            first = next(rest)
            with parquet.ParquetWriter(path, first.schema, compression="zstd") as file:
                for table in chain((first,), rest):
                    file.write_table(table)

        return self._write(f"{name}.parquet", write)

    def put_instead(self, files: Mapping[str, str]) -> None:
        """Put parts that `write_part` wrote beside others into the places of these.

        `files` has the SHA-256 of each by the name that it gets.
        """
        for file in files:
            _instead(self.path(file)).replace(self.path(file))
        self.written.update(files)

    def write_columns(self, name: str, columns: Columns) -> Path:
        """Write columns as `NAME.parquet`, for the step under way."""
        return self.write(name, to_arrow(columns))

    def write_json(self, name: str, value: Any) -> Path:
        """Write a document as `NAME.json`, for the step under way."""
        text = json.dumps(value, allow_nan=False)
        return self._write(f"{name}.json", lambda path: Path(path).write_text(text, "utf-8"))

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file of this name, for the step under way."""
        return self._write(name, lambda path: Path(path).write_bytes(data))

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the table `NAME.parquet`, or some of its columns."""
        import pyarrow as pa

        return pa.concat_tables(self.parts(name, columns))

    def part_files(self, name: str) -> list[str]:
        """The files of the parts of a table, in order; `NAME.parquet` where it has none."""
        parts = [part_file(name, 0)]
        while self._digest_of(following := part_file(name, len(parts))) is not None:
            parts.append(following)
        return parts

    def parts(self, name: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Read a table, or some of its columns, part by part: one for each unit of the work."""
        for file in self.part_files(name):
            yield self._read_part(file, columns)

    def read_part(self, name: str, number: int) -> pa.Table:
        """Read a part of a table."""
        return self._read_part(part_file(name, number), None)

    def _read_part(self, file: str, columns: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa
        from pyarrow import parquet

        data = self._verified(file)
        with self._reading(file):
            return parquet.ParquetFile(pa.BufferReader(data)).read(columns)

    def read_columns(self, name: str, kinds: Mapping[str, Kind]) -> Columns:
        """Read the columns of `NAME.parquet`."""
        table = self.read(name)
        with self._reading(f"{name}.parquet"):
            return from_arrow(table, kinds)

    def read_json(self, name: str, parse: Callable[[Any], T]) -> T:
        """Read and parse the document `NAME.json`."""
        data = self._verified(f"{name}.json")
        with self._reading(f"{name}.json"):
            return parse(msgspec.json.decode(data))

    def read_bytes(self, name: str, parse: Callable[[bytes], T]) -> T:
        """Read and parse a file that `write_bytes` wrote."""
        data = self._verified(name)
        with self._reading(name):
            return parse(data)

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Turn any failure to read a file into damage of it, even if its digest agrees."""
        try:
            yield
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            cause = f"it lacks {error}" if isinstance(error, KeyError) else one_line(str(error))
            raise DamagedError(
                f"{self.path(name)} does not hold what attempt {self.number} at "
                f"{self.record.partition} wrote ({cause}); make it anew: {self.again}"
            ) from error

    def row_count(self, name: str) -> int:
        """Number of rows of a table, from the footers of its parts."""
        return sum(self.part_rows(name))

    def part_rows(self, name: str) -> list[int]:
        """Number of rows of each part of a table, from the footers."""
        from pyarrow import parquet

        footers = (parquet.read_metadata(self.path(file)) for file in self.part_files(name))
        return [int(footer.num_rows) for footer in footers]

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Compare files with their digests; all recorded ones by default."""
        for name in self.files if names is None else names:
            path = self._present(name)
            if sha256(path) != self._digest_of(name):  # a block at a time, however large it is
                raise self._changed(path)

    def demand_unblocked(self, steps: Iterable[str]) -> None:
        """Raise BlockedError unless steps are done and nothing blocks them.

        Dagster stops a run at a blocking check, but a person can materialize a later asset alone.
        """
        partition = self.record.partition
        for step in steps:
            done = self.record.steps.get(step)
            if done is None:
                raise BlockedError(
                    f"{step} of {partition} has not been materialized: attempt {self.number} of "
                    f"{to_the_minute(self.record.started_at)} broke off before, or goes on; do "
                    f"that first: {self.again}"
                )
            if done.blocked_by:
                reasons = "; ".join(f"{name}: {why}" for name, why in done.blocked_by.items())
                raise BlockedError(f"{step} of {partition} is blocked by {reasons}")

    def keep(self, step: str, record: StepRecord) -> StepRecord:
        """Record a step as done, with the files written since the last step."""
        assert step not in self.record.steps, f"{step} is recorded already"
        done = replace(record, files=dict(self.written))
        record_now = replace(self.record, steps={**self.record.steps, step: done})
        replace_text(self.folder / RECORD, record_now.to_text())
        self.record = record_now
        self.written.clear()
        return done

    def keep_reason(self, reason: str) -> None:
        """Keep why a step could not be carried out, in a sentence."""
        replace_text(self.folder / _REASON, f"{reason}\n")

    @property
    def reason(self) -> str | None:
        """Why a step could not be carried out; None where all could, or the process was killed."""
        try:
            return (self.folder / _REASON).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None

    def digest(self) -> str:
        """SHA-256 of the record's file now."""
        return sha256(self.folder / RECORD)

    def _write(self, name: str, write: Callable[[str], object]) -> Path:
        self.written[name] = _write(self.folder / name, write)
        return self.path(name)

    def _digest_of(self, name: str) -> str | None:
        """SHA-256 of a file, which may be of the step under way; None of a file that is none."""
        steps = reversed([*self.record.steps.values()])
        known = chain((self.written,), (step.files for step in steps))
        return next((files[name] for files in known if name in files), None)

    def _verified(self, name: str) -> bytes:
        path = self._present(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise self._missing(path) from error
        if hashlib.sha256(data).hexdigest() != self._digest_of(name):
            raise self._changed(path)
        return data

    def _present(self, name: str) -> Path:
        path = self.path(name)
        if self._digest_of(name) is None or not path.is_file():
            raise self._missing(path)
        return path

    def _missing(self, path: Path) -> DamagedError:
        attempt = f"attempt {self.number} at {self.record.partition}"
        if not (self.folder / RECORD).exists():
            return ReplacedError(
                f"{attempt} is kept no longer, since later ones took its place; read it again, or "
                f"make it anew: {self.again}"
            )
        return DamagedError(f"{path} is missing, which {attempt} wrote; make it anew: {self.again}")

    def _changed(self, path: Path) -> DamagedError:
        return DamagedError(
            f"{path} is not what attempt {self.number} at {self.record.partition} wrote, and "
            f"has been changed or damaged since; make it anew: {self.again}"
        )


def part_file(name: str, number: int) -> str:
    """The file of a part of a table: `NAME.parquet`, `NAME-1.parquet` and so on."""
    return f"{name}-{number}.parquet" if number else f"{name}.parquet"


def write_part(
    folder: Path, name: str, number: int, table: pa.Table, *, instead: bool = False
) -> tuple[str, str]:
    """Write a part of a table into the folder of an attempt, from any process.

    It belongs to the attempt once a step is recorded with it.

    Args:
        number: Number of the part, from 0.
        instead: Whether it is made of the part that has its place, which stays there until
            `Attempt.put_instead`: a process that is killed meanwhile can make it again.

    Returns:
        The name of the file, and its SHA-256.
    """
    from pyarrow import parquet

    file = part_file(name, number)
    path = _instead(folder / file) if instead else folder / file
    return file, _write(path, lambda place: parquet.write_table(table, place, compression="zstd"))


def _instead(path: Path) -> Path:
    return path.with_name(f".{path.name}.instead")


def _write(path: Path, write: Callable[[str], object]) -> str:
    """Write a file whole, whose name lasts once the record is written; returns its SHA-256."""
    replace_file(path, write, is_last=False)  # a link's other end stays as it is
    return sha256(path)


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    """Link a file under another name, or copy it where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        as_private_as_folder(target, target.parent)
